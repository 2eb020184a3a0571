"""Days of the feed into the archive and the warehouse: archived first, then parsed, then loaded."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import sqlalchemy as sa

from soccer_assets.clock import utc_now
from soccer_assets.lake.archive import ArchivedPayload, PayloadArchive
from soccer_assets.livescores.faults import FeedFault, FetchFault
from soccer_assets.livescores.parsing import ParsedDay, parse_day
from soccer_assets.warehouse.ingested_days import fetches_loaded
from soccer_assets.warehouse.load import LoadResult, TableChange, load_days

Fetch = Callable[[date], bytes]


@dataclass(frozen=True)
class LoadedDay:
    """One day that is in the warehouse."""

    day: date
    payload_key: str
    matches: int


@dataclass
class IngestReport:
    """What an ingest did."""

    loaded: list[LoadedDay] = field(default_factory=list)
    faults: list[FeedFault] = field(default_factory=list)
    changes: LoadResult = field(default_factory=LoadResult)
    new_fields: set[str] = field(default_factory=set)
    missing_fields: set[str] = field(default_factory=set)

    @property
    def match_raw(self) -> TableChange:
        return self.changes.match_raw

    @property
    def match(self) -> TableChange:
        return self.changes.match

    @property
    def matches(self) -> int:
        return sum(day.matches for day in self.loaded)


def ingest_days(
    days: Sequence[date],
    fetch: Fetch | None,
    archive: PayloadArchive,
    engine: sa.Engine,
    *,
    batch_days: int = 31,
    concurrency: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> IngestReport:
    """Ingest days in batches; a day that fails is reported and does not stop the others.

    Args:
        days: the days, in the order to go through.
        fetch: the source; None re-reads the newest archived payloads.
        archive: keeps every payload before it is parsed, refused ones too (marked).
        engine: of the warehouse.
        batch_days: days a transaction; a crash loses at most one batch of loading, no payload.
        concurrency: days fetched at once.
        progress: told a line after each batch.
    """
    report = IngestReport()
    with _threads(concurrency) as pool:
        for start in range(0, len(days), batch_days):
            batch = days[start : start + batch_days]
            checked_at = utc_now() if fetch else None
            held = fetches_loaded(engine, batch)
            parsed: list[ParsedDay] = []
            missed: list[ParsedDay] = []
            for outcome in pool.map(
                lambda day, held=held: _read_day(day, fetch, archive, held.get(day)), batch
            ):
                if isinstance(outcome, FeedFault):
                    report.faults.append(outcome)
                    progress(f"refused: {outcome}")
                else:
                    *earlier, newest = outcome
                    missed += earlier
                    parsed.append(newest)
            for day in sorted(missed, key=lambda day: (day.fetched_at, day.day)):
                report.changes += load_days(engine, [day])
            if parsed:
                _load(engine, parsed, checked_at, report)
            done = len(report.loaded) + len(report.faults)
            progress(f"{batch[-1]}: {done} of {len(days)} days, {report.matches:,} matches")
    return report


@contextmanager
def _threads(number: int) -> Iterator[ThreadPoolExecutor]:
    """Waited for at the end, but not when interrupted: they may be waiting for the source."""
    pool = ThreadPoolExecutor(number)
    try:
        yield pool
    except BaseException as error:
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    pool.shutdown()


def _read_day(
    day: date, fetch: Fetch | None, archive: PayloadArchive, held: datetime | None
) -> list[ParsedDay] | FeedFault:
    """The day's newest payload, after those that were archived since the one fetched at ``held``,
    which the tables hold, and never loaded, because a process died before it could."""
    try:
        body = fetch(day) if fetch else None
    except FetchFault as fault:
        if fault.body:
            archived = archive.put(day, fault.body, datetime.now(UTC), of_error=True)
            archive.reject(archived, fault.fault)
        return fault
    known = archive.of_day(day)
    usable = [payload for payload in known if not payload.rejected]
    if body is not None:
        newest = archive.put(day, body, datetime.now(UTC), known=known)
    elif usable:
        newest = usable[-1]
    else:
        return FetchFault(day, "no payload in the archive")
    try:
        parsed = _parse(archive, newest, body)
    except FeedFault as fault:
        archive.reject(newest, fault.fault)
        return fault
    if newest.rejected:
        archive.accept(newest)
    missed = []
    for payload in usable:
        if (held is None or payload.fetched_at > held) and payload.fetched_at < newest.fetched_at:
            with suppress(FeedFault):  # today's parser refuses what an earlier one took
                missed.append(_parse(archive, payload))
    return [*missed, parsed]


def _parse(
    archive: PayloadArchive, payload: ArchivedPayload, body: bytes | None = None
) -> ParsedDay:
    return parse_day(
        payload.day,
        archive.read(payload) if body is None else body,
        payload_key=payload.key,
        fetched_at=payload.fetched_at,
    )


def _load(
    engine: sa.Engine, parsed: list[ParsedDay], checked_at: datetime | None, report: IngestReport
) -> None:
    report.changes += load_days(engine, parsed, checked_at, reparse=checked_at is None)
    for day in parsed:
        report.loaded.append(LoadedDay(day.day, day.payload_key, day.match.num_rows))
        report.new_fields.update(day.new_fields)
        report.missing_fields.update(day.missing_fields)


def days_between(first: date, last: date) -> Iterator[date]:
    """All days from ``first`` to ``last``, both included."""
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        yield date.fromordinal(ordinal)
