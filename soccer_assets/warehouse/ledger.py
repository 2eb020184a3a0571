"""The ledger: what was predicted before kick-off, entry by entry, and how it turned out.

An entry is added when what is predicted of a match changes, and stays. Whether a prediction was made
before kick-off is asked twice: when it is entered, of all that is known then (the kick-off it was
made for, the one that the warehouse has by now, and whether the match has begun), and when it is
settled, of the kick-off as it is known now. A match that was brought forward is thus settled by what
was said before it really began, or not at all.
"""

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import orjson
import pandas as pd
import sqlalchemy as sa

from soccer_assets.feed.states import MatchState
from soccer_assets.ledger_check import FIELDS, row_text, text_hash, time_text
from soccer_assets.warehouse.schema import LEDGER_LOCK_KEY, SCHEMA
from soccer_assets.warehouse.served_model import ServedModel

OUTCOMES = ("home", "draw", "away")
#: What the version's baselines say of the same match; null where it has none.
BASELINES = [f"{system}_{outcome}" for system in ("elo", "prior") for outcome in OUTCOMES]
PROBABILITIES = [f"p_{outcome}" for outcome in OUTCOMES]
#: States in which a match has not begun, as far as is known.
NOT_BEGUN = [MatchState.SCHEDULED, MatchState.POSTPONED, MatchState.CANCELLED]
#: When nothing of these differs from the last entry of the match, there is nothing to add. Which
#: results the features knew, and of what revision they are, is told with it, and is no prediction.
_CONTENT = ["kickoff", *PROBABILITIES, *BASELINES]
_TIMES = ("kickoff", "features_as_of")

# A day that is closed gets no entry any more: whoever was late is entered on the next day, which is
# the later moment, so nothing is made to look earlier than it was.
_MADE_AT = f"""
SELECT greatest(CAST(:now AS timestamptz),
    (SELECT (max(day) + 1)::timestamp AT TIME ZONE 'UTC' FROM {SCHEMA}.prediction_ledger_day))
"""
_NEW = f"""
SELECT s.match_id FROM {{staged}} s
LEFT JOIN {SCHEMA}.match m USING (match_id)
LEFT JOIN LATERAL (
    SELECT * FROM {SCHEMA}.prediction_ledger
    WHERE match_id = s.match_id ORDER BY entry_id DESC LIMIT 1) last ON true
WHERE s.kickoff > :made_at
  AND (m.match_id IS NULL OR (m.kickoff > :made_at AND m.status = ANY (:not_begun)))
  AND (:version, :run_id, {", ".join(f"s.{name}" for name in _CONTENT)}) IS DISTINCT FROM
      (last.model_version, last.run_id, {", ".join(f"last.{name}" for name in _CONTENT)})
"""


def lock_ledger(connection: sa.Connection) -> None:
    """Keep others from adding entries, and from closing days, until the transaction ends."""
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LEDGER_LOCK_KEY})


def enter_predictions(
    connection: sa.Connection,
    predictions: pd.DataFrame,
    staged: str,
    model: ServedModel,
    now: datetime,
    data_revision: str | None,
) -> int:
    """Add what is predicted anew, in a transaction that holds the ledger's lock.

    Args:
        predictions: ``match_id, kickoff, p_home, p_draw, p_away, features_as_of`` and ``BASELINES``;
            times UTC in microseconds.
        staged: a table of this transaction that holds the same.

    Returns:
        Entries added.
    """
    made_at = connection.execute(sa.text(_MADE_AT), {"now": now}).scalar_one()
    asked = {
        "made_at": made_at,
        "not_begun": [state.value for state in NOT_BEGUN],
        "version": model.version,
        "run_id": model.run_id,
    }
    new = list(connection.scalars(sa.text(_NEW.format(staged=staged)), asked))
    rows = predictions[predictions["match_id"].isin(new)]
    if rows.empty:
        return 0
    told: dict[str, Any] = {
        "model_version": model.version,
        "run_id": model.run_id,
        "data_revision": data_revision,
    }
    texts = _texts(rows, {**told, "made_at": time_text(made_at)})
    table = rows.assign(**told, made_at=made_at, content_hash=list(map(text_hash, texts)))
    copy_frame(connection, f"{SCHEMA}.prediction_ledger", table[[*FIELDS, "content_hash"]])
    return len(rows)


def _texts(rows: pd.DataFrame, constants: dict[str, Any]) -> list[str]:
    """``row_text`` of every row, a column at a time: a hundred thousand are a fraction of a second."""
    columns = []
    for name in FIELDS:
        if name in constants:
            columns.append([json.dumps(constants[name])] * len(rows))
        elif name in _TIMES:
            times = rows[name].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
            columns.append([f'"{text}Z"' for text in np.datetime_as_string(times, unit="us")])
        elif name == "match_id":
            columns.append(list(map(str, rows[name].tolist())))
        else:
            columns.append(_numbers(rows[name].to_numpy(dtype=np.float64, na_value=np.nan)))
    pattern = "{" + ",".join(f'"{name}":%s' for name in FIELDS) + "}"
    return [pattern % values for values in zip(*columns, strict=True)]


