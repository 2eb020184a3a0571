"""The source's days, parsed, on disk: made once, read by every process that loads them."""

import pickle
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from benchmarks.source import Source
from soccer_assets.feed.payload import FeedBackend
from soccer_assets.ingestion.parsing import parse_day
from soccer_assets.warehouse.rows import ODDS_SCHEMA, STATISTICS_SCHEMA, ParsedDay

CHUNK_DAYS = 366
#: Of every so many matches one is changed.
CHANGED_ONE_IN = 100


@dataclass(frozen=True)
class Corpus:
    """``parse_seconds``: of one process; ``changed_rows``: matches whose score the second version
    of their day corrects."""

    folder: Path
    days: int
    rows: int
    payload_mb: float
    parse_seconds: float
    changed_rows: int
    changed_days: int

    def years(self, *, changed: bool = False) -> Iterator[list[ParsedDay]]:
        """All days, some at a time; with ``changed``, in their second version where they have one."""
        for path in sorted(self.folder.glob("first-*")):
            days = {day.day: day for day in _read(path)}
            second = path.with_name(path.name.replace("first", "second"))
            if changed and second.exists():
                days |= {day.day: day for day in _read(second)}
            yield list(days.values())

    def tables(self, rows: int, *, changed: bool = False) -> dict[str, pa.Table]:
        """About so many rows of ``match_raw`` and ``match``, spread evenly."""
        every = max(1, self.rows // rows)
        parts: dict[str, list[pa.Table]] = {"match_raw": [], "match": []}
        for days in self.years(changed=changed):
            for name, tables in (
                ("match_raw", [day.raw for day in days]),
                ("match", [day.match for day in days]),
            ):
                year = pa.concat_tables(tables)
                parts[name].append(year.take(pa.array(range(0, len(year), every))))
        return {name: pa.concat_tables(tables) for name, tables in parts.items()}


def make_corpus(source: Source, folder: Path, processes: int) -> Corpus:
    """Fetch nothing, parse everything: payloads straight from the backend, a year at a time."""
    folder.mkdir()
    starts = range(0, len(source.days), CHUNK_DAYS)
    chunks = [source.days[start : start + CHUNK_DAYS] for start in starts]
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, _open_backend, (source,)) as pool:
        parts = list(pool.map(_make_chunk, [source] * len(chunks), [folder] * len(chunks), chunks))
    return Corpus(folder, len(source.days), *(sum(column) for column in zip(*parts, strict=True)))


def payload(backend: FeedBackend, day: date, as_of: datetime) -> bytes:
    return orjson.dumps(backend.payload(day, as_of))


_backend: FeedBackend


def _open_backend(source: Source) -> None:
    global _backend
    _backend = source.backend()


def _make_chunk(
    source: Source, folder: Path, days: list[date]
) -> tuple[int, float, float, int, int]:
    """Writes both versions; returns rows, payload MB, seconds of parsing, and what is changed."""
    first, second = [], []
    size, seconds, changed_rows = 0, 0.0, 0
    for day in days:
        document = _backend.payload(day, source.as_of)
        body = orjson.dumps(document)
        size += len(body)
        started = time.perf_counter()
        first.append(_parse(day, body, source.as_of))
        seconds += time.perf_counter() - started
        if changed := _correct(document):
            changed_rows += changed
            again = source.as_of + timedelta(hours=1)
            second.append(_parse(day, orjson.dumps(document), again))
    for version, parsed in (("first", first), ("second", second)):
        if parsed:
            path = folder / f"{version}-{days[0]}.pickle"
            path.write_bytes(pickle.dumps(_packed(parsed), pickle.HIGHEST_PROTOCOL))
    return sum(day.raw.num_rows for day in first), size / 1e6, seconds, changed_rows, len(second)


def _parse(day: date, body: bytes, fetched_at: datetime) -> ParsedDay:
    return parse_day(
        day, body, payload_key=f"{day}-{sha256(body).hexdigest()[:12]}", fetched_at=fetched_at
    )


def _correct(document: dict[str, Any]) -> int:
    """Correct the score of one match in ``CHANGED_ONE_IN``, by its id; how many were."""
    count = 0
    for tournament in document["tournaments"]:
        for match in tournament["matches"]:
            if match["id"] % CHANGED_ONE_IN == 0 and match["homeScore"] is not None:
                match["homeScore"] = (match["homeScore"] + 1) % 10
                count += 1
    return count


# A year's days share two tables: a pickle of thousands of small ones would be mostly schemas.
def _packed(days: list[ParsedDay]) -> dict[str, Any]:
    return {
        "days": [(day.day, day.payload_key, day.fetched_at, day.raw.num_rows) for day in days],
        "raw": pa.concat_tables([day.raw for day in days]).combine_chunks(),
        "match": pa.concat_tables([day.match for day in days]).combine_chunks(),
    }


def _read(path: Path) -> Iterator[ParsedDay]:
    chunk = pickle.loads(path.read_bytes())
    start = 0
    for day, key, fetched_at, rows in chunk["days"]:
        yield ParsedDay(
            day,
            key,
            fetched_at,
            chunk["raw"].slice(start, rows),
            chunk["match"].slice(start, rows),
            ODDS_SCHEMA.empty_table(),
            STATISTICS_SCHEMA.empty_table(),
        )
        start += rows
