"""What a run over a long range of days costs before its first step: each day is planned for each asset."""

import os
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.database import create_database, drop_database
from benchmarks.measure import Stopwatch, measure
from benchmarks.report import Comparison, Cost, Goal
from benchmarks.workbench import Workbench

FIRST = date(1998, 1, 1)


def plan(
    stopwatch: Stopwatch, url: str, home: Path, days: int, *, one_by_one: bool
) -> tuple[int, float]:
    """Create a run of the job ``ingest`` over so many days; how many events that planned, and the least
    that it would have taken to write nothing: the same with storing left out, in seconds."""
    os.environ |= {"SOCCER_HOME": str(home), "POSTGRES_URL": url, "LAKE_URI": ""}
    from dagster_postgres import PostgresEventLogStorage

    from soccer_assets.automation.partitions import FIRST_TAG, LAST_TAG
    from soccer_assets.definitions import defs
    from soccer_assets.instance import SoccerEventLogStorage
    from soccer_assets.runner import open_instance

    if one_by_one:  # as Dagster's own storage does it
        theirs: Any = PostgresEventLogStorage.store_event_batch
        SoccerEventLogStorage.store_event_batch = theirs  # type: ignore[method-assign]
    job = defs.resolve_job_def("ingest")

    def create(instance: Any, count: int) -> str:
        last = FIRST + timedelta(days=count - 1)
        tags = {FIRST_TAG: str(FIRST), LAST_TAG: str(last)}
        return str(instance.create_run_for_job(job, tags=tags).run_id)

    with open_instance() as instance:
        create(instance, 1)  # tables, and what is cached of them
        with stopwatch:
            run_id = create(instance, days)
        with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
            query = "SELECT count(*) FROM event_logs WHERE run_id = %s AND partition IS NOT NULL"
            planned = connection.exec_driver_sql(query, (run_id,)).scalar_one()
        nothing: Callable[..., None] = lambda *_: None  # noqa: E731
        SoccerEventLogStorage.store_event_batch = nothing  # type: ignore[method-assign]
        started = time.perf_counter()
        create(instance, days)
        return planned, time.perf_counter() - started


def run(bench: Workbench) -> list[Comparison]:
    sizes, home = bench.sizes, bench.folder / "planning"
    url = create_database(bench.server_url)
    ours = measure(plan, url, home, sizes.planned_days, one_by_one=False)
    sample = min(sizes.planned_sample, sizes.planned_days)
    theirs = measure(plan, url, home, sample, one_by_one=True)
    drop_database(url, bench.server_url)
    planned, without = ours.result
    return [
        Comparison(
            "planning",
            f"planning a run over {sizes.planned_days:,} days, {planned:,} events",
            "each event stored by itself, as Dagster does",
            Cost.of(ours),
            Cost.of(theirs, sizes.planned_days / sample),
            Goal(3),
            [
                f"baseline: {sample:,} days, scaled; both keep each day's event, by which a day that"
                " failed is known to have",
                f"ours: {without:.1f} s of it are Dagster's making of the events, with none stored",
            ],
        )
    ]