def _numbers(values: np.ndarray) -> list[str]:
    """As Python writes them. orjson finds the same shortest digits, but writes small numbers
    otherwise."""
    texts = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    return [
        repr(float(text)) if "e" in text or text.startswith("0.0000") else text
        for text in texts[1:-1].decode().split(",")
    ]


def copy_frame(connection: sa.Connection, table: str, rows: pd.DataFrame) -> None:
    """COPY a frame into a table whose columns have the same names; times are UTC and whole
    microseconds, NaN is null."""
    import pyarrow as pa

    from soccer_assets.warehouse.filling import copy_in

    cursor = connection.connection.cursor()
    cursor.execute("SET LOCAL timezone TO 'UTC'")
    copy_in(cursor, table, pa.Table.from_pandas(rows, preserve_index=False))


def ledger_days(connection: sa.Connection) -> dict[date, str]:
    """Closed days, in order, with the hash of their manifest."""
    query = f"SELECT day, manifest_sha256 FROM {SCHEMA}.prediction_ledger_day ORDER BY day"
    return {row.day: row.manifest_sha256 for row in connection.execute(sa.text(query))}


def days_with_entries(connection: sa.Connection) -> tuple[date, date] | None:
    """The first and the last day on which something was entered; None before the first."""
    query = sa.text(
        f"""SELECT (min(made_at) AT TIME ZONE 'UTC')::date, (max(made_at) AT TIME ZONE 'UTC')::date
            FROM {SCHEMA}.prediction_ledger"""
    )
    first, last = connection.execute(query).one()
    return None if first is None else (first, last)


_OF_DAY = (
    "made_at >= CAST(:day AS date)::timestamp AT TIME ZONE 'UTC'"
    " AND made_at < (CAST(:day AS date) + 1)::timestamp AT TIME ZONE 'UTC'"
)


def database_day(connection: sa.Connection) -> date:
    """Today, as the database's clock has it, UTC."""
    query = sa.text("SELECT (now() AT TIME ZONE 'UTC')::date")
    return connection.execute(query).scalar_one()


def count_before(connection: sa.Connection, day: date) -> int:
    """Entries made before a day."""
    query = f"""SELECT count(*) FROM {SCHEMA}.prediction_ledger
                WHERE made_at < CAST(:day AS date)::timestamp AT TIME ZONE 'UTC'"""
    return connection.execute(sa.text(query), {"day": day}).scalar_one()


def hashes_of(connection: sa.Connection, day: date) -> list[str]:
    """Hashes of the entries of a day, as they were recorded."""
    query = f"SELECT content_hash FROM {SCHEMA}.prediction_ledger WHERE {_OF_DAY}"
    return list(connection.scalars(sa.text(query), {"day": day}))


def texts_of(connection: sa.Connection, day: date) -> list[tuple[str, str]]:
    """Text of every entry of a day, made of what its columns hold now, and its recorded hash; in the
    order in which they were entered."""
    query = f"""SELECT {", ".join(FIELDS)}, content_hash FROM {SCHEMA}.prediction_ledger
                WHERE {_OF_DAY} ORDER BY entry_id, match_id"""
    times = {FIELDS.index(name) for name in ("made_at", *_TIMES)}
    found = []
    for *values, recorded in connection.execute(sa.text(query), {"day": day}):
        for place in times:
            values[place] = time_text(values[place])
        found.append((row_text(values), recorded))
    return found


def close_day(
    connection: sa.Connection, day: date, predictions: int, manifest_sha256: str, now: datetime
) -> None:
    """Note that nothing is added to a day any more, in a transaction that holds the lock."""
    connection.execute(
        sa.text(f"INSERT INTO {SCHEMA}.prediction_ledger_day VALUES (:day, :rows, :sha256, :now)"),
        {"day": day, "rows": predictions, "sha256": manifest_sha256, "now": now},
    )


def newest_of(engine: sa.Engine, match_ids: Sequence[int]) -> pd.DataFrame:
    """What was entered last of each of these matches: ``match_id, model_version, p_home, p_draw,
    p_away``."""
    query = sa.text(
        f"""SELECT DISTINCT ON (match_id) match_id, model_version, {", ".join(PROBABILITIES)}
            FROM {SCHEMA}.prediction_ledger WHERE match_id = ANY (:matches)
            ORDER BY match_id, entry_id DESC"""
    )
    types = {"match_id": "int64", **dict.fromkeys(PROBABILITIES, "float64")}
    with engine.connect() as connection:
        return pd.read_sql_query(
            query, connection, params={"matches": list(match_ids)}, dtype=types
        )


