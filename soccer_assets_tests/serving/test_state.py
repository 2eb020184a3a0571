import asyncio
import threading
import time

import pytest

from soccer_assets.serving.snapshot import Snapshot
from soccer_assets.serving.state import LoadFailed, SnapshotStore
from soccer_assets.warehouse.served_model import ServedModel
from soccer_assets_tests.serving.conftest import NOW


def snapshot_of(version: int) -> Snapshot:
    return Snapshot.build(
        ServedModel("m", version, "r", "d", NOW, {}), [], refreshed_at=NOW, loaded_at=NOW
    )


def test_one_load_at_a_time() -> None:
    running, most, loads = 0, 0, 0
    lock = threading.Lock()

    def load() -> Snapshot:
        nonlocal running, most, loads
        with lock:
            running, loads = running + 1, loads + 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1
        return snapshot_of(loads)

    async def scenario() -> list[tuple[Snapshot | None, Snapshot]]:
        store = SnapshotStore(load)
        return await asyncio.gather(*(store.reload() for _ in range(8)))

    results = asyncio.run(scenario())
    assert most == 1
    versions = [(before and before.model.version, after.model.version) for before, after in results]
    assert versions == [(n or None, n + 1) for n in range(8)]


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
