"""From one day's payload to rows, or to a fault that says what is wrong with it.

Columns are validated whole (one set of types a column), so that a clean payload costs little and
a bad one is named down to the match and the field.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import compress
from operator import eq, itemgetter
from typing import Any, NoReturn

import orjson

from soccer_assets.feed.faults import FeedFault, PayloadFault, UnexpectedFault
from soccer_assets.feed.fields import (
    GAPS_FIELD,
    HEADER_FIELDS,
    MAX_BIGINT,
    MAX_SCORE,
    NEUTRAL_FIELD,
    OWN_FIELDS,
    FeedStatus,
)
from soccer_assets.feed.limits import FeedLimits
from soccer_assets.ingestion.details import grounds, odds_table, statistics_table
from soccer_assets.ingestion.tables import (
    SCORE_FIELDS,
    SQL_TYPES,
    Columns,
    Fault,
    match_table,
    raw_table,
)
from soccer_assets.warehouse.rows import (
    Gap,
    ParsedDay,
    SetAside,
)
from soccer_assets.warehouse.schema import RAW_FIELDS

REQUIRED_HEADER = ("regionId", "regionName", "tournamentId", "tournamentName", "seasonId", "sex")
REQUIRED_MATCH = (
    "id",
    "stageId",
    "status",
    "startTimeUtc",
    "homeTeamId",
    "homeTeamName",
    "homeScore",
    "awayTeamId",
    "awayTeamName",
    "awayScore",
)
NOT_NULL = frozenset(REQUIRED_HEADER + REQUIRED_MATCH) - {"homeScore", "awayScore"}

_STATUS_CODES = frozenset(FeedStatus)
_POSSIBLE_SCORES = frozenset((None, *range(MAX_SCORE + 1)))
#: Fields that are read from the header; the others are the match's.
_HEADER_COLUMNS = tuple(field for field in HEADER_FIELDS if field != "stageId")
_MATCH_COLUMNS = tuple(field for field in RAW_FIELDS if field not in _HEADER_COLUMNS)
_ALLOWED_TYPES: dict[str, set[type]] = {
    "BIGINT": {int},
    "INTEGER": {int},
    "TEXT": {str},
    "BOOLEAN": {bool},
    "JSONB": {list, dict},
}
#: What a payload may hold where nobody says otherwise.
DEFAULT_LIMITS = FeedLimits()


def parse_day(
    day: date,
    body: bytes,
    *,
    payload_key: str,
    fetched_at: datetime,
    limits: FeedLimits = DEFAULT_LIMITS,
) -> ParsedDay:
    """Parse a payload.

    Raises:
        PayloadFault: beyond the limits, not JSON, not the feed's shape, a required field missing
            or null, a value of the wrong type or beyond what a column holds, an unknown status, an
            impossible score, or a match id twice.
        UnexpectedFault: the parser itself failed.
    """
    try:
        return _parse_day(day, body, payload_key, fetched_at, limits)
    except FeedFault:
        raise
    except Exception as error:
        raise UnexpectedFault(day, error, body) from error


def _parse_day(
    day: date, body: bytes, payload_key: str, fetched_at: datetime, limits: FeedLimits
) -> ParsedDay:
    def fault(text: str) -> NoReturn:
        raise PayloadFault(day, text, body)

    if len(body) > limits.max_bytes:
        fault(f"{len(body):,} bytes, more than {limits.max_bytes:,}")
    payload = _decode(body, fault)
    headers, matches = _flatten(payload, fault)
    if len(matches) > limits.max_matches:
        fault(f"{len(matches):,} matches, more than {limits.max_matches:,}")
    columns = _columns(headers, matches, fault)
    _check_values(columns, fault)
    present = set().union(*headers, *matches)
    kickoffs = _kickoffs(columns["startTimeUtc"], fault)
    set_aside = _against_themselves(columns)
    set_aside |= _out_of_time(columns, kickoffs, day, fetched_at, limits)
    if set_aside:
        kept = [match_id not in set_aside for match_id in columns["id"]]
        headers, matches = list(compress(headers, kept)), list(compress(matches, kept))
        kickoffs = list(compress(kickoffs, kept))
        columns = {field: list(compress(values, kept)) for field, values in columns.items()}
    new_fields = sorted(present - RAW_FIELDS.keys())
    extras = _extras(headers, matches, new_fields)
    unusable: list[str] = []

    def tell(match_id: int, text: str) -> None:
        unusable.append(f"match {match_id}: {text}")

    neutral = grounds(columns["id"], extras, tell)
    return ParsedDay(
        day,
        payload_key,
        fetched_at,
        raw=raw_table(headers, matches, extras, columns, day, payload_key, fetched_at, fault),
        match=match_table({**columns, NEUTRAL_FIELD: neutral}, kickoffs, day, fetched_at),
        odds=odds_table(columns["id"], extras, fetched_at, tell),
        statistics=statistics_table(columns["id"], extras, fetched_at, tell),
        new_fields=tuple(field for field in new_fields if field not in OWN_FIELDS),
        missing_fields=tuple(f for f in RAW_FIELDS if f not in present) if present else (),
        set_aside=tuple(set_aside.values()),
        unusable=tuple(unusable),
        gaps=_gaps(payload.get(GAPS_FIELD), fault),
    )


def _extras(headers: list[dict], matches: list[dict], new_fields: list[str]) -> list[dict]:
    """What each match has beyond the known fields."""
    if not new_fields:
        return [{}] * len(matches)
    return [
        {field: row[field] for row in rows for field in new_fields if field in row}
        for rows in zip(headers, matches, strict=True)
    ]


def _decode(body: bytes, fault: Fault) -> Any:
    if body.lstrip()[:1] == b"<":
        fault("an HTML page instead of JSON")
    try:
        payload = orjson.loads(body)
        orjson.dumps(payload)  # refuses what loads accepts: nesting beyond 254 levels
        return payload
    except orjson.JSONDecodeError as error:
        fault(f"truncated or invalid JSON: {error}")
    except orjson.JSONEncodeError as error:
        fault(f"JSON nested too deeply: {error}")


def _flatten(payload: Any, fault: Fault) -> tuple[list[dict], list[dict]]:
    """One header and one match dict per match."""
    if not isinstance(payload, dict) or not isinstance(payload.get("tournaments"), list):
        fault("missing field 'tournaments' (a list)")
    headers, matches = [], []
    for tournament in payload["tournaments"]:
        if not isinstance(tournament, dict) or not isinstance(tournament.get("matches"), list):
            fault("missing field 'matches' (a list) of a tournament")
        header = {k: v for k, v in tournament.items() if k != "matches"}
        for row in tournament["matches"]:
            if not isinstance(row, dict):
                fault(f"a match is {type(row).__name__}, not an object")
            headers.append(header)
            matches.append(row)
    return headers, matches


def _columns(headers: list[dict], matches: list[dict], fault: Fault) -> Columns:
    """Known field -> its values, null where a match does not have it."""
    columns: dict[str, Sequence[Any]] = {}
    for rows, fields in ((headers, _HEADER_COLUMNS), (matches, _MATCH_COLUMNS)):
        try:
            records = list(map(itemgetter(*fields), rows))
        except KeyError:  # not every row has every field: slower
            _check_required(headers, matches, fault)
            records = [tuple(map(row.get, fields)) for row in rows]
        values = zip(*records, strict=True) if records else [()] * len(fields)
        columns |= zip(fields, values, strict=True)
    return columns


def _check_required(headers: list[dict], matches: list[dict], fault: Fault) -> None:
    for rows, required in ((headers, REQUIRED_HEADER), (matches, REQUIRED_MATCH)):
        for field in required:
            for row, its_match in zip(rows, matches, strict=True):
                if field not in row:
                    fault(f"missing field '{field}' of match {its_match.get('id')!s:.40}")


def _check_values(columns: Columns, fault: Fault) -> None:
    ids = columns["id"]
    for field, sql_type in SQL_TYPES.items():
        values = columns[field]
        found = set(map(type, values))
        if field not in NOT_NULL:
            found.discard(type(None))
        if wrong := found - _ALLOWED_TYPES[sql_type]:
            row = next(i for i, v in enumerate(values) if type(v) in wrong)
            if values[row] is None:
                fault(f"field '{field}' of match {ids[row]!s:.40} is null")
            names = " or ".join(sorted(kind.__name__ for kind in _ALLOWED_TYPES[sql_type]))
            fault(f"field '{field}' of match {ids[row]!s:.40} is {values[row]!r:.60}, not {names}")
        if int in found:
            limit = MAX_BIGINT if sql_type == "BIGINT" else 2**31 - 1
            worst = max((v for v in values if v is not None), key=abs)
            if abs(worst) > limit:
                fault(f"field '{field}' of match {ids[values.index(worst)]!s:.40} is out of range")
        if str in found and "\x00" in "".join(filter(None, values)):
            fault(f"field '{field}' holds a NUL character")
    if len(set(ids)) != len(ids):
        seen: set[int] = set()
        twice = next(i for i in ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
        fault(f"match id {twice} twice in one payload")
    if not _STATUS_CODES.issuperset(columns["status"]):
        row = next(i for i, v in enumerate(columns["status"]) if v not in _STATUS_CODES)
        fault(f"unknown status {columns['status'][row]} of match {ids[row]}")
    if set(columns["sex"]) - {0, 1}:
        fault(f"unknown sex {sorted(set(columns['sex']) - {0, 1})}")
    for field in SCORE_FIELDS:
        values = columns[field]
        if not _POSSIBLE_SCORES.issuperset(values):
            row = next(i for i, v in enumerate(values) if v not in _POSSIBLE_SCORES)
            fault(f"field '{field}' of match {ids[row]} is {values[row]}, not a score")


def _kickoffs(times: Sequence[str], fault: Fault) -> list[datetime]:
    moments = {text: _instant(text, fault) for text in set(times)}
    return [moments[text] for text in times]


def _against_themselves(columns: Columns) -> dict[int, SetAside]:
    """By id, the matches of a team against itself, which would teach that it beats itself."""
    home, away = columns["homeTeamId"], columns["awayTeamId"]
    same = compress(zip(columns["id"], home, strict=True), map(eq, home, away))
    return {match_id: SetAside(match_id, f"team {team} plays itself") for match_id, team in same}


def _out_of_time(
    columns: Columns,
    kickoffs: Sequence[datetime],
    day: date,
    fetched_at: datetime,
    limits: FeedLimits,
) -> dict[int, SetAside]:
    """By id, the matches that kick off far from the day that shows them, or that are over although
    they had not begun when the payload was fetched."""
    try:
        midnight = datetime.combine(day, time(), UTC)
        first = midnight - limits.kickoff_span
        end = midnight + limits.kickoff_span + timedelta(days=1)
    except OverflowError:  # a day at the end of the calendar
        return {}
    if not kickoffs or (first <= min(kickoffs) and max(kickoffs) < min(end, fetched_at)):
        return {}
    found = {}
    for match_id, kickoff, status in zip(columns["id"], kickoffs, columns["status"], strict=True):
        if not first <= kickoff < end:
            reason = f"more than {limits.kickoff_days} days from its day {day}"
        elif status == FeedStatus.FINISHED and kickoff > fetched_at:
            reason = f"after it was fetched ({_minute(fetched_at)}), and yet finished"
        else:
            continue
        found[match_id] = SetAside(match_id, f"kick-off {_minute(kickoff)} is {reason}")
    return found


def _minute(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(" ", "minutes")


def _gaps(told: Any, fault: Fault) -> tuple[Gap, ...]:
    def is_gap(gap: Any) -> bool:
        return (
            isinstance(gap, dict)
            and isinstance(gap.get("fault"), str)
            and isinstance(gap.get("tournamentIds"), list)
            and all(type(tournament_id) is int for tournament_id in gap["tournamentIds"])
        )

    if told is None:
        return ()
    if not isinstance(told, list) or not all(map(is_gap, told)):
        fault(f"field '{GAPS_FIELD}' is not a list of tournamentIds and fault")
    return tuple(Gap(frozenset(gap["tournamentIds"]), gap["fault"]) for gap in told)


def _instant(text: str, fault: Fault) -> datetime:
    try:
        value = datetime.fromisoformat(text)
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        fault(f"startTimeUtc {text!r:.60} is not a time")
