"""Bulk upsert of parsed days: COPY into staging tables, then set-based statements.

Payloads take effect one after the other, in the order of their fetches, whatever the batches: the
tables are a function of the archive alone, so that reading it again rebuilds them bit-equal.

A match that several day feeds show (postponed, moved) is one row. Of the records that the days show
now, the one with the further state wins, then the later day; the others wait in shadow tables, and
come back when the winner's day drops it. A match that no day shows any more keeps its last record,
marked ``vanished_at``. One of which its day says nothing that could be used stays as it is.
"""

import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from types import SimpleNamespace

import psycopg2
import psycopg2.extensions
import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa
from psycopg2.extras import execute_values

from soccer_assets.clock import CLOCKS_DISAGREE_BY, utc_now
from soccer_assets.feed.faults import UnexpectedFault
from soccer_assets.warehouse.rows import ParsedDay
from soccer_assets.warehouse.schema import (
    BOOKKEEPING,
    LOCK_KEY,
    SCHEMA,
    STATUSES,
    match,
    match_odds,
    match_raw,
)


@dataclass(frozen=True)
class TableChange:
    """What one load did to one table, in rows."""

    inserted: int = 0
    updated: int = 0

    def __add__(self, other: "TableChange") -> "TableChange":
        return TableChange(self.inserted + other.inserted, self.updated + other.updated)


@dataclass(frozen=True)
class LoadResult:
    """What one load did. ``vanished``: matches that no day feed shows any more. ``refused``: days
    that the database did not take, each with a fault that has its error as cause."""

    match_raw: TableChange = TableChange()
    match: TableChange = TableChange()
    vanished: int = 0
    refused: tuple[UnexpectedFault, ...] = ()
    passed_over: tuple[date, ...] = ()
    """Days of which something newer was loaded already."""

    def __add__(self, other: "LoadResult") -> "LoadResult":
        return LoadResult(
            self.match_raw + other.match_raw,
            self.match + other.match,
            self.vanished + other.vanished,
            self.refused + other.refused,
            self.passed_over + other.passed_over,
        )


def load_days(
    engine: sa.Engine,
    days: Sequence[ParsedDay],
    checked_at: datetime | None = None,
    *,
    reparse: bool = False,
) -> LoadResult:
    """Upsert the tables and note the days as ingested, in one transaction.

    A row whose content is unchanged is not touched, a payload that is loaded already is not loaded
    again, and one older than what its day holds is passed over. Loads are serialised by an advisory
    lock, so concurrent ingests of overlapping days cannot deadlock or interleave.

    Args:
        days: of a day that comes twice, the last one counts.
        checked_at: when the source was last asked for these days; default: each payload's own
            fetch (a load from the archive).
        reparse: load payloads that are loaded already, because the parser has changed.
    """
    days = list({day.day: day for day in days}.values())
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        return load_in_transaction(connection, days, checked_at, reparse=reparse)


def load_in_transaction(
    connection: sa.Connection,
    days: Sequence[ParsedDay],
    checked_at: datetime | None = None,
    *,
    reparse: bool = False,
) -> LoadResult:
    """``load_days`` inside a transaction that holds the lock.

    When the database refuses something of the days, each is loaded by itself, so that the others
    do not go down with the one at fault.
    """
    if not days:
        return LoadResult()
    try:
        with connection.begin_nested():
            return _load(connection, days, checked_at, reparse)
    except Exception as error:
        if _of_surroundings(error):
            raise
        if len(days) == 1:
            return LoadResult(refused=(UnexpectedFault(days[0].day, error),))
    result = LoadResult()
    for day in sorted(days, key=lambda day: (day.fetched_at, day.day)):
        result += load_in_transaction(connection, [day], checked_at, reparse=reparse)
    return result


def _of_surroundings(error: Exception) -> bool:
    """Whether no day is at fault, but the connection, the server, its disk or a lock."""
    if isinstance(error, psycopg2.OperationalError):
        return not (error.pgcode or "").startswith("54")  # 54: a value beyond the server's limits
    return isinstance(error, psycopg2.InterfaceError | sa.exc.DBAPIError | OSError)


