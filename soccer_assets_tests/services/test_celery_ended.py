"""A run on step workers that is ended before its steps are."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from soccer_assets_tests.services.machines import Machine, Records, wait_until
from soccer_assets_tests.services.servers import Shared, rabbitmq

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(1800)]

#: More than are loaded in the seconds until the run is ended.
DAYS = ("2019-01-01", "2024-12-31")


@pytest.fixture(scope="module")
def machines(
    place: Path, shared: Shared, season: dict[str, str]
) -> Iterator[tuple[Machine, Machine, Records]]:
    with shared.world("ended", with_mlflow=False) as world, rabbitmq(place / "ended") as broker:
        settings = {
            **world,
            **season,
            "SOCCER_EXECUTOR": "celery",
            "SOCCER_CELERY_BROKER": broker,
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",  # nobody asks it
        }
        starter, other = (Machine(place / f"ended-{name}", settings) for name in ("a", "b"))
        try:
            starter.run("soccer", "migrate")
            other.start("soccer", "step-worker")
            yield starter, other, Records(world["POSTGRES_URL"])
        finally:
            starter.end()
            other.end()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_step_ends_with_its_run_and_the_worker_is_free(
    machines: tuple[Machine, Machine, Records], how: signal.Signals
) -> None:
    starter, other, records = machines
    ((before,),) = records.query("SELECT coalesce(max(id), 0) FROM runs")
    process = starter.job("ingest", *DAYS)

    def begun() -> str | None:
        found = records.query("SELECT run_id FROM runs WHERE id > %s", before)
        run = str(found[0][0]) if found else ""
        return run if run and records.times(run, "STEP_START")["ingest_days"] else None

    run = wait_until(begun, other.log.read_text)
    time.sleep(2)  # some of the days
    process.send_signal(how)
    process.wait(60)
    # A run whose process was killed is ended by the next one that is started on its machine.
    again = starter.job("ingest", "2024-09-01", "2024-09-02")
    wait_until(lambda: records.status(run) in ("CANCELED", "FAILURE"), other.log.read_text)
    asked = time.monotonic()
    starter.finish(again)
    assert time.monotonic() - asked < 120, "the worker went on with what nobody waits for"
    assert records.times(run, "STEP_SUCCESS")["ingest_days"] == 0
    assert records.times(run, "STEP_START")["ingest_days"] == 1
