"""A process that ingests and exports dies at any moment; the next run ends where it would have."""

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from soccer_assets.feed.payload import Row
from soccer_assets.ingestion.ingest import ingest_days
from soccer_assets.ingestion.rebuild import rebuild_warehouse
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import LocalStore
from soccer_assets_tests.databases import copy_of
from soccer_assets_tests.durability.processes import start_doomed
from soccer_assets_tests.durability.scenario import (
    EARLY,
    LATE,
    ClockedArchive,
    archive_of,
    contents,
    early_view,
    ingest_and_export,
    late_view,
    open_engine,
    published,
)
from soccer_assets_tests.feed_days import DAY, FETCHED, a_match, a_payload, finished

pytestmark = pytest.mark.system

#: Points of the default run.
POINTS = 25


@dataclass(frozen=True)
class State:
    """All that is kept: tables, archive, and what the lake shows."""

    tables: dict[str, list[dict[str, Any]]]
    archive: dict[str, bytes]
    lake: dict[str, bytes]


@dataclass(frozen=True)
class Stage:
    """A season half known, whose second half a process is to ingest."""

    feed_url: str
    database: str
    lake: Path
    before: State
    after: State
    events: list[str]
    """What an undisturbed process does to disk and database, in order."""


def state_of(url: str, lake: Path) -> State:
    return State(contents(open_engine(url)), archive_of(lake), published(lake))


@pytest.fixture(scope="module")
def stage(
    tables: str, world: LeagueSimulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    lake = tmp_path_factory.mktemp("stage") / "lake"
    with (
        pytest.MonkeyPatch.context() as patch,
        FeedServer(world) as feed,
        copy_of(tables) as url,
    ):
        patch.setenv("SOCCER_AS_OF", EARLY.isoformat())
        for day, payload in early_view(world).items():
            feed.override(day, payload)
        assert ingest_and_export(open_engine(url), lake, feed.url, EARLY).faults == []
        before = state_of(url, lake)
        for day, payload in late_view(world).items():
            feed.override(day, payload)
        undisturbed = lake.with_name("undisturbed")
        shutil.copytree(lake, undisturbed)
        with copy_of(url) as copied:
            process, listen = start_doomed(copied, undisturbed, feed.url, LATE)
            events = listen.recv()
            process.join()
            after = state_of(copied, undisturbed)
        yield Stage(feed.url, url, lake, before, after, events)


def die_and_run_again(
    stage: Stage,
    lake: Path,
    *,
    kill_at: int | None = None,
    after: float | None = None,
    and_once_more: bool = False,
) -> bool:
    """Whether the process died of it. ``after`` seconds, if it did not die before."""
    shutil.copytree(stage.lake, lake)
    with copy_of(stage.database) as url:
        process, listen = start_doomed(url, lake, stage.feed_url, LATE, kill_at)
        process.join(after)
        process.kill()
        process.join()
        listen.close()
        # Whatever came of it, readers of the lake see what was there, or all that is new.
        assert published(lake) in (stage.before.lake, stage.after.lake)
        assert stage.before.archive.items() <= archive_of(lake).items()
        ingest_and_export(open_engine(url), lake, stage.feed_url, LATE)
        assert not list((lake / "tables").rglob(".*"))  # what was half written is gone
        found = state_of(url, lake)
        assert found.tables == stage.after.tables
        assert found.archive == stage.after.archive
        assert found.lake == stage.after.lake
        if and_once_more:
            run_later(stage, url, lake)
    return bool(process.exitcode == -signal.SIGKILL)


def run_later(stage: Stage, url: str, lake: Path) -> None:
    """An hour later the feed has nothing new to say, and nothing is kept twice."""
    ingest_and_export(open_engine(url), lake, stage.feed_url, LATE + timedelta(hours=1))
    later = state_of(url, lake)
    for day in later.tables["ingested_day"]:
        assert day["checked_at"] == LATE + timedelta(hours=1)
        day["checked_at"] = LATE
    assert later == stage.after


def test_the_stage_is_worth_a_test(stage: Stage) -> None:
    """Something happens to every table and to both months, in several batches."""
    for table, rows in stage.after.tables.items():
        assert rows, table
        assert rows != stage.before.tables[table], table
    fields = {change["field"] for change in stage.after.tables["match_change"]}
    assert {"vanished_at", "feed_day", "kickoff", "home_score", "status"} <= fields
    assert not stage.before.lake.keys() & stage.after.lake.keys() - {"manifest"}
    assert stage.events.count("commit") >= 3  # batches
    assert any("manifest" in event for event in stage.events)


def chosen(events: list[str], points: int) -> list[int]:
    """Every commit, what is published, and others evenly between; counted from one."""
    telling = [
        number
        for number, event in enumerate(events, 1)
        if event in ("commit", "committed") or "manifest" in event
    ]
    others = max(points - len(telling), 1)
    step = max(len(events) // others, 1)
    return sorted({*telling, *range(1, len(events) + 1, step), len(events)})


def test_a_run_that_is_killed_at_a_step_ends_the_same_when_run_again(
    stage: Stage, tmp_path: Path
) -> None:
    for number in chosen(stage.events, POINTS):
        died = die_and_run_again(stage, tmp_path / f"lake{number}", kill_at=number)
        assert died, f"{number}: {stage.events[number - 1]}"


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_step_ends_the_same_when_run_again(
    stage: Stage, tmp_path: Path
) -> None:
    for number in range(1, len(stage.events) + 1):
        died = die_and_run_again(stage, tmp_path / f"lake{number}", kill_at=number)
        assert died, f"{number}: {stage.events[number - 1]}"


def test_a_run_that_is_killed_at_a_random_moment_ends_the_same_when_run_again(
    stage: Stage, tmp_path: Path
) -> None:
    random = Random(20)
    for number in range(6):
        moment = random.uniform(0, 0.3)
        die_and_run_again(stage, tmp_path / f"lake{number}", after=moment, and_once_more=True)


def test_what_a_crash_kept_from_loading_is_loaded_before_what_came_later(
    engine: sa.Engine, store: LocalStore
) -> None:
    """The payload is safe in the archive, and a rebuild knows it: so must the tables."""
    archive = PayloadArchive(store)

    def ingest(*rows: Row, hours: int) -> None:
        clocked = ClockedArchive(store, FETCHED + timedelta(hours=hours), first=DAY)
        ingest_days([DAY], lambda day: orjson.dumps(a_payload(*rows)), clocked, engine)

    ingest(a_match(1), hours=0)
    lost = orjson.dumps(a_payload(finished(1, 1, 0), a_match(2)))
    archive.put(DAY, lost, FETCHED + timedelta(hours=1))  # and then the process died
    ingest(finished(1, 2, 0), hours=2)
    before = contents(engine)
    scores = [c["new"] for c in before["match_change"] if c["field"] == "home_score"]
    assert scores == [1, 2]
    assert [row["match_id"] for row in before["match"]] == [1, 2]
    rebuild_warehouse(engine, archive)
    assert contents(engine) == before
