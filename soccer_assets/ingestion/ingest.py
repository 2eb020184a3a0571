"""Days of the feed into the archive and the warehouse: archived first, then parsed, then loaded."""

import gzip
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial

import sqlalchemy as sa

from soccer_assets.clock import stamped_now, utc_now
from soccer_assets.feed.faults import FeedFault, FetchFault, PayloadFault, UnexpectedFault
from soccer_assets.feed.limits import FeedLimits
from soccer_assets.ingestion.clock_ahead import file_as_of_now, of_the_future
from soccer_assets.ingestion.parsing import DEFAULT_LIMITS, parse_day
from soccer_assets.storage.archive import ArchivedPayload, PayloadArchive
from soccer_assets.warehouse.ingested_days import fetches_loaded
from soccer_assets.warehouse.load import LoadResult, load_days
from soccer_assets.warehouse.merge import TableChange
from soccer_assets.warehouse.rows import ParsedDay, SetAside

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
    set_aside: dict[date, tuple[SetAside, ...]] = field(default_factory=dict)
    """Day -> its matches that were not let in."""
    unusable: dict[date, tuple[str, ...]] = field(default_factory=dict)
    """Day -> what was added to its matches and cannot be used, in words."""
    gaps: dict[str, list[date]] = field(default_factory=lambda: defaultdict(list))
    """Fault of a part of the source -> the days that are loaded without that part."""
    passed_over: list[str] = field(default_factory=list)
    """What came and was not loaded, or not as what it said it was, by day and why."""

    @property
    def unexpected(self) -> list[UnexpectedFault]:
        """The faults that are bugs."""
        return [fault for fault in self.faults if isinstance(fault, UnexpectedFault)]

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
    limits: FeedLimits = DEFAULT_LIMITS,
    progress: Callable[[str], None] = lambda _: None,
) -> IngestReport:
    """Ingest days in batches; a day that fails, of whatever, is reported and does not stop the
    others.

    Args:
        days: the days, in the order to go through.
        fetch: the source; None re-reads the newest archived payloads.
        archive: keeps every payload before it is parsed, refused ones too (marked).
        engine: of the warehouse.
        batch_days: days a transaction; a crash loses at most one batch of loading, no payload.
        concurrency: days fetched at once.
        limits: of a day's payload.
        progress: told a line after each batch.
    """
    report = IngestReport()
    with _threads(concurrency) as pool:
        for start in range(0, len(days), batch_days):
            batch = days[start : start + batch_days]
            checked_at = utc_now() if fetch else None
            read_day = partial(
                _read_day, fetch, archive, engine, limits, fetches_loaded(engine, batch)
            )
            parsed: list[ParsedDay] = []
            missed: list[ParsedDay] = []
            for read in pool.map(read_day, batch):
                for line in read.passed_over:
                    _pass_over(line, report, progress)
                if isinstance(read.newest, FeedFault):
                    _refuse(read.newest, report, progress)
                else:
                    missed += read.missed
                    parsed.append(read.newest)
            for day in sorted(missed, key=lambda day: (day.fetched_at, day.day)):
                changes = load_days(engine, [day])
                for fault in changes.refused:
                    _pass_over(f"an earlier payload: {fault}", report, progress)
                report.changes += changes
            if parsed:
                _load(engine, parsed, checked_at, report, progress)
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


def _refuse(fault: FeedFault, report: IngestReport, progress: Callable[[str], None]) -> None:
    report.faults.append(fault)
    progress(f"refused: {fault}")


def _pass_over(line: str, report: IngestReport, progress: Callable[[str], None]) -> None:
    report.passed_over.append(line)
    progress(f"passed over: {line}")


@dataclass
class _ReadDay:
    """What there is to load of one day."""

    newest: ParsedDay | FeedFault
    """Its newest payload."""
    missed: list[ParsedDay] = field(default_factory=list)
    """Those that were archived after the one that the tables hold, and never loaded, because a
    process died before it could."""
    passed_over: list[str] = field(default_factory=list)
    """What is not used as what it said it was, and why."""


