"""The warehouse made again from the archive alone, without a request to any source."""

from collections.abc import Callable, Iterator

import sqlalchemy as sa

from soccer_assets.clock import stamped_now, utc_now
from soccer_assets.feed.faults import FeedFault
from soccer_assets.feed.limits import FeedLimits
from soccer_assets.ingestion.clock_ahead import file_as_of_now, of_the_future
from soccer_assets.ingestion.ingest import parse_archived
from soccer_assets.ingestion.parsing import DEFAULT_LIMITS
from soccer_assets.storage.archive import ArchivedPayload, PayloadArchive
from soccer_assets.warehouse.load import LoadResult, load_in_transaction
from soccer_assets.warehouse.rows import ParsedDay
from soccer_assets.warehouse.schema import (
    LOCK_KEY,
    SCHEMA,
    ingested_day,
    match,
    match_change,
    match_odds,
    match_raw,
    match_raw_shadow,
    match_shadow,
    match_statistics,
)
from soccer_assets.warehouse.session import allow_long

#: What is made from the archive.
REBUILT = (
    match_raw,
    match,
    match_raw_shadow,
    match_shadow,
    match_change,
    match_odds,
    match_statistics,
    ingested_day,
)
#: Payloads parsed and loaded at once.
BATCH = 100


def rebuild_warehouse(
    engine: sa.Engine,
    archive: PayloadArchive,
    progress: Callable[[str], None] = lambda _: None,
    *,
    limits: FeedLimits = DEFAULT_LIMITS,
) -> LoadResult:
    """Empty the tables and load every archived payload in the order of the fetches.

    One transaction: readers see the old tables or the new ones (and wait meanwhile), and a crash
    changes nothing. The result is bit-equal to the tables that the payloads made when they came,
    unless the parser or the limits have changed. Payloads that today's parser refuses stay out and
    are told, as are matches that today's limits set aside; those that it has learnt to read come in.
    When each day was last asked for is kept, where it can be true.
    """
    _correct_times(archive, engine, progress)
    payloads = [payload for payload in archive.payloads() if not payload.of_error]
    result = LoadResult()
    with engine.begin() as connection:
        allow_long(connection)
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        connection.execute(
            sa.text(
                f"CREATE TEMP TABLE checked ON COMMIT DROP AS"
                f" SELECT day, checked_at FROM {SCHEMA}.ingested_day"
            )
        )
        tables = ", ".join(f"{SCHEMA}.{table.name}" for table in REBUILT)
        connection.execute(sa.text(f"TRUNCATE {tables} RESTART IDENTITY"))
        for count, batch in _batches(archive, payloads, limits, progress):
            done = load_in_transaction(connection, batch)
            for fault in done.refused:
                progress(f"refused: {fault}")
            result += done
            progress(f"{count} of {len(payloads)} payloads, {result.match.inserted:,} matches")
        connection.execute(
            sa.text(
                f"UPDATE {SCHEMA}.ingested_day d SET checked_at = c.checked_at"
                f" FROM checked c WHERE c.day = d.day AND c.checked_at <= :now"
            ),
            {"now": utc_now()},
        )
    return result


def _correct_times(
    archive: PayloadArchive, engine: sa.Engine, progress: Callable[[str], None]
) -> None:
    now = stamped_now()
    for day in sorted({payload.day for payload in of_the_future(archive.payloads(), now)}):
        file_as_of_now(archive.of_day(day), archive, engine, now)
        progress(f"{day}: payloads stamped by a clock that was ahead count as fetched just now")


def _batches(
    archive: PayloadArchive,
    payloads: list[ArchivedPayload],
    limits: FeedLimits,
    progress: Callable[[str], None],
) -> Iterator[tuple[int, list[ParsedDay]]]:
    """Parsed payloads with how many of all have been read; no day twice in a batch."""
    batch: dict[object, ParsedDay] = {}
    for count, payload in enumerate(payloads, 1):
        if batch and (len(batch) == BATCH or payload.day in batch):
            yield count - 1, list(batch.values())
            batch = {}
        try:
            batch[payload.day] = parse_archived(archive, payload, limits)
        except FeedFault as fault:
            if not payload.rejected:
                archive.reject(payload, fault.fault)
                progress(f"refused: {fault}")
        else:
            if payload.rejected:
                archive.accept(payload)
            for match in batch[payload.day].set_aside:
                progress(f"{payload.day}: set aside: {match}")
            for line in batch[payload.day].unusable:
                progress(f"{payload.day}: left out: {line}")
    if batch:
        yield len(payloads), list(batch.values())
