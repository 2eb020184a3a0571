import asyncio
import logging
import threading
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from soccer_assets.serving.kept import KeptSnapshot
from soccer_assets.serving.snapshot import Snapshot
from soccer_assets.serving.state import LoadFailed, SnapshotStore
from soccer_assets_tests.serving.building import snapshot_of


def test_thirty_reloads_at_once_are_two_loads_one_at_a_time() -> None:
    running, most, loads = 0, 0, 0
    lock, began, goes_on = threading.Lock(), threading.Event(), threading.Event()

    def load() -> Snapshot:
        nonlocal running, most, loads
        with lock:
            running, loads = running + 1, loads + 1
            most = max(most, running)
        began.set()
        goes_on.wait()
        with lock:
            running -= 1
        return snapshot_of(loads)

    async def scenario() -> list[tuple[Snapshot | None, Snapshot]]:
        store = SnapshotStore(load)
        first = asyncio.create_task(store.reload())
        while not began.is_set():
            await asyncio.sleep(0)
        others = [asyncio.create_task(store.reload()) for _ in range(29)]
        await asyncio.sleep(0)
        goes_on.set()
        results = await asyncio.gather(first, *others)
        return [*results, await store.reload()]  # at rest, one is one

    results = asyncio.run(scenario())
    assert most == 1
    versions = [(before and before.model.version, after.model.version) for before, after in results]
    assert versions == [(None, 1), *[(1, 2)] * 29, (2, 3)]


def test_who_asks_while_a_load_runs_is_answered_by_one_that_begins_after() -> None:
    """The running one may have read before what is to be seen was written."""
    published, began, goes_on = 1, threading.Event(), threading.Event()

    def load() -> Snapshot:
        version = published
        began.set()
        goes_on.wait()
        return snapshot_of(version)

    async def scenario() -> tuple[int, int]:
        nonlocal published
        store = SnapshotStore(load)
        first = asyncio.create_task(store.reload())
        while not began.is_set():
            await asyncio.sleep(0)
        published = 2
        second = asyncio.create_task(store.reload())
        await asyncio.sleep(0)
        goes_on.set()
        return (await first)[1].model.version, (await second)[1].model.version

    assert asyncio.run(scenario()) == (1, 2)


def test_who_goes_away_takes_nothing_from_who_waits_for_the_same() -> None:
    goes_on = threading.Event()

    def load() -> Snapshot:
        goes_on.wait()
        return snapshot_of(1)

    async def scenario() -> int:
        store = SnapshotStore(load)
        tasks = [asyncio.create_task(store.reload()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.sleep(0)
        goes_on.set()
        return (await tasks[2])[1].model.version

    assert asyncio.run(scenario()) == 1


def test_an_unexpected_error_keeps_the_old_snapshot_and_hides_its_text() -> None:
    outcomes: list[Snapshot | Exception] = [snapshot_of(1), ValueError("password hunter2")]

    def load() -> Snapshot:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def scenario() -> SnapshotStore:
        store = SnapshotStore(load)
        await store.reload()
        with pytest.raises(LoadFailed, match=r"could not be loaded \(ValueError\)"):
            await store.reload()
        return store

    store = asyncio.run(scenario())
    assert store.snapshot is not None
    assert store.snapshot.model.version == 1
    assert store.last_error is not None
    assert "hunter2" not in store.last_error


@pytest.mark.parametrize("steps", range(12))
def test_who_is_canceled_while_nothing_can_be_loaded_ends(steps: int) -> None:
    """At whichever step of the event loop it is canceled after a load has failed."""

    async def scenario() -> None:
        asked, fails = threading.Event(), threading.Event()

        def load() -> Snapshot:
            asked.set()
            fails.wait()
            raise OSError

        store = SnapshotStore(load)
        loading = asyncio.create_task(store.load_first(0.01, asyncio.Event()))
        while not asked.is_set():
            await asyncio.sleep(0)
        fails.set()
        while (
            thread := next((t for t in threading.enumerate() if t.name == "load"), None)
        ) is not None:
            thread.join()
        for _ in range(steps):
            await asyncio.sleep(0)
        loading.cancel()
        done, _ = await asyncio.wait([loading], timeout=5)
        assert done

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OperationalError("SELECT 1", None, Exception("refused")), "the database is away"),
        (InterfaceError("SELECT 1", None, Exception("closed")), "the database is away"),
        (DBAPIError("COPY", None, psycopg2.OperationalError("closed")), "the database is away"),
        (PoolTimeout("none is free"), "the database is away"),
        (ConnectionRefusedError("refused"), "the database is away"),
        (TimeoutError(), "the database is away"),
        (
            OverflowError("date value\nout of range"),
            "the predictions could not be loaded (OverflowError: date value out of range)",
        ),
        (
            ProgrammingError("SELECT 1", None, Exception("no such table")),
            "the database could not be read (ProgrammingError: no such table)",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_why_a_worker_serves_from_disk_is_what_really_failed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception, why: str
) -> None:
    """Who reads that the database is away looks for it there, and not at a bug or a parameter."""
    kept = KeptSnapshot(tmp_path, "here")
    kept.keep(snapshot_of(3), lambda: True)
    outcomes: list[Snapshot | Exception] = [error, snapshot_of(4)]

    def load() -> Snapshot:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def scenario() -> SnapshotStore:
        store = SnapshotStore(load, kept=kept)
        await store.load_first(0.01, asyncio.Event())
        return store

    with caplog.at_level(logging.WARNING):
        store = asyncio.run(scenario())
    assert store.snapshot is not None
    assert store.snapshot.model.version == 4
    _, recalled, back = [record.getMessage() for record in caplog.records]
    assert recalled.startswith(f"{why}: version 3 is served from disk")
    assert ("the database is back" in back) == (why == "the database is away")
    assert "version 4 is served from" in back