def _load(
    connection: sa.Connection,
    days: Sequence[ParsedDay],
    checked_at: datetime | None,
    reparse: bool,
) -> LoadResult:
    cursor = connection.connection.cursor()
    cursor.execute(_STAGING)
    held = _held_payloads(cursor, [day.day for day in days])
    shown = _shown_matches(cursor, list(held))
    result = LoadResult()
    for step in _steps(days, held, shown, reparse):
        result += _apply(cursor, step, shown)
    _note_ingested(cursor, days, checked_at)
    older = (day.day for day in days if day.day in held and held[day.day].is_newer_than(day))
    return replace(result, passed_over=tuple(sorted(older)))


# No statistics can make a load slow: they are of yesterday, and those of a wrong moment would have one
# table gone through for each row of another. So the tables of the warehouse are asked for given
# matches or days only, by their indexes, and joined by hashes only.
_BAD_PLANS = ("enable_seqscan", "enable_nestloop", "enable_mergejoin", "jit")
_STAGING = (
    "SET LOCAL timezone = 'UTC';\n"
    + "".join(f"SET LOCAL {kind} = off;\n" for kind in _BAD_PLANS)
    + "".join(
        f"CREATE TEMP TABLE IF NOT EXISTS stage_{table.name} (LIKE {SCHEMA}.{table.name})"
        " ON COMMIT DROP;\n"
        for table in (match_raw, match, match_odds)
    )
    + (
        "CREATE TEMP TABLE IF NOT EXISTS stage_day"
        " (day date, fetched_at timestamptz, payload_key text) ON COMMIT DROP;\n"
        "CREATE TEMP TABLE IF NOT EXISTS pool"
        " (match_id bigint, feed_day date, origin text, place bigint) ON COMMIT DROP;\n"
    )
)


@dataclass(frozen=True)
class _Held:
    """What a day holds before the load."""

    payload_key: str
    fetched_at: datetime

    def is_newer_than(self, day: ParsedDay) -> bool:
        """Not if it claims to be of the future, where nothing was ever fetched."""
        return day.fetched_at < self.fetched_at <= datetime.now(UTC) + CLOCKS_DISAGREE_BY


def _held_payloads(cursor: psycopg2.extensions.cursor, days: Sequence[date]) -> dict[date, _Held]:
    cursor.execute(
        f"SELECT day, payload_key, fetched_at FROM {SCHEMA}.ingested_day WHERE day = ANY(%s)",
        [list(days)],
    )
    return {day: _Held(key, fetched_at) for day, key, fetched_at in cursor.fetchall()}


@dataclass(frozen=True)
class _Shown:
    """What the tables hold of some days: the matches that each shows, with their tournaments, and
    which of those another day shows, too."""

    by_day: dict[date, dict[int, int | None]]
    """Day -> match -> its tournament; None when the day does not show it any more."""
    contested: set[int]

    def untold(self, day: ParsedDay, told: set[int]) -> set[int]:
        """The known matches of a day of which its payload says nothing that could be used."""
        if not day.gaps and not day.set_aside:
            return set()
        hidden = frozenset[int]().union(*(gap.tournament_ids for gap in day.gaps))
        aside = {match.match_id for match in day.set_aside}
        return {
            match_id
            for match_id, tournament_id in self.by_day[day.day].items()
            if tournament_id is not None
            and (tournament_id in hidden or match_id in aside)
            and match_id not in told
        }


def _shown_matches(cursor: psycopg2.extensions.cursor, days: Sequence[date]) -> _Shown:
    shown = _Shown(defaultdict(dict), set())
    if days:
        cursor.execute(
            f"""
            SELECT match_id, CASE WHEN vanished_at IS NULL THEN tournament_id END, feed_day,
                   EXISTS (SELECT FROM {SCHEMA}.match_shadow s WHERE s.match_id = m.match_id)
            FROM {SCHEMA}.match m WHERE feed_day = ANY(%(days)s)
            UNION ALL
            SELECT match_id, tournament_id, feed_day, true
            FROM {SCHEMA}.match_shadow WHERE feed_day = ANY(%(days)s)
            """,
            {"days": list(days)},
        )
        for match_id, tournament_id, day, contested in cursor:
            shown.by_day[day][match_id] = tournament_id
            if contested:
                shown.contested.add(match_id)
    return shown


