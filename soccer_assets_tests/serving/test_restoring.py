"""The way back to the champion before: in memory, on disk, and among reloads."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from soccer_assets.serving.kept import KeptSnapshot
from soccer_assets.serving.snapshot import Origin, Snapshot
from soccer_assets.serving.state import NothingToRestore, SnapshotStore
from soccer_assets_tests.serving.building import snapshot_of


def versions(*numbers: int) -> Callable[[], Snapshot]:
    """Loads one version after the other."""
    coming: Iterator[int] = iter(numbers)
    return lambda: snapshot_of(next(coming))


def served(store: SnapshotStore) -> int:
    assert store.snapshot is not None
    return store.snapshot.model.version


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


def run(scenario: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(30):
            return await scenario()

    return asyncio.run(bounded())


def test_the_champion_before_is_served_again_once_whatever_of_the_same_was_loaded_since() -> None:
    async def scenario() -> None:
        store = SnapshotStore(versions(1, 2, 2))
        for _ in range(3):
            await store.reload()
        current, before = await store.restore()
        assert (current.model.version, before.model.version, served(store)) == (2, 1, 1)
        with pytest.raises(NothingToRestore, match="no other champion was served here lately"):
            await store.restore()
        assert served(store) == 1

    run(scenario)


def test_there_is_no_way_back_to_nothing_or_to_the_same_champion() -> None:
    async def scenario() -> None:
        store = SnapshotStore(versions(1, 1))
        for _ in range(2):
            with pytest.raises(NothingToRestore):
                await store.restore()
            await store.reload()
        with pytest.raises(NothingToRestore):
            await store.restore()

    run(scenario)


def test_the_champion_before_is_forgotten_after_a_while() -> None:
    async def scenario() -> None:
        store = SnapshotStore(versions(1, 2), kept_seconds=0.01)
        await store.reload()
        await store.reload()
        await asyncio.sleep(0.1)
        with pytest.raises(NothingToRestore):
            await store.restore()
        assert served(store) == 2

    run(scenario)


def test_what_was_asked_for_first_is_done_first() -> None:
    """A reload that runs, and those that wait for the next, are undone by a restoration that was
    asked for after them, and not those that were asked for after it."""
    began, goes_on = threading.Event(), threading.Event()
    load = versions(1, 2, 3, 4)
    goes_on.set()

    def slow() -> Snapshot:
        began.set()
        goes_on.wait()
        return load()

    async def scenario() -> None:
        store = SnapshotStore(slow)
        await store.reload()
        began.clear()
        goes_on.clear()
        running = asyncio.create_task(store.reload())
        await until(began.is_set)
        waiting = [asyncio.create_task(store.reload()) for _ in range(3)]
        await asyncio.sleep(0)
        restoring = asyncio.create_task(store.restore())
        await asyncio.sleep(0)
        later = [asyncio.create_task(store.reload()) for _ in range(3)]
        await asyncio.sleep(0)
        goes_on.set()

        def told(swap: tuple[Snapshot | None, Snapshot]) -> list[int | None]:
            return [each and each.model.version for each in swap]

        assert told(await running) == [1, 2]
        assert [told(await task) for task in waiting] == [[2, 3]] * 3
        assert told(await restoring) == [3, 2]
        assert [told(await task) for task in later] == [[2, 4]] * 3
        assert served(store) == 4

    run(scenario)


@pytest.mark.parametrize("steps", range(4))
def test_a_restoration_undoes_a_reload_that_was_asked_for_just_before(steps: int) -> None:
    """However few steps of the event loop are between the two."""

    async def scenario() -> None:
        store = SnapshotStore(versions(1, 2, 3))
        await store.reload()
        await store.reload()
        reloading = asyncio.create_task(store.reload())
        for _ in range(steps):
            await asyncio.sleep(0)
        await asyncio.gather(reloading, asyncio.create_task(store.restore()))
        assert served(store) == 2

    run(scenario)


def test_what_is_served_again_is_what_the_next_start_finds(tmp_path: Path) -> None:
    kept = KeptSnapshot(tmp_path, "database")

    def on_disk() -> int | None:
        found = kept.recall()
        return found and found.model.version

    async def scenario() -> None:
        store = SnapshotStore(versions(1, 2), kept=kept)
        await store.reload()
        await store.reload()
        await until(lambda: on_disk() == 2)
        await store.restore()
        await until(lambda: on_disk() == 1)

    run(scenario)


def test_what_came_from_disk_may_be_served_again_and_stays(tmp_path: Path) -> None:
    """A worker that started while the database was away is given the champion that it missed, and
    has to take it back: it does not fetch it again by itself."""
    kept = KeptSnapshot(tmp_path, "database")
    kept.keep(snapshot_of(1))
    away = True
    loads = 0

    def load() -> Snapshot:
        nonlocal loads
        loads += 1
        if away:
            raise OSError
        return snapshot_of(2)

    async def scenario() -> None:
        nonlocal away
        store = SnapshotStore(load, kept=kept)
        loading = asyncio.create_task(store.load_first(0.05, asyncio.Event()))
        await until(lambda: store.snapshot is not None)
        away = False
        await store.reload()  # by a roll, while the worker itself pauses or asks, too
        assert served(store) == 2
        await store.restore()
        assert served(store) == 1
        before = loads
        await asyncio.wait_for(loading, 10)
        assert (served(store), loads) == (1, before)
        assert store.snapshot is not None
        assert store.snapshot.origin is Origin.DISK

    run(scenario)