def _read_day(
    fetch: Fetch | None,
    archive: PayloadArchive,
    engine: sa.Engine,
    limits: FeedLimits,
    loaded: Mapping[date, datetime],
    day: date,
) -> _ReadDay:
    """Fetch, archive and parse a day. ``loaded``: when what the tables hold of the days was
    fetched."""
    held = loaded.get(day)
    try:
        body = fetch(day) if fetch else None
    except FetchFault as fault:
        if fault.body:
            archived = archive.put(day, fault.body, stamped_now(), of_error=True)
            archive.reject(archived, fault.fault)
        return _ReadDay(fault)
    except Exception as error:
        return _ReadDay(UnexpectedFault(day, error))
    passed_over = []
    known = archive.of_day(day)
    if ahead := of_the_future(known, stamped_now()):
        known = file_as_of_now(known, archive, engine, stamped_now())
        held = fetches_loaded(engine, [day]).get(day)
        passed_over = [
            f"{day}: its payload of {payload.fetched_at:%Y-%m-%d %H:%M} UTC, stamped by a clock "
            "that was ahead, counts as fetched just now"
            for payload in ahead
        ]
    usable = [payload for payload in known if not payload.rejected]
    if body is not None:
        newest = archive.put(day, body, stamped_now(), known=known)
    elif usable:
        newest = usable[-1]
    else:
        return _ReadDay(FetchFault(day, "no payload in the archive"), passed_over=passed_over)
    try:
        read = _ReadDay(parse_archived(archive, newest, limits, body), passed_over=passed_over)
    except FeedFault as fault:
        archive.reject(newest, fault.fault)
        return _ReadDay(fault, passed_over=passed_over)
    if newest.rejected:
        archive.accept(newest)
    for payload in usable:
        if (held is None or payload.fetched_at > held) and payload.fetched_at < newest.fetched_at:
            try:
                read.missed.append(parse_archived(archive, payload, limits))
            except FeedFault as fault:  # today's parser refuses what an earlier one took
                read.passed_over.append(f"{day}: an earlier payload: {fault.fault}")
    return read


def parse_archived(
    archive: PayloadArchive,
    payload: ArchivedPayload,
    limits: FeedLimits,
    body: bytes | None = None,
) -> ParsedDay:
    """Parse a payload of the archive; ``body``: its bytes, where the caller has them.

    Raises:
        FeedFault: as of ``parse_day``; and what the archive holds cannot be unpacked.
    """
    if body is None:
        try:
            body = archive.read(payload)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            text = f"the archived payload cannot be unpacked: {error}"
            raise PayloadFault(payload.day, text) from error
    return parse_day(
        payload.day,
        body,
        payload_key=payload.key,
        fetched_at=payload.fetched_at,
        limits=limits,
    )


def _load(
    engine: sa.Engine,
    parsed: list[ParsedDay],
    checked_at: datetime | None,
    report: IngestReport,
    progress: Callable[[str], None],
) -> None:
    changes = load_days(engine, parsed, checked_at, reparse=checked_at is None)
    report.changes += changes
    for fault in changes.refused:
        _refuse(fault, report, progress)
    for passed in changes.passed_over:
        _pass_over(f"{passed}: what is loaded was fetched after it", report, progress)
    refused = {fault.day for fault in changes.refused}
    for day in parsed:
        if day.day in refused:
            continue
        report.loaded.append(LoadedDay(day.day, day.payload_key, day.match.num_rows))
        report.new_fields.update(day.new_fields)
        report.missing_fields.update(day.missing_fields)
        if day.set_aside:
            report.set_aside[day.day] = day.set_aside
            for match in day.set_aside:
                progress(f"{day.day}: set aside: {match}")
        if day.unusable:
            report.unusable[day.day] = day.unusable
            for line in day.unusable:
                progress(f"{day.day}: left out: {line}")
        for gap in day.gaps:
            if gap.fault not in report.gaps:
                progress(f"from {day.day}: incomplete: {gap.fault}")
            report.gaps[gap.fault].append(day.day)


def days_between(first: date, last: date) -> Iterator[date]:
    """All days from ``first`` to ``last``, both included."""
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        yield date.fromordinal(ordinal)
