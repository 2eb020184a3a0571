"""Years of a feed spread over step workers with homes of their own, by Celery: by two, and by one."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import sqlalchemy as sa

from benchmarks import broker
from benchmarks.database import create_database, drop_database
from benchmarks.feed import Feed, serving
from benchmarks.machines import Machine
from benchmarks.processes import cpu_seconds, family, peak_mb
from benchmarks.report import Comparison, Cost
from benchmarks.scoring_loop import on_celery
from benchmarks.workbench import Workbench

#: Runs at once, of one worker as of two: what differs is who executes their steps.
AT_ONCE = 2
#: Days before the measured ones, of two months at least, for two workers: with them Dagster's tables are
#: made, and every process imports what it needs.
WARM_UP_DAYS = 32
#: Of a feed that is far away, or slow. Of a near one the cores of one machine are the limit.
SECONDS_AWAY = 0.25


@dataclass(frozen=True)
class Spread:
    """What a backfill cost; ``at_work``: seconds of each step, on whatever worker."""

    workers: int
    seconds: float
    at_work: Sequence[float]
    matches: int
    cpu_seconds: float
    peak_mb: float

    @property
    def orchestration(self) -> float:
        """The share of the workers' time in which they were in no step."""
        return 1 - sum(self.at_work) / (self.workers * self.seconds)


def run(bench: Workbench) -> list[Comparison]:
    """None where there is no broker."""
    if broker.is_missed_by("backfill-celery"):
        return []
    folder = bench.folder / "spread"
    folder.mkdir()
    with (
        broker.rabbitmq(folder) as url,
        serving(bench.source, SECONDS_AWAY) as distant,
    ):
        near = _by_two_and_by_one(bench, folder / "near", url, bench.feed)
        far = _by_two_and_by_one(bench, folder / "far", url, distant)
    return [
        _comparison(bench, near, ""),
        _comparison(bench, far, f", a feed that is {SECONDS_AWAY * 1000:.0f} ms away"),
    ]


def _by_two_and_by_one(
    bench: Workbench, folder: Path, broker_url: str, feed: Feed
) -> tuple[Spread, Spread]:
    folder.mkdir()
    days = bench.source.days[-bench.sizes.spread_days - WARM_UP_DAYS :]
    one, two = (
        spread(bench, folder / str(workers), broker_url, feed, days, workers) for workers in (1, 2)
    )
    if one.matches != two.matches:
        raise RuntimeError(f"one worker loaded {one.matches} matches, two {two.matches}")
    return two, one


def _comparison(bench: Workbench, found: tuple[Spread, Spread], of_feed: str) -> Comparison:
    two, one = found
    sizes = bench.sizes
    return Comparison(
        "backfill-celery",
        f"backfill of {sizes.spread_days:,} days ({two.matches:,} matches) over Celery, two workers"
        f"{of_feed}",
        "the same on one worker",
        Cost(two.seconds, two.cpu_seconds, two.peak_mb),
        Cost(one.seconds, one.cpu_seconds, one.peak_mb),
        None,
        [
            f"soccer backfill --at-once {AT_ONCE} --months {sizes.spread_months}, {len(one.at_work)} steps"
            f" on warm workers with homes of their own: two are {one.seconds / two.seconds:.2f} times as"
            " fast as one; PostgreSQL, RabbitMQ, the feed, the runs and the workers share the cores"
            " of this machine, where workers have machines of their own otherwise",
            f"orchestration, the share of the workers' time in no step: {one.orchestration:.0%} of"
            f" one, {two.orchestration:.0%} of two; it includes the export of the months after it,"
            " which is not spread; CPU and peak are of the workers",
        ],
    )


def spread(
    bench: Workbench, folder: Path, broker_url: str, feed: Feed, days: Sequence[date], workers: int
) -> Spread:
    """All of it anew, in a database and a lake of its own."""
    folder.mkdir()
    database = create_database(bench.server_url)
    settings = {
        **on_celery(broker_url),
        "POSTGRES_URL": database,
        "LAKE_URI": str(folder / "lake"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "LIVESCORES_URL": feed.url,
        "LIVESCORES_NAME": "benchmark",
    }
    starter = Machine(folder / "starter", settings)
    machines = [Machine(folder / f"worker-{number + 1}", settings) for number in range(workers)]
    with _at_work(machines):
        starter.run("dagster", "instance", "concurrency", "set", "livescores", str(AT_ONCE))
        _backfill(starter, days[:WARM_UP_DAYS], 1)
        before = _newest(database)
        pids = [process.pid for machine in machines for process in machine.started]
        cpu = cpu_seconds(family(pids))
        started = time.monotonic()
        _backfill(starter, days[WARM_UP_DAYS:], bench.sizes.spread_months)
        seconds = time.monotonic() - started
        spent = cpu_seconds(family(pids)) - cpu
        peak = max(map(peak_mb, family(pids)))
    found = Spread(
        workers,
        seconds,
        _steps(database, before),
        _matches(database, days[WARM_UP_DAYS]),
        spent,
        peak,
    )
    drop_database(database, bench.server_url)
    return found


@contextmanager
def _at_work(machines: Sequence[Machine]) -> Iterator[None]:
    try:
        for machine in machines:
            machine.start("soccer", "step-worker", "--name", machine.home.name)
        yield
    finally:
        for machine in machines:
            machine.end()


def _backfill(starter: Machine, days: Sequence[date], months: int) -> None:
    ends = ("--since", str(days[0]), "--until", str(days[-1]))
    spread = ("--at-once", str(AT_ONCE), "--months", str(months))
    starter.run("soccer", "backfill", *ends, *spread)


def _newest(database: str) -> int:
    return int(_scalar(database, "SELECT coalesce(max(id), 0) FROM event_logs"))


def _steps(database: str, after: int) -> list[float]:
    """Seconds of each ingest step since an event."""
    query = sa.text(
        """SELECT extract(epoch FROM max(timestamp) - min(timestamp))::float FROM event_logs
        WHERE id > :after AND step_key = 'ingest_days'
            AND dagster_event_type IN ('STEP_START', 'STEP_SUCCESS')
        GROUP BY run_id HAVING count(*) = 2"""
    )
    with sa.create_engine(database, poolclass=sa.NullPool).connect() as connection:
        return list(connection.scalars(query, {"after": after}))


def _matches(database: str, first: date) -> int:
    query = "SELECT count(*) FROM soccer.match WHERE feed_day >= :first"
    return int(_scalar(database, query, first=first))


def _scalar(database: str, query: str, **values: object) -> float:
    with sa.create_engine(database, poolclass=sa.NullPool).connect() as connection:
        return float(connection.execute(sa.text(query), values).scalar_one())