def _steps(
    days: Sequence[ParsedDay], held: dict[date, _Held], shown: _Shown, reparse: bool
) -> Iterator[list[ParsedDay]]:
    """Days that can be applied at once with the effect of one after the other.

    No two of them show the same match. A day that holds a payload already goes alone if it may
    give a match back to another day: when it drops one, or shows one that is, or in this load was,
    shown elsewhere.
    """
    together: list[ParsedDay] = []
    ids: set[int] = set()
    earlier: set[int] = set()
    for day in sorted(days, key=lambda d: (d.fetched_at, d.day)):
        before = held.get(day.day)
        if before:
            if before.is_newer_than(day):
                continue
            if before.payload_key == day.payload_key and not reparse:
                continue
        its_ids = set(day.match["match_id"].to_pylist())
        its_ids |= shown.untold(day, its_ids)
        alone = before is not None and not (
            shown.by_day[day.day].keys() <= its_ids
            and its_ids.isdisjoint(shown.contested)
            and its_ids.isdisjoint(earlier)
            and its_ids.isdisjoint(ids)
        )
        if together and (alone or not ids.isdisjoint(its_ids)):
            yield together
            earlier |= ids
            together, ids = [], set()
        together.append(day)
        ids |= its_ids
        if alone:
            yield together
            earlier |= ids
            together, ids = [], set()
    if together:
        yield together


def _apply(cursor: psycopg2.extensions.cursor, days: list[ParsedDay], shown: _Shown) -> LoadResult:
    """Apply days whose effects do not meet."""
    cursor.execute("TRUNCATE stage_match_raw, stage_match, stage_match_odds, stage_day, pool")
    execute_values(
        cursor,
        "INSERT INTO stage_day VALUES %s",
        [(day.day, day.fetched_at, day.payload_key) for day in days],
    )
    # Rows are written as CSV while the database takes those before them.
    with ThreadPoolExecutor(1, "load-csv") as writer:
        for table, parts in (
            ("stage_match_raw", [day.raw for day in days]),
            ("stage_match", [day.match for day in days]),
            ("stage_match_odds", [day.odds for day in days]),
        ):
            _copy(cursor, table, pa.concat_tables(parts), writer)
    for day in days:
        if untold := shown.untold(day, set(day.match["match_id"].to_pylist())):
            cursor.execute(_AS_BEFORE, {"day": day.day, "ids": list(untold)})
    cursor.execute(_TOUCHED)
    touched = {"touched": [match_id for (match_id,) in cursor]}
    cursor.execute(_POOL, touched)
    cursor.execute(_CONTESTED)
    contested: dict[str, list[int]] = dict(cursor.fetchall())
    if contested:
        moved = {"lost": contested.get("main", []), "returned": contested.get("shadow", [])}
        cursor.execute(_SETTLE, moved)
    cursor.execute(_NOTE_CHANGES, touched)
    result = LoadResult(_upsert(cursor, match_raw), _upsert(cursor, match))
    cursor.execute(_UPSERT_ODDS)
    cursor.execute(_MARK_VANISHED)
    return replace(result, vanished=max(cursor.rowcount, 0))


_RANK = "array_position(ARRAY[{}], status)".format(", ".join(f"'{s}'" for s in STATUSES))
# Arrays, by which the indexes of the large tables can be asked; those of thousands of ids as constants,
# which are looked up by hash where no index is used after all.
_DAYS = "ANY (ARRAY(SELECT day FROM stage_day))"
#: The fetch and the payload that a step's change is owed to: its own day's, or the only one's.
_CAUSE = """(SELECT {0} FROM stage_day ORDER BY (day = {1}) DESC LIMIT 1)"""


def _columns(table: sa.Table) -> str:
    return ", ".join(column.name for column in table.columns)


#: Stage some records of a day as the tables have them.
_AS_BEFORE = "".join(
    f"""
    INSERT INTO stage_{table.name} ({_columns(table)})
        SELECT {_columns(table)} FROM {SCHEMA}.{table.name}{losing}
        WHERE match_id = ANY(%(ids)s) AND feed_day = %(day)s;
    """
    for table in (match_raw, match)
    for losing in ("", "_shadow")
)


