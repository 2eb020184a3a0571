"""The whole graph with each step in a process of its own, on one machine."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from soccer_assets_tests.services.machines import DAYS, MONTHS, Machine, Records, outcome
from soccer_assets_tests.services.servers import Shared

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def made(
    place: Path, shared: Shared, season: dict[str, str]
) -> tuple[dict[str, Any], Counter[str]]:
    """What the graph has come to; step of the training's run -> processes that it had."""
    with shared.world("multiprocess", with_mlflow=False) as world:
        settings = {**world, **season, "SOCCER_EXECUTOR": "multiprocess"}
        machine = Machine(place / "multiprocess", settings)
        for job, ends in (("ingest", DAYS), ("export", MONTHS), ("retrain", ())):
            machine.finish(machine.job(job, *ends))
        records = Records(world["POSTGRES_URL"])
        run = records.newest_run("retrain")
        assert run
        begun = records.times(run, "STEP_WORKER_STARTED")
        return outcome(machine), begun


@pytest.mark.parametrize("what", ["champion", "versions", "metrics", "features", "mlflow_runs"])
def test_model_and_features_are_those_of_one_process(
    made: tuple[dict[str, Any], Counter[str]], alone: dict[str, Any], what: str
) -> None:
    assert alone[what]
    assert made[0][what] == alone[what]


@pytest.mark.parametrize("table", ["match", "match_raw", "prediction", "promotion"])
def test_the_tables_are_those_of_one_process(
    made: tuple[dict[str, Any], Counter[str]], alone: dict[str, Any], table: str
) -> None:
    assert alone["tables"][table]
    assert made[0]["tables"][table] == alone["tables"][table]


def test_each_step_had_a_process(made: tuple[dict[str, Any], Counter[str]]) -> None:
    assert len(made[1]) > 10
    assert set(made[1].values()) == {1}