_ODDS = [f"odds_{outcome}" for outcome in OUTCOMES]
_SETTLED = [
    *("match_id", "tournament_id", "league", "kickoff", "made_at", "model_version"),
    *PROBABILITIES, *BASELINES, "outcome", *_ODDS,
]  # fmt: skip
_UNSETTLED = ["match_id", "tournament_id", "kickoff", "made_at", "model_version", "why"]
# Of each match the last entry before its kick-off, as known now; where there is none, the last one.
_LAST = f"""
WITH last AS (
    SELECT DISTINCT ON (l.match_id) l.*, m.kickoff AS actual,
           l.made_at < coalesce(m.kickoff, 'infinity') AS in_time
    FROM {SCHEMA}.prediction_ledger l LEFT JOIN {SCHEMA}.match m USING (match_id)
    WHERE (CAST(:version AS integer) IS NULL OR l.model_version = :version)
      AND (CAST(:after AS timestamptz) IS NULL OR coalesce(m.kickoff, l.kickoff) >= :after)
    ORDER BY l.match_id, l.made_at < coalesce(m.kickoff, 'infinity') DESC, l.entry_id DESC
), found AS (
    SELECT last.*, m.tournament_id, m.region_name || ' ' || m.tournament_name AS league, m.status, m.vanished_at, m.match_id IS NULL AS is_gone,
           1 - sign(m.home_score - m.away_score)::int AS outcome,
           coalesce(in_time AND m.status = '{MatchState.FINISHED}'
               AND m.home_score IS NOT NULL AND m.away_score IS NOT NULL, false) AS is_settled
    FROM last LEFT JOIN {SCHEMA}.match m USING (match_id)
)
"""
# Closing odds before earlier ones, the market's mean before a single bookmaker, the best prices last.
_BEST_ODDS = f"""
    SELECT odds_home, odds_draw, odds_away FROM {SCHEMA}.match_odds o
    WHERE o.match_id = found.match_id
    ORDER BY phase <> 'closing', array_position(ARRAY['Avg', 'PS', 'B365'], bookmaker),
             bookmaker = 'Max', bookmaker COLLATE "C"
    LIMIT 1
"""


def settled(
    engine: sa.Engine, version: int | None = None, after: datetime | None = None
) -> pd.DataFrame:
    """The last prediction before kick-off of every match that has a result after 90 minutes.

    Args:
        version: only what this version has said; the last of any version by default.
        after: only matches that kicked off at this moment or later.

    Returns:
        One row a match, by kick-off: ``match_id, tournament_id, league`` (country and name), ``kickoff``
        (as known now, UTC),
        ``made_at, model_version, p_home, p_draw, p_away``, the baselines of that version,
        ``elo_home, elo_draw, elo_away, prior_home, prior_draw, prior_away`` (NaN where it has none),
        ``outcome`` (0 home win, 1 draw, 2 away win), and decimal odds ``odds_home, odds_draw,
        odds_away`` (closing ones where there are any; NaN where there are none).
    """
    columns = ", ".join(
        {"kickoff": "actual AS kickoff"}.get(name, name) for name in _SETTLED if name not in _ODDS
    )
    query = f"""{_LAST} SELECT {columns}, {", ".join(_ODDS)} FROM found
        LEFT JOIN LATERAL ({_BEST_ODDS}) best ON true
        WHERE is_settled ORDER BY actual, match_id"""
    found = _read(engine, query, version, after)[_SETTLED]
    numbers = [*PROBABILITIES, *BASELINES, *_ODDS]
    return found.astype(dict.fromkeys(numbers, "float64"))


def unsettled(
    engine: sa.Engine,
    now: datetime,
    version: int | None = None,
    after: datetime | None = None,
) -> pd.DataFrame:
    """Matches in the ledger that are not settled, and why.

    Returns:
        ``match_id, tournament_id, kickoff, made_at, model_version, why``, which is one of ``to come``,
        ``no result yet``, ``postponed``, ``cancelled``, ``abandoned``, ``awarded``, ``vanished``
        (from the feed, or from the warehouse), ``begun before it was predicted`` (as is known by
        now) and ``no score after 90 minutes``.
    """
    query = f"""{_LAST} SELECT match_id, tournament_id, coalesce(actual, kickoff) AS kickoff,
            made_at, model_version, CASE
                WHEN is_gone THEN 'vanished'
                WHEN NOT in_time THEN 'begun before it was predicted'
                WHEN status = '{MatchState.FINISHED}' THEN 'no score after 90 minutes'
                WHEN vanished_at IS NOT NULL THEN 'vanished'
                WHEN status IN ('{MatchState.POSTPONED}', '{MatchState.CANCELLED}',
                    '{MatchState.ABANDONED}', '{MatchState.AWARDED}') THEN status
                WHEN actual > :now THEN 'to come'
                ELSE 'no result yet' END AS why
        FROM found WHERE NOT is_settled ORDER BY 3, 1"""
    return _read(engine, query, version, after, now=now)[_UNSETTLED]


def _read(
    engine: sa.Engine, query: str, version: int | None, after: datetime | None, **more: Any
) -> pd.DataFrame:
    asked = {"version": version, "after": after, **more}
    with engine.connect() as connection:
        found = pd.read_sql(sa.text(query), connection, params=asked)
    return found.assign(
        **{name: pd.to_datetime(found[name], utc=True) for name in ("kickoff", "made_at")}
    )
