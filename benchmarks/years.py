"""Dagster's storage after a simulated year, with daily maintenance and without.

Some runs are real: an hourly ingest of three days and what follows it, and the fixtures of a day. Their rows are
copied for every hour and day of the year, with run ids, partitions, data versions and the tables' times
of their own (what is inside the bodies of events keeps its time). The last hour is real again.
"""

import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.database import create_database, drop_database
from benchmarks.measure import Measurement, Stopwatch, measure
from benchmarks.report import Comparison, Cost, Goal
from benchmarks.workbench import Workbench

#: Days between two passes of maintenance; one a day would leave less than is told here.
EVERY = 10
#: Ticks of the two sensors that evaluate conditions, which are kept for a week by dagster.yaml.
TICKS_A_DAY, TICK_DAYS, TICKING = 2880, 7, 2
LAPS = 7
NEWEST = ("features", "match", "predictions")


@dataclass
class Lived:
    """What a year has left, and what it costs to look at it."""

    events: int = 0
    runs: int = 0
    megabytes: float = 0.0
    quarters: list[float] = field(default_factory=list)
    """MB of Dagster's tables at the end of each."""
    maintenance_seconds: float = 0.0
    """Of all passes together."""
    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)
    """What is looked at -> the median of some laps: by the clock, of this process's CPU."""


