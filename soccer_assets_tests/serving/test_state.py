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