def _shadow_moves(table: sa.Table) -> str:
    """Put the losers of the pool into the shadow and take the winners out of it."""
    name, columns = table.name, _columns(table)
    taken = ", ".join(
        _CAUSE.format("fetched_at", "s.feed_day") if c.name == "changed_at" else f"s.{c.name}"
        for c in table.columns
    )
    return f"""
    INSERT INTO {SCHEMA}.{name}_shadow ({columns})
        SELECT {columns} FROM stage_{name} JOIN pool USING (match_id, feed_day)
        WHERE origin = 'stage' AND place > 1
        UNION ALL
        SELECT {columns} FROM {SCHEMA}.{name} WHERE match_id = ANY (%(lost)s);
    DELETE FROM stage_{name} s USING pool p
        WHERE s.match_id = p.match_id AND s.feed_day = p.feed_day
          AND p.origin = 'stage' AND p.place > 1;
    INSERT INTO stage_{name} ({columns})
        SELECT {taken} FROM {SCHEMA}.{name}_shadow s JOIN pool USING (match_id, feed_day)
        WHERE match_id = ANY (%(returned)s) AND origin = 'shadow' AND place = 1;
    DELETE FROM {SCHEMA}.{name}_shadow s USING pool p
        WHERE s.match_id = ANY (%(returned)s)
          AND s.match_id = p.match_id AND s.feed_day = p.feed_day
          AND p.origin = 'shadow' AND p.place = 1;
    """


# Every match that the step touches: those of its days, now and before.
_TOUCHED = f"""
SELECT match_id FROM stage_match
UNION SELECT match_id FROM {SCHEMA}.match WHERE feed_day = {_DAYS}
"""
# Their records, those that other days show among them. First place wins.
_POOL = f"""
INSERT INTO pool
WITH records AS (
    SELECT match_id, feed_day, status, 'stage' AS origin FROM stage_match
    UNION ALL
    SELECT match_id, feed_day, status, 'shadow' FROM {SCHEMA}.match_shadow
        WHERE match_id = ANY (%(touched)s) AND NOT feed_day = {_DAYS}
    UNION ALL
    SELECT match_id, feed_day, status, 'main' FROM {SCHEMA}.match
        WHERE match_id = ANY (%(touched)s) AND NOT feed_day = {_DAYS} AND vanished_at IS NULL
)
SELECT match_id, feed_day, origin,
       row_number() OVER (PARTITION BY match_id ORDER BY {_RANK} DESC, feed_day DESC)
FROM records;
DELETE FROM {SCHEMA}.match_raw_shadow WHERE feed_day = {_DAYS};
DELETE FROM {SCHEMA}.match_shadow WHERE feed_day = {_DAYS};
"""
_CONTESTED = """
SELECT origin, array_agg(match_id) FROM pool WHERE (origin = 'shadow') = (place = 1) GROUP BY origin
"""
# Afterwards the staging tables hold the winners that are new.
_SETTLE = _shadow_moves(match_raw) + _shadow_moves(match)

_NOT_CONTENT = ", ".join(f"'{name}'" for name in ("match_id", *BOOKKEEPING))
_NOTE_CHANGES = f"""
INSERT INTO {SCHEMA}.match_change (match_id, changed_at, field, old, new, payload_key)
SELECT m.match_id, s.changed_at, before.key, before.value, after.row -> before.key,
       {_CAUSE.format("payload_key", "s.feed_day")}
FROM stage_match s JOIN {SCHEMA}.match m USING (match_id)
CROSS JOIN LATERAL (SELECT to_jsonb(s) AS row OFFSET 0) after
CROSS JOIN LATERAL jsonb_each(to_jsonb(m)) before
WHERE m.match_id = ANY (%(touched)s)
  AND m.content_hash <> s.content_hash
  AND before.value <> after.row -> before.key AND before.key NOT IN ({_NOT_CONTENT})
ORDER BY s.changed_at, s.feed_day, m.match_id, before.key
"""

# Whoever of a step's days is not in the staging table now is shown by no day. The hash takes it in,
# so that it is seen wherever hashes are compared.
_MARK_VANISHED = f"""
WITH gone AS (
    UPDATE {SCHEMA}.match m SET vanished_at = d.fetched_at, changed_at = d.fetched_at,
        content_hash = ('x' || left(md5(m.content_hash || ' vanished'), 16))::bit(64)::bigint
    FROM stage_day d
    WHERE m.feed_day = {_DAYS} AND m.feed_day = d.day AND m.vanished_at IS NULL
      AND NOT EXISTS (SELECT FROM stage_match s WHERE s.match_id = m.match_id)
    RETURNING m.match_id, d.fetched_at, d.payload_key)
INSERT INTO {SCHEMA}.match_change (match_id, changed_at, field, old, new, payload_key)
SELECT match_id, fetched_at, 'vanished_at', 'null', to_jsonb(fetched_at), payload_key
FROM gone ORDER BY match_id
"""

