"""A simulated feed in the middle of a season, and a platform that reads it."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from soccer_assets.clock import utc_now
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.platform import Platform, platform

INGESTION = ("livescores", "match_raw", "match")
LAKE = ("match_raw_parquet", "match_parquet")


@pytest.fixture(scope="session")
def world() -> LeagueSimulator:
    """The season is played here once, and no answer of the feed has to wait for it."""
    simulator = LeagueSimulator(seed=20, first_season=2024)
    simulator.payload(date(2025, 3, 1), MIDSEASON)
    return simulator


@pytest.fixture
def feed(world: LeagueSimulator) -> Iterator[FeedServer]:
    with FeedServer(world, clock=utc_now) as server:
        yield server


@pytest.fixture
def midseason(tmp_path: Path, feed: FeedServer, database_url: str) -> Iterator[Platform]:
    """An empty platform as of ``MIDSEASON`` that asks the feed once for each day."""
    environment = {"SOCCER_AS_OF": MIDSEASON.isoformat(), "LIVESCORES_ATTEMPTS": "1"}
    with platform(tmp_path, feed, database_url, environment) as made:
        yield made
