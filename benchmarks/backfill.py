"""All days of a feed over HTTP on loopback into archive and database."""

import os
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks.baselines import ingest_day_plainly
from benchmarks.database import connect, create_database, drop_database
from benchmarks.measure import Stopwatch, measure
from benchmarks.report import Comparison, Cost, Goal
from benchmarks.workbench import Workbench
from soccer_assets.ingestion.ingest import ingest_days
from soccer_assets.params import read_params
from soccer_assets.settings import DEFAULT_PARAMS
from soccer_assets.sources.livescores import LivescoresClient
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import LocalStore

#: As the asset has it.
BATCH_DAYS, CONCURRENCY = 31, 4


def ingest(stopwatch: Stopwatch, url: str, feed_url: str, lake: Path, days: Sequence[date]) -> int:
    """Matches ingested."""
    engine = connect(url)
    engine.connect().close()
    archive = PayloadArchive(LocalStore(lake))
    with LivescoresClient(feed_url) as client, stopwatch:
        report = ingest_days(
            days,
            client.fetch,
            archive,
            engine,
            batch_days=BATCH_DAYS,
            concurrency=CONCURRENCY,
        )
    if report.faults:
        raise RuntimeError(f"the feed was refused: {report.faults[:3]}")
    return report.matches


def ingest_plainly(stopwatch: Stopwatch, url: str, feed_url: str, days: Sequence[date]) -> int:
    with stopwatch:
        return sum(ingest_day_plainly(feed_url, url, day) for day in days)


def run_overheads(
    stopwatch: Stopwatch,
    url: str,
    feed_url: str,
    home: Path,
    days: Sequence[date],
    run_days: int,
) -> tuple[float, float]:
    """What Dagster adds to the ingest of days that are ingested already, in seconds: to a run of
    one day (the least of ``run_days`` runs) and, in a run of all the days, to each of them."""
    os.environ |= {
        "SOCCER_HOME": str(home),
        "POSTGRES_URL": url,
        "LIVESCORES_URL": feed_url,
        "LIVESCORES_SOURCE": "feed",
        "LAKE_URI": "",
    }
    from soccer_assets.runner import run_job

    def run(first: date, last: date) -> float:
        started = time.perf_counter()
        run_job("ingest", lambda _: None, partitions=(str(first), str(last)))
        return time.perf_counter() - started

    def bare(these: Sequence[date]) -> float:
        lap = Stopwatch()
        ingest(lap, url, feed_url, home / "lake", these)
        return lap.laps[0].seconds

    run(days[0], days[0])  # imports, and Dagster's tables
    with stopwatch:
        one = min(run(day, day) - bare([day]) for day in days[-run_days:])
        every = max(0.0, run(days[0], days[-1]) - bare(days)) / len(days)
    return one, every


def run(bench: Workbench) -> list[Comparison]:
    days, feed, sizes = bench.source.days, bench.feed, bench.sizes
    home = bench.folder / "home"
    url = create_database(bench.server_url)
    ours = measure(ingest, url, feed.url, home / "lake", days)
    sample = days[:: max(1, len(days) // sizes.plain_days)]
    with bench.empty_database() as plain:
        theirs = measure(ingest_plainly, plain, feed.url, sample)
    partitioned = [day for day in days if day >= read_params(DEFAULT_PARAMS).ingestion.first_day]
    recent = partitioned[-sizes.range_days :]
    overheads = measure(run_overheads, url, feed.url, home, recent, sizes.run_days)
    one, every = overheads.result
    drop_database(url, bench.server_url)

    plainly = Cost.of(theirs, len(days) / len(sample))
    by_hand = Cost.of(ours)
    what = f"backfill of {len(days):,} days ({ours.result:,} matches) over HTTP"
    scaled = (
        f"baseline: {len(sample):,} days spread evenly ({theirs.result:,} matches), scaled to all"
    )
    return [
        Comparison(
            "backfill",
            what,
            "one request and row-by-row INSERTs a day, a session a day",
            by_hand,
            plainly,
            None,
            [
                scaled,
                f"ours: {1000 * ours.seconds / len(days):.2f} ms a day, which also archives every"
                " payload and checks every field",
            ],
        ),
        Comparison(
            "backfill",
            f"{what}, in Dagster",
            "the same, and one run a day",
            _longer(by_hand, every * len(days)),
            _longer(plainly, one * len(days)),
            Goal(20),
            [
                f"baseline: and {1000 * one:.0f} ms for each day's run (the least of"
                f" {sizes.run_days} runs, in one process that has everything imported); ours:"
                f" {1000 * every:.2f} ms more a day in one run of a range, measured on"
                f" {len(recent)} days",
            ],
        ),
    ]


def _longer(cost: Cost, seconds: float) -> Cost:
    return Cost(cost.seconds + seconds, cost.cpu_seconds + seconds, cost.peak_mb, cost.repeats)
