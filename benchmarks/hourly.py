"""The hourly ingest of three days, where all the other days are in the database already."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import orjson
import pyarrow as pa
import sqlalchemy as sa

from benchmarks.baselines import METHODS, frames, upsert_frames
from benchmarks.database import connect
from benchmarks.feed import Feed, serving
from benchmarks.measure import Stopwatch, measure
from benchmarks.report import Comparison, Cost, Goal
from benchmarks.source import Source
from benchmarks.workbench import Workbench
from soccer_assets.ingestion.ingest import ingest_days
from soccer_assets.ingestion.parsing import parse_day
from soccer_assets.sources.livescores import LivescoresClient
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import LocalStore
from soccer_assets.warehouse.schema import SCHEMA

LAPS = 7
METHOD = next(iter(METHODS))


def ingest_again(
    stopwatch: Stopwatch,
    url: str,
    lake: Path,
    source: Source,
    days: Sequence[date],
    *,
    changed: bool,
) -> None:
    """Ingest the days, then again lap after lap; ``changed``: each time with one other score."""
    engine = connect(url)
    archive = PayloadArchive(LocalStore(lake))
    with serving(source) as feed, LivescoresClient(feed.url) as client:
        ingest_days(days, client.fetch, archive, engine, concurrency=len(days))
        for lap in range(LAPS):
            if changed:
                _correct(feed, days[0], client.fetch(days[0]), lap)
            with stopwatch:
                report = ingest_days(days, client.fetch, archive, engine, concurrency=len(days))
            if report.faults or report.match.updated != changed:
                raise RuntimeError(f"not what was to be measured: {report}")


def _correct(feed: Feed, day: date, body: bytes, lap: int) -> None:
    document = orjson.loads(body)
    document["tournaments"][0]["matches"][0] |= {"homeScore": 20 + lap}
    feed.override(day, document)


def load_anew(stopwatch: Stopwatch, url: str, source: Source, days: Sequence[date]) -> None:
    """The same days by pandas into empty tables."""
    backend = source.backend()
    parsed = [
        parse_day(
            day,
            orjson.dumps(backend.payload(day, source.as_of)),
            payload_key=str(day),
            fetched_at=source.as_of,
        )
        for day in days
    ]
    rows = frames(
        {
            "match_raw": pa.concat_tables([day.raw for day in parsed]),
            "match": pa.concat_tables([day.match for day in parsed]),
        }
    )
    engine = connect(url)
    for _ in range(LAPS):
        with engine.begin() as connection:
            connection.execute(sa.text(f"TRUNCATE {SCHEMA}.match, {SCHEMA}.match_raw"))
        with stopwatch:
            upsert_frames(engine, rows, METHODS[METHOD])


def busiest_days(url: str, window: int = 3) -> tuple[list[date], int, int]:
    """The days in a row of the last year that have the most matches, how many they have, and how
    many there are in all."""
    query = sa.text(f"SELECT day, matches FROM {SCHEMA}.ingested_day ORDER BY day")
    with connect(url).connect() as connection:
        rows = [tuple(row) for row in connection.execute(query)]
    recent = rows[-365:]
    windows = [recent[start : start + window] for start in range(len(recent) - window + 1)]
    busiest = max(windows, key=lambda these: sum(matches for _, matches in these))
    return (
        [day for day, _ in busiest],
        sum(matches for _, matches in busiest),
        sum(matches for _, matches in rows),
    )


def run(bench: Workbench) -> list[Comparison]:
    url, source = bench.full_database, bench.source
    days, matches, everything = busiest_days(url)
    with bench.empty_database() as plain:
        theirs = measure(load_anew, plain, source, days)
    lines = []
    for changed, what in ((False, "unchanged"), (True, "one score changed")):
        ours = measure(ingest_again, url, bench.folder / "hourly", source, days, changed=changed)
        lines.append(
            Comparison(
                "hourly",
                f"hourly ingest of 3 days ({matches:,} matches), {what}",
                f"DataFrame.to_sql({METHOD}) + INSERT ... ON CONFLICT into empty tables",
                Cost.of(ours),
                Cost.of(theirs),
                Goal(1),
                [
                    f"ours: requests, archive, parsing and load beside {everything:,} matches;"
                    f" baseline: the load alone, of parsed rows; best of {LAPS}"
                ],
            )
        )
    return lines
