"""Bulk upsert of parsed days: what is unknown by COPY into the tables, what is known by COPY into
staging tables and set-based statements.

Payloads take effect one after the other, in the order of their fetches, whatever the batches: the
tables are a function of the archive alone, so that reading it again rebuilds them bit-equal.

A match that several day feeds show (postponed, moved) is one row: ``contest`` decides which. A match
that no day shows any more keeps its last record, marked ``vanished_at``. One of which its day says
nothing that could be used stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import psycopg2
import psycopg2.extensions
import sqlalchemy as sa

from soccer_assets.feed.faults import UnexpectedFault
from soccer_assets.warehouse.contest import decide_contests
from soccer_assets.warehouse.ingested_days import note_ingested
from soccer_assets.warehouse.merge import TableChange, merge
from soccer_assets.warehouse.rows import ParsedDay
from soccer_assets.warehouse.schema import LOCK_KEY, match, match_raw
from soccer_assets.warehouse.session import allow_long
from soccer_assets.warehouse.staging import plan_without_statistics, stage
from soccer_assets.warehouse.steps import Shown, held_payloads, shown_matches, steps_of
from soccer_assets.warehouse.unknown import add, rows_of, tell_apart


@dataclass(frozen=True)
class LoadResult:
    """What one load did."""

    match_raw: TableChange = field(default_factory=TableChange)
    match: TableChange = field(default_factory=TableChange)
    vanished: int = 0
    """Matches that no day feed shows any more."""
    refused: tuple[UnexpectedFault, ...] = ()
    """Days that the database did not take, each with a fault that has its error as cause."""
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
        allow_long(connection)
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
    plan_without_statistics(cursor)
    held = held_payloads(cursor, [day.day for day in days])
    shown = shown_matches(cursor, list(held))
    result = LoadResult()
    for step in steps_of(days, held, shown, reparse):
        result += _apply(cursor, step, shown)
    note_ingested(cursor, days, checked_at)
    older = (day.day for day in days if day.day in held and held[day.day].is_newer_than(day))
    return replace(result, passed_over=tuple(sorted(older)))


def _apply(cursor: psycopg2.extensions.cursor, days: list[ParsedDay], shown: Shown) -> LoadResult:
    """Apply days whose effects do not meet."""
    known, unknown = tell_apart(cursor, rows_of(days))
    stage(cursor, days, known, shown)
    merged = LoadResult(*merge(cursor, decide_contests(cursor)))
    # Afterwards: to the merge, a match of its days that is not staged has vanished.
    add(cursor, unknown)
    raw, canonical = (TableChange(unknown[t.name].num_rows) for t in (match_raw, match))
    return merged + LoadResult(raw, canonical)
