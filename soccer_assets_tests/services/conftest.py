"""A small season, on services that several machines share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from soccer_assets.settings import DEFAULT_PARAMS, project_folder
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.services.machines import DAYS, MONTHS, Machine, outcome
from soccer_assets_tests.services.servers import Shared, shared_servers


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """Not pytest's, which is closed to other users, and PostgreSQL is one."""
    with tempfile.TemporaryDirectory(prefix="soccer-services-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def shared(place: Path) -> Iterator[Shared]:
    if (project_folder() / ".env").exists():
        pytest.skip("the checkout has an .env, and these machines would use it")
    with shared_servers(place) as started:
        yield started


@pytest.fixture(scope="session")
def season(place: Path) -> Iterator[dict[str, str]]:
    """Settings of a season of which the second half is to come, with a model that is trained soon."""
    params = yaml.safe_load(DEFAULT_PARAMS.read_text())
    params["training"] |= {"folds": 1, "candidates": {"logistic": {"C": 0.001}}}
    params["gates"] |= {"ece_limit": 0.08}  # so few matches cannot be calibrated any better
    (file := place / "params.yaml").write_text(yaml.safe_dump(params))
    world = LeagueSimulator(seed=20, first_season=2024)
    with FeedServer(world, clock=lambda: MIDSEASON) as feed:
        yield {
            "LIVESCORES_URL": feed.url,
            "SOCCER_AS_OF": MIDSEASON.isoformat(),
            "SOCCER_PARAMS": str(file),
            "SERVING_TOKEN": "of the season",
        }


@pytest.fixture(scope="session")
def alone(place: Path, shared: Shared, season: dict[str, str]) -> dict[str, Any]:
    """What the season comes to on one machine, each run in one process, with MLflow in its home."""
    with shared.world("alone", with_mlflow=False) as world:
        machine = Machine(place / "alone", {**world, **season})
        for job, ends in (("ingest", DAYS), ("export", MONTHS), ("retrain", ())):
            machine.finish(machine.job(job, *ends))
        return outcome(machine)