_UPSERT_ODDS = f"""
INSERT INTO {SCHEMA}.match_odds AS t ({_columns(match_odds)})
SELECT {", ".join(f"o.{column.name}" for column in match_odds.columns)}
FROM stage_match_odds o JOIN stage_match s USING (match_id)
ON CONFLICT (match_id, bookmaker, phase) DO UPDATE SET odds_home = excluded.odds_home,
    odds_draw = excluded.odds_draw, odds_away = excluded.odds_away,
    changed_at = excluded.changed_at
WHERE (t.odds_home, t.odds_draw, t.odds_away)
   <> (excluded.odds_home, excluded.odds_draw, excluded.odds_away)
"""


_NAIVE = pa.timestamp("us")


#: Rows that are written as CSV at once.
_CSV_ROWS = 4096


def _copy(
    cursor: psycopg2.extensions.cursor, table: str, rows: pa.Table, writer: ThreadPoolExecutor
) -> None:
    if not rows.num_rows:
        return
    # What the feed leaves empty need not be written; and Arrow is ten times as fast with times that
    # have no zone, which the transaction reads as UTC.
    rows = pa.table(
        {
            name: column.cast(_NAIVE) if pa.types.is_timestamp(column.type) else column
            for name, column in zip(rows.column_names, rows.columns, strict=True)
            if column.null_count < rows.num_rows
        }
    )
    slices = [rows.slice(start, _CSV_ROWS) for start in range(0, rows.num_rows, _CSV_ROWS)]
    chunks = writer.map(_as_csv, slices)
    cursor.copy_expert(
        f"COPY {table} ({', '.join(rows.column_names)}) FROM STDIN (FORMAT csv)",
        # A chunk may be longer than COPY asks for.
        SimpleNamespace(read=lambda _: next(chunks, b"")),
    )


def _as_csv(rows: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pa.csv.write_csv(rows, buffer, pa.csv.WriteOptions(include_header=False))
    return buffer.getvalue()


def _upsert(cursor: psycopg2.extensions.cursor, table: sa.Table) -> TableChange:
    columns = _columns(table)
    updated = ", ".join(
        f"{column.name} = excluded.{column.name}"
        for column in table.columns
        if column.name not in ("match_id", "first_seen_at")
    )
    cursor.execute(
        f"""
        WITH changed AS (
            INSERT INTO {SCHEMA}.{table.name} AS t ({columns})
            SELECT {columns} FROM stage_{table.name} ORDER BY match_id
            ON CONFLICT (match_id) DO UPDATE SET {updated}
            WHERE t.content_hash <> excluded.content_hash
            RETURNING (xmax = 0) AS is_new)
        SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM changed
        """
    )
    inserted, changed = cursor.fetchone() or (0, 0)
    return TableChange(inserted, changed)


def _checked(day: ParsedDay, at: datetime) -> datetime:
    return at if day.is_whole else min(at, datetime.combine(day.day, time(), UTC))


def _note_ingested(
    cursor: psycopg2.extensions.cursor,
    days: Sequence[ParsedDay],
    checked_at: datetime | None,
) -> None:
    """An older payload that was passed over still tells that the source was asked. A day that may
    lack matches counts as asked before it began, so that it is asked for until it is whole. Times
    beyond now give way to true ones."""
    possible = datetime.now(UTC) + CLOCKS_DISAGREE_BY, utc_now() + CLOCKS_DISAGREE_BY
    fetched_ahead, checked_ahead = (
        cursor.mogrify(f"d.{column} > %s", [latest]).decode()
        for column, latest in zip(("fetched_at", "checked_at"), possible, strict=True)
    )
    newest = f"(excluded.fetched_at >= d.fetched_at OR {fetched_ahead})"
    execute_values(
        cursor,
        f"""
        INSERT INTO {SCHEMA}.ingested_day AS d (day, payload_key, fetched_at, checked_at, matches)
        VALUES %s
        ON CONFLICT (day) DO UPDATE SET
            payload_key = CASE WHEN {newest} THEN excluded.payload_key ELSE d.payload_key END,
            fetched_at = CASE WHEN {newest} THEN excluded.fetched_at ELSE d.fetched_at END,
            checked_at = CASE WHEN {checked_ahead} THEN excluded.checked_at
                ELSE greatest(d.checked_at, excluded.checked_at) END,
            matches = CASE WHEN {newest} THEN excluded.matches ELSE d.matches END
        """,
        [
            (
                day.day,
                day.payload_key,
                day.fetched_at,
                _checked(day, checked_at or min(day.fetched_at, utc_now())),
                day.match.num_rows,
            )
            for day in days
        ],
    )
