"""The columns of a payload that has been checked, as the rows of the two tables of
matches."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NoReturn

import orjson
import pyarrow as pa

from soccer_assets.feed.fields import NEUTRAL_FIELD
from soccer_assets.feed.states import decision, match_state
from soccer_assets.warehouse.rows import MATCH_SCHEMA, RAW_SCHEMA
from soccer_assets.warehouse.schema import BOOKKEEPING, RAW_FIELDS, match, match_raw

#: Feed field -> its value in every match.
Columns = Mapping[str, Sequence[Any]]
#: Raises what is wrong with the day, as told.
Fault = Callable[[str], NoReturn]

SCORE_FIELDS = tuple(
    f"{side}{kind}Score" for side in ("home", "away") for kind in ("", "Extratime", "Penalty")
)
#: Feed field -> SQL type of its column, as text.
SQL_TYPES = {field: str(match_raw.c[name].type) for field, name in RAW_FIELDS.items()}
#: A NUL in JSON text, which PostgreSQL cannot store; the backslash itself is not escaped.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
#: Column of ``match`` -> field whose values it has as they are.
_VERBATIM = {name: field for field, name in RAW_FIELDS.items()} | {"is_neutral": NEUTRAL_FIELD}
#: Columns of ``match`` that its hash covers.
_CONTENT = [c.name for c in match.columns if c.name not in (*BOOKKEEPING, "vanished_at")]


def raw_table(
    headers: list[dict],
    matches: list[dict],
    extras: list[dict],
    columns: Columns,
    day: date,
    payload_key: str,
    fetched_at: datetime,
    fault: Fault,
) -> pa.Table:
    """Every field verbatim, those without a column of their own in ``extra``; ``RAW_SCHEMA``."""
    data: dict[str, Sequence[Any]] = {}
    for field, name in RAW_FIELDS.items():
        values = columns[field]
        if SQL_TYPES[field] == "JSONB":
            values = [None if v is None else _document(v, fault) for v in values]
        data[name] = values
    data["extra"] = [_document(e, fault) if e else None for e in extras]
    data["content_hash"] = [
        content_hash((header, row, day)) for header, row in zip(headers, matches, strict=True)
    ]
    constants = {
        "feed_day": day,
        "payload_key": payload_key,
        "first_seen_at": fetched_at,
        "changed_at": fetched_at,
    }
    return _table(RAW_SCHEMA, data, constants)


def match_table(
    columns: Columns, kickoffs: Sequence[datetime], day: date, fetched_at: datetime
) -> pa.Table:
    """What the fields mean; ``MATCH_SCHEMA``."""
    data: dict[str, Sequence[Any]] = {"kickoff": kickoffs}
    data["status"], data["decided_in"] = _states(columns)
    for name in _CONTENT:
        if name != "feed_day" and name not in data:
            data[name] = columns[_VERBATIM[name]]
    hashed = ([day] * len(kickoffs) if name == "feed_day" else data[name] for name in _CONTENT)
    data["content_hash"] = [content_hash(row) for row in zip(*hashed, strict=True)]
    constants = {
        "feed_day": day,
        "vanished_at": None,
        "first_seen_at": fetched_at,
        "changed_at": fetched_at,
    }
    return _table(MATCH_SCHEMA, data, constants)


def content_hash(document: Any) -> int:
    """A 64-bit hash of a JSON-like value, as PostgreSQL's signed bigint."""
    text = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


def _table(
    schema: pa.Schema, columns: Mapping[str, Sequence[Any]], constants: Mapping[str, Any]
) -> pa.Table:
    """A table of columns with values of their own and of columns with one value throughout."""
    count = len(columns["match_id"])
    arrays = [
        pa.repeat(pa.scalar(constants[column.name], column.type), count)
        if column.name in constants
        else pa.array(columns[column.name], column.type)
        for column in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _document(value: Any, fault: Fault) -> str:
    text = orjson.dumps(value).decode()
    if _NUL.search(text):
        fault(f"a NUL character in {text:.60}")
    return text


def _states(columns: Columns) -> tuple[list[str], list[str | None]]:
    states: list[str] = []
    decisions: list[str | None] = []
    records = zip(
        columns["status"],
        columns["period"],
        columns["elapsed"],
        *(columns[field] for field in SCORE_FIELDS),
        strict=True,
    )
    for status, period, elapsed, *scores in records:
        home, home_extra, home_penalty, away, away_extra, away_penalty = scores
        extra_time = not (home_extra is None and away_extra is None)
        penalties = not (home_penalty is None and away_penalty is None)
        has_score = extra_time or penalties or not (home is None and away is None)
        state, decided = _state(status, period, elapsed, has_score, extra_time, penalties)
        states.append(state)
        decisions.append(decided)
    return states, decisions


# The same few combinations over and over; a running match's minute makes it some more.
@lru_cache(maxsize=1024)
def _state(
    status: int,
    period: int | None,
    elapsed: str | None,
    has_score: bool,
    extra_time: bool,
    penalties: bool,
) -> tuple[str, str | None]:
    state = match_state(status, period, elapsed, has_score=has_score)
    return state.value, decision(state, elapsed, extra_time=extra_time, penalties=penalties)
