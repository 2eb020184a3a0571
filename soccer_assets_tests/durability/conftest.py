"""The simulated season behind the feed."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from soccer_assets.clock import utc_now
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer
from soccer_assets_tests.durability.scenario import LATE


@pytest.fixture(scope="package")
def world() -> LeagueSimulator:
    simulator = LeagueSimulator(seed=20, first_season=2024)
    simulator.payload(date(2025, 3, 1), LATE)
    return simulator


@pytest.fixture
def feed(world: LeagueSimulator) -> Iterator[FeedServer]:
    with FeedServer(world, clock=utc_now) as server:
        yield server


@pytest.fixture
def home_folder() -> Iterator[Path]:
    """Where a home may be put; not in pytest's folder, which other users cannot enter."""
    with TemporaryDirectory(prefix="soccer-home-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
