"""``soccer backfill`` that is killed, or asked to end, where it waits longest."""

import signal
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from soccer_assets.runner import open_instance
from soccer_assets.simulator.faults import Fault
from soccer_assets.simulator.server import FeedServer
from soccer_assets.warehouse.connection import get_engine
from soccer_assets.warehouse.ingested_days import matches_by_day
from soccer_assets_tests.doomed_runs import Household, dagster, soccer
from soccer_assets_tests.platform import forget_environment

#: Two a transaction.
DAYS = [date(2025, 3, number) for number in range(1, 5)]
BACKFILL = ("backfill", "--since", str(DAYS[0]), "--until", str(DAYS[-1]), "--batch-days", "2")


@pytest.fixture
def household(
    database_url: str, tmp_path: Path, feed: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Household]:
    household = Household(tmp_path, database_url, {"LIVESCORES_URL": feed.url})
    for name, value in household.environment.items():
        monkeypatch.setenv(name, value)
    forget_environment()
    yield household
    get_engine().dispose()
    forget_environment()


def runs() -> dict[str, str]:
    """Job -> status, of a job that ran once."""
    with open_instance() as instance:
        return {run.job_name: run.status.value for run in instance.get_runs()}


def wait_for(feed: FeedServer, requests: int) -> None:
    while feed.requests < requests:
        time.sleep(0.05)


def test_one_that_waits_as_long_as_the_source_asked_ends_when_asked(
    household: Household, feed: FeedServer
) -> None:
    feed.inject(DAYS[2], Fault.http_429(retry_after=290))
    with household.start(soccer, *BACKFILL) as child:
        wait_for(feed, 4)
        child.signal(signal.SIGTERM)
        child.ends()
    assert runs() == {"ingest": "CANCELED"}
    assert matches_by_day(get_engine()).keys() == set(DAYS[:2])  # what was loaded is kept
    feed.clear()
    goes_on(household)


def test_a_materialization_ends_when_asked(household: Household, feed: FeedServer) -> None:
    feed.inject(DAYS[1], Fault.http_429(retry_after=290))
    days = f"{DAYS[0]}...{DAYS[1]}"
    assets = ("--select", "livescores,match_raw,match", "--partition-range", days)
    with household.start(dagster, "asset", "materialize", *assets) as child:
        wait_for(feed, 2)
        child.signal(signal.SIGTERM)
        assert child.ends() != 0
    assert runs() == {"__ASSET_JOB": "CANCELED"}


def test_one_that_waits_for_the_database_ends_when_asked(
    household: Household, feed: FeedServer
) -> None:
    with get_engine().connect() as connection:
        connection.execute(sa.text("LOCK TABLE soccer.match_raw IN ACCESS EXCLUSIVE MODE"))
        with household.start(soccer, *BACKFILL) as child:
            wait_for(feed, 2)
            while not waits_for_lock():
                time.sleep(0.05)
            child.signal(signal.SIGTERM)
            assert child.ends() == 128 + signal.SIGTERM
    assert runs() == {"ingest": "CANCELED"}
    goes_on(household)


def waits_for_lock() -> bool:
    found = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL")
    with get_engine().connect() as connection:
        return bool(connection.scalar(found))


def goes_on(household: Household) -> None:
    """The same command does the rest."""
    with household.start(soccer, *BACKFILL) as child:
        assert child.ends() == 0
    assert matches_by_day(get_engine()).keys() == set(DAYS)
