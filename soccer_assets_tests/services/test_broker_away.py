"""A broker that is away for a while, in the middle of a run on step workers."""

import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.broker import Broker
from soccer_assets_tests.services.machines import Machine, Records, wait_until
from soccer_assets_tests.services.servers import Redis, Shared, new_broker, new_redis

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(1800)]

#: Which are loaded in less time than the broker is away, and in more.
SOME_DAYS, MANY_DAYS = ("2024-08-01", "2024-08-31"), ("2019-01-01", "2024-12-31")
AWAY_SECONDS = 10


@dataclass
class Cluster:
    starter: Machine
    worker: Machine
    records: Records
    broker: Broker | Redis

    def begun(self, *days: str) -> tuple[str, subprocess.Popen[bytes]]:
        """A run that has begun its step."""
        ((before,),) = self.records.query("SELECT coalesce(max(id), 0) FROM runs")
        process = self.starter.job("ingest", *days)

        def found() -> str | None:
            runs = self.records.query("SELECT run_id FROM runs WHERE id > %s", before)
            run = str(runs[0][0]) if runs else ""
            return run if run and self.records.times(run, "STEP_START")["ingest_days"] else None

        return wait_until(found, self.told), process

    def told(self) -> str:
        return "\n".join(machine.log.read_text()[-4000:] for machine in (self.starter, self.worker))


@pytest.fixture(scope="module", params=[new_broker, new_redis])
def cluster(
    place: Path, shared: Shared, season: dict[str, str], request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    broker = request.param(place / "away")
    name = f"away_{broker.port}"
    with shared.world(name, with_mlflow=False) as world:
        settings = {
            **world,
            **season,
            "SOCCER_EXECUTOR": "celery",
            "SOCCER_CELERY_BROKER": broker.url,
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",  # nobody asks it
        }
        starter, worker = (Machine(place / f"{name}-{each}", settings) for each in "ab")
        try:
            starter.run("soccer", "migrate")
            worker.start("soccer", "step-worker")
            yield Cluster(starter, worker, Records(world["POSTGRES_URL"]), broker)
        finally:
            starter.end()
            worker.end()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("days", [SOME_DAYS, MANY_DAYS])
def test_a_run_waits_for_the_broker_and_does_each_step_once(
    cluster: Cluster, days: tuple[str, str], how: signal.Signals
) -> None:
    with cluster.broker.up(how):
        run, process = cluster.begun(*days)
    time.sleep(AWAY_SECONDS)
    with cluster.broker.up():
        cluster.starter.finish(process)
    assert cluster.records.status(run) == "SUCCESS"
    assert cluster.records.times(run, "STEP_START")["ingest_days"] == 1
    assert cluster.records.times(run, "STEP_SUCCESS")["ingest_days"] == 1


def test_a_run_that_is_started_without_a_broker_waits_for_one(cluster: Cluster) -> None:
    process = cluster.starter.job("ingest", *SOME_DAYS)
    wait_until(lambda: "the broker is away" in cluster.starter.log.read_text(), cluster.told)
    with cluster.broker.up():
        cluster.starter.finish(process)
