"""What a worker keeps on disk, and starts from while PostgreSQL is away."""

import asyncio
import logging
from pathlib import Path

import pytest

from soccer_assets.serving.kept import FILE, FORMAT, KeptSnapshot, database_name
from soccer_assets.serving.loading import NoChampion
from soccer_assets.serving.snapshot import Origin, Snapshot
from soccer_assets.serving.state import SnapshotStore
from soccer_assets_tests.serving.building import Match, snapshot_of
from soccer_assets_tests.serving.conftest import HOUR, NOW

DATABASE = "this one"


@pytest.fixture
def kept(tmp_path: Path) -> KeptSnapshot:
    kept = KeptSnapshot(tmp_path, DATABASE)
    kept.keep(
        snapshot_of(3, [Match(n, NOW + HOUR * n, body=b'{"n":%d}' % n) for n in range(1, 20)])
    )
    return kept


def test_it_is_read_as_it_was_written(kept: KeptSnapshot) -> None:
    found = kept.recall()
    assert found is not None
    assert (found.model, found.origin) == (snapshot_of(3).model, Origin.DISK)
    assert (found.refreshed_at, found.loaded_at) == (NOW, NOW)
    assert [found.body(n) for n in (1, 19, 20)] == [b'{"n":1}', b'{"n":19}', None]
    assert kept.path.stat().st_mode & 0o077 == 0


def test_where_nothing_was_kept_nothing_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert KeptSnapshot(tmp_path, DATABASE).recall() is None
    assert not caplog.records


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.99])
def test_a_torn_file_is_none_and_one_line_says_so(
    kept: KeptSnapshot, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    whole = kept.path.read_bytes()
    kept.path.write_bytes(whole[: int(len(whole) * share)])
    assert kept.recall() is None
    [record] = caplog.records
    assert record.getMessage().startswith(f"kept snapshot {kept.path} is ignored: it")
    assert "\n" not in record.getMessage()


def test_no_byte_of_it_can_be_another(kept: KeptSnapshot) -> None:
    whole = kept.path.read_bytes()
    for at in range(0, len(whole), 7):
        kept.path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert kept.recall() is None
    kept.path.write_bytes(whole + b"x")
    assert kept.recall() is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda kept: KeptSnapshot(kept.path.parent, "another"), "it is of another database"),
        (
            lambda kept: (
                kept.path.write_bytes(kept.path.read_bytes().replace(FORMAT, b"soccer-snapshot-2"))
                and kept
            ),
            "it is not in the format that this version writes",
        ),
    ],
)
def test_a_foreign_file_is_none(
    kept: KeptSnapshot, change: object, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert change(kept).recall() is None  # type: ignore[operator]
    [record] = caplog.records
    assert record.getMessage() == f"kept snapshot {kept.path} is ignored: {says}"


def test_a_folder_that_takes_no_file_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    KeptSnapshot(tmp_path / "file", DATABASE).keep(snapshot_of(1))
    [record] = caplog.records
    assert record.getMessage().startswith("snapshot not kept in ")


def test_one_that_is_not_the_newest_any_more_is_not_written(kept: KeptSnapshot) -> None:
    kept.keep(snapshot_of(2), lambda: False)
    found = kept.recall()
    assert found is not None
    assert found.model.version == 3


def test_the_name_of_a_database_has_no_password_and_tells_databases_apart() -> None:
    url = "postgresql+psycopg2://{}@host:5432/{}"
    assert database_name(url.format("me:hush", "a")) == database_name(url.format("you:x", "a"))
    assert database_name(url.format("me", "a")) != database_name(url.format("me", "b"))


def test_it_is_served_until_the_database_is_back(
    kept: KeptSnapshot, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes: list[Snapshot | Exception] = [ConnectionError(), ConnectionError(), snapshot_of(4)]
    versions = []

    async def scenario() -> SnapshotStore:
        def load() -> Snapshot:
            served = store.snapshot
            versions.append(served and (served.model.version, served.origin))
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        store = SnapshotStore(load, kept=kept)
        await store.load_first(0.01, asyncio.Event())
        return store

    with caplog.at_level(logging.WARNING):
        store = asyncio.run(scenario())
    assert versions == [None, (3, Origin.DISK), (3, Origin.DISK)]
    assert store.snapshot is not None
    assert (store.snapshot.model.version, store.snapshot.origin) == (4, Origin.DATABASE)
    told = [record.getMessage() for record in caplog.records]
    assert told[1:] == [
        f"the database is away: version 3 is served from disk, as of {NOW.isoformat()}",
        "the database is back: version 4 is served from it",
    ]


def test_it_is_not_served_when_the_database_says_that_there_is_no_champion(
    kept: KeptSnapshot,
) -> None:
    async def scenario() -> Snapshot | None:
        def load() -> Snapshot:
            raise NoChampion("no champion is served yet")

        store, tried = SnapshotStore(load, kept=kept), asyncio.Event()
        loading = asyncio.create_task(store.load_first(0.01, tried))
        await tried.wait()
        loading.cancel()
        return store.snapshot

    assert asyncio.run(scenario()) is None


def test_what_is_loaded_is_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = SnapshotStore(lambda: snapshot_of(5), kept=KeptSnapshot(tmp_path, DATABASE))
        await store.reload()
        while not (tmp_path / FILE).exists():
            await asyncio.sleep(0.01)

    asyncio.run(scenario())
    found = KeptSnapshot(tmp_path, DATABASE).recall()
    assert found is not None
    assert found.model.version == 5