def live(stopwatch: Stopwatch, url: str, home: Path, days: int, *, maintained: bool) -> Lived:
    os.environ |= {
        "SOCCER_HOME": str(home),
        "POSTGRES_URL": url,
        "LAKE_URI": "",
        "LIVESCORES_SOURCE": "feed",
    }
    from soccer_assets.automation.maintenance import NEEDS
    from soccer_assets.clock import utc_now
    from soccer_assets.maintenance.storage import maintain
    from soccer_assets.params import MaintenanceParams
    from soccer_assets.runner import open_instance
    from soccer_assets.simulator.leagues import LeagueSimulator
    from soccer_assets.simulator.server import FeedServer

    lived, now = Lived(), utc_now()
    with (
        FeedServer(LeagueSimulator(seed=20), clock=utc_now) as feed,
        sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as rows,
    ):
        os.environ["LIVESCORES_URL"] = feed.url
        with open_instance() as instance:
            kinds = _templates(rows, now)
            for day in range(days, 0, -1):
                at = now - timedelta(days=day)
                for kind, hours in kinds.items():
                    _copy(rows, kind, at, hours)
                if (days - day) % EVERY == EVERY - 1 or day == 1:
                    started = time.perf_counter()
                    if maintained:
                        maintain(instance, MaintenanceParams(), NEEDS, at, lambda _: None)
                    lived.maintenance_seconds += time.perf_counter() - started
                    rows.exec_driver_sql("VACUUM (ANALYZE)")  # as its own daemon does it
                    print(
                        f"          {'with' if maintained else 'without'} maintenance:"
                        f" {days - day + 1} of {days} days, {_megabytes(rows):,.0f} MB",
                        file=sys.stderr,
                        flush=True,
                    )
                if (days - day + 1) % max(1, days // 4) == 0:
                    lived.quarters.append(_megabytes(rows))
            _tick(rows, now)
            _really(now)
            rows.exec_driver_sql("VACUUM (ANALYZE)")
            lived.megabytes = _megabytes(rows)
            lived.events = rows.exec_driver_sql("SELECT count(*) FROM event_logs").scalar_one()
            lived.runs = rows.exec_driver_sql("SELECT count(*) FROM runs").scalar_one()
            with stopwatch:
                for what, look in _looks(instance):
                    lived.seconds[what] = _median(look)
    return lived


def _really(now: datetime) -> dict[str, str]:
    """Run the jobs of an hour, and of a day; the name of each -> the job that it was."""
    from soccer_assets.runner import run_job

    def days(first: int, last: int) -> tuple[str, str]:
        return str((now + timedelta(days=first)).date()), str((now + timedelta(days=last)).date())

    month = f"{now:%Y-%m}-01"
    quietly: Callable[[str], None] = lambda _: None  # noqa: E731
    run_job("ingest", quietly, partitions=days(1, 15))
    run_job("ingest", quietly, partitions=days(-2, 0))
    run_job("export", quietly, partitions=(month, month))
    run_job("refresh", quietly)
    return {}


def _templates(rows: sa.Connection, now: datetime) -> dict[str, int]:
    """Make tables of the rows of one run of each kind, with words in place of what differs; the kinds ->
    how often a day."""
    _really(now)
    newest = "SELECT run_id, pipeline_name FROM runs ORDER BY id DESC LIMIT 4"
    refresh, export, hourly, fixtures = [run for run, _ in rows.exec_driver_sql(newest)]
    kinds = {"hourly": hourly, "export": export, "refresh": refresh, "fixtures": fixtures}
    rows.exec_driver_sql(
        "CREATE TABLE t_runs AS SELECT ''::text kind, * FROM runs LIMIT 0;"
        "CREATE TABLE t_tags AS SELECT ''::text kind, key, value FROM run_tags LIMIT 0;"
        "CREATE TABLE t_checks AS SELECT ''::text kind, * FROM asset_check_executions LIMIT 0;"
        "CREATE TABLE t_of_events AS SELECT ''::text kind, asset_key, key, value, 0::bigint event_id"
        " FROM asset_event_tags LIMIT 0;"
        "CREATE TABLE t_events AS SELECT ''::text kind, *, interval '0' after FROM event_logs LIMIT 0"
    )
    for kind, run in kinds.items():
        named = {"kind": kind, "run": run}
        for statement in (
            "INSERT INTO t_runs SELECT :kind, * FROM runs WHERE run_id = :run",
            "INSERT INTO t_tags SELECT :kind, key, value FROM run_tags WHERE run_id = :run",
            "INSERT INTO t_checks SELECT :kind, * FROM asset_check_executions WHERE run_id = :run",
            "INSERT INTO t_events SELECT :kind, *, timestamp - min(timestamp) OVER ()"
            " FROM event_logs WHERE run_id = :run",
            "INSERT INTO t_of_events SELECT :kind, t.asset_key, key, value, event_id"
            " FROM asset_event_tags t JOIN event_logs e ON e.id = event_id WHERE run_id = :run",
        ):
            rows.execute(sa.text(statement), named)
        words = {run: "@RUN@", f"{now:%Y-%m}-01": "@M@"} if kind == "export" else {run: "@RUN@"}
        words |= {str((now + timedelta(days=k)).date()): f"@{k}@" for k in range(-2, 16)}
        for text, word in words.items():
            for table, column in (
                ("t_runs", "run_body"),
                ("t_tags", "value"),
                ("t_checks", "evaluation_event"),
                ("t_events", "event"),
                ("t_events", "partition"),
            ):
                rows.execute(
                    sa.text(
                        f"UPDATE {table} SET {column} = replace({column}, :text, :word)"
                        " WHERE kind = :kind"
                    ),
                    {"text": text, "word": word, "kind": kind},
                )
    return {"hourly": 24, "export": 24, "refresh": 24, "fixtures": 1}


def _copy(rows: sa.Connection, kind: str, day: datetime, hours: int) -> None:
    """Have the runs of a kind of one day."""
    words = {f"@{k}@": str((day + timedelta(days=k)).date()) for k in range(-2, 16)}
    words["@M@"] = f"{day:%Y-%m}-01"

    def told(column: str) -> str:
        sql = f"replace({column}, '@RUN@', run)"
        wanted = ("@M@",) if kind == "export" else tuple(words)
        if kind == "hourly":
            wanted = ("@-2@", "@-1@", "@0@")
        for word in wanted if kind != "refresh" else ():
            sql = f"replace({sql}, '{word}', '{words[word]}')"
        return sql

    hour = (
        f"(SELECT h, md5('{kind} {day:%F} ' || h)::uuid::text AS run,"
        f" timestamp '{day:%F}' + h * interval '1 hour' AS at FROM generate_series(0, {hours - 1}) h)"
        " AS hour"
    )
    version = "md5(coalesce(partition, '') || floor(extract(epoch FROM made.timestamp) / 21600))"
    columns = "pipeline_name, mode, status, partition, partition_set, backfill_id, snapshot_id"
    rows.exec_driver_sql(
        f"INSERT INTO runs (run_id, run_body, create_timestamp, update_timestamp, start_time, end_time,"
        f" {columns}) SELECT run, {told('run_body')}, at, at, extract(epoch FROM at),"
        f" extract(epoch FROM at) + 20, {columns} FROM t_runs, {hour} WHERE kind = '{kind}' ORDER BY h;"
        f"INSERT INTO run_tags (run_id, key, value) SELECT run, key, {told('value')}"
        f" FROM t_tags, {hour} WHERE kind = '{kind}' ORDER BY h;"
        f"INSERT INTO asset_check_executions (asset_key, check_name, partition, run_id,"
        f" execution_status, evaluation_event, evaluation_event_timestamp, create_timestamp)"
        f" SELECT asset_key, check_name, partition, run, execution_status,"
        f" {told('evaluation_event')}, at, at FROM t_checks, {hour} WHERE kind = '{kind}' ORDER BY h;"
        f"WITH made AS (INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, step_key,"
        f" asset_key, partition) SELECT run, {told('event')}, dagster_event_type, at + after, step_key,"
        f" asset_key, {told('partition')} FROM t_events, {hour} WHERE kind = '{kind}' ORDER BY h, id"
        f" RETURNING id, asset_key, partition, dagster_event_type, timestamp),"
        f" tagged AS (SELECT DISTINCT ON (asset_key, key) asset_key, key, value FROM t_of_events"
        f" WHERE kind = '{kind}')"
        f" INSERT INTO asset_event_tags (event_id, asset_key, key, value, event_timestamp)"
        f" SELECT made.id, made.asset_key, key, CASE WHEN key = 'dagster/data_version' THEN {version}"
        f" ELSE value END, made.timestamp FROM made JOIN tagged USING (asset_key)"
        f" WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"
    )


def _tick(rows: sa.Connection, now: datetime) -> None:
    body = "x" * 900
    rows.execute(
        sa.text(
            "INSERT INTO job_ticks (job_origin_id, selector_id, status, type, timestamp, tick_body)"
            " SELECT 'origin ' || s, 'sensor ' || s, 'SKIPPED', 'SENSOR',"
            " CAST(:now AS timestamp) - t * interval '30 seconds', :body"
            " FROM generate_series(1, :sensors) s, generate_series(1, :ticks) t"
        ),
        {
            "now": now.astimezone(UTC).replace(tzinfo=None),
            "body": body,
            "sensors": TICKING,
            "ticks": TICKS_A_DAY * TICK_DAYS,
        },
    )


def _looks(instance: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    import dagster as dg

    from benchmarks.ui import opened
    from soccer_assets.automation.updates import updates
    from soccer_assets.definitions import defs

    warnings.simplefilter("ignore", dg.BetaWarning)  # once a lap, over what is told of the years

    def tick() -> None:
        updates.evaluate_tick(dg.build_sensor_context(instance=instance, definitions=defs))

    def conditions() -> None:
        dg.evaluate_automation_conditions(defs, instance)

    yield "a tick of the sensor `updates`", tick
    yield "a tick of the automation conditions", conditions
    keys = [key.to_user_string() for key in defs.resolve_asset_graph().materializable_asset_keys]
    with opened(instance) as ui:
        yield "the UI's graph of all assets", lambda: ui.graph(*keys)
        yield "the UI's page of `match`", lambda: ui.asset("match")
        yield "the UI's page of `features`", lambda: ui.asset("features")
        yield "the UI's list of runs", ui.runs


def _median(look: Callable[[], Any]) -> tuple[float, float]:
    look()
    laps = []
    for _ in range(LAPS):
        wall, cpu = time.perf_counter(), time.process_time()
        look()
        laps.append((time.perf_counter() - wall, time.process_time() - cpu))
    return statistics.median(lap[0] for lap in laps), statistics.median(lap[1] for lap in laps)


def _megabytes(rows: sa.Connection) -> float:
    from soccer_assets.maintenance import tables

    return sum(tables.sizes(rows).values()) / 1e6


def run(bench: Workbench) -> list[Comparison]:
    days, found = bench.sizes.lived_days, []
    for maintained in (True, False):
        url = create_database(bench.server_url)
        home = bench.folder / f"years-{maintained}"
        found.append(measure(live, url, home, days, maintained=maintained))
        drop_database(url, bench.server_url)
    ours, theirs = found
    with_it, without = ours.result, theirs.result
    size = (
        f"{without.megabytes:,.0f} MB ({without.events:,} events, {without.runs:,} runs) without,"
        f" {with_it.megabytes:,.0f} MB ({with_it.events:,} events, {with_it.runs:,} runs) with"
        f" maintenance every {EVERY} days; by quarter"
        f" {_series(without.quarters)} and {_series(with_it.quarters)} MB"
    )
    notes = [
        f"rows of real runs, copied for {days} days of hourly ingests, exports, features and"
        f" predictions, and daily fixtures; {size}",
        f"all passes of maintenance together: {with_it.maintenance_seconds:.0f} s",
    ]
    return [
        Comparison(
            "years",
            f"{what} after {days} days",
            "no maintenance",
            _cost(ours, seconds),
            _cost(theirs, without.seconds[what]),
            Goal(0.8),
            notes if place == 0 else [],
        )
        for place, (what, seconds) in enumerate(with_it.seconds.items())
    ]


def _cost(measured: Measurement, seconds: tuple[float, float]) -> Cost:
    return Cost(*seconds, measured.peak_mb, LAPS)


def _series(megabytes: list[float]) -> str:
    return ", ".join(f"{size:,.0f}" for size in megabytes)
