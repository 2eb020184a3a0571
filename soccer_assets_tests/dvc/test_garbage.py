"""What nobody needs goes, and nothing else, whenever it is killed; on disk and in S3, with real DVC."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soccer_assets.dvc import outs
from soccer_assets.dvc.garbage import (
    OBJECTS,
    RevisionNeeded,
    find_garbage,
    object_key,
    remove_garbage,
)
from soccer_assets.dvc.reading import RevisionReader
from soccer_assets.dvc.revisions import FILES, Revision, get_revision, put_revision
from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.settings import DEFAULT_PARAMS
from soccer_assets.storage.opening import open_lake
from soccer_assets.storage.store import LocalStore, ObjectStore
from soccer_assets_tests.conftest import S3Service
from soccer_assets_tests.dvc.conftest import Reproduced, use_lake

#: Older than anything, and younger.
LONG_AGO, SOON = datetime(2000, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=900)


def hashed(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest()


def put_object(remote: ObjectStore, body: bytes, ending: str = "") -> str:
    name = hashed(body) + ending
    remote.put(object_key(name), body)
    return name


def made(lake: ObjectStore, remote: ObjectStore, months: dict[str, str], meta: str) -> Revision:
    """A revision of a directory and a file, pushed and stored."""
    listing = [
        {"relpath": name, "md5": put_object(remote, text.encode())} for name, text in months.items()
    ]
    folder = put_object(remote, orjson.dumps(listing), ".dir")
    file = put_object(remote, meta.encode())
    stage = {
        "cmd": "python",
        "outs": [
            {"path": "data/months", "md5": folder, "size": 9, "nfiles": len(months), "hash": "md5"},
            {"path": "data/meta.json", "md5": file, "size": len(meta), "hash": "md5"},
        ],
    }
    lock = yaml.safe_dump({"schema": "2.0", "stages": {"features": stage}})
    revision = Revision({name: lock if name == FILES[0] else name for name in FILES})
    put_revision(lake, revision)
    return revision


def whole(revision: Revision, lake: ObjectStore, remote: ObjectStore) -> bool:
    """Whether any machine can read all of it."""
    reader = RevisionReader(get_revision(lake, revision.name), Path("/nowhere"), lambda: remote)
    for name in reader._listing(revision.outs["data/months"]):
        reader.open(Path("data/months", name)).read()
    return bool(reader.open(Path("data/meta.json")).read())


def test_what_is_shared_stays_with_the_last_that_has_it(any_store: ObjectStore) -> None:
    lake = remote = any_store
    old = made(lake, remote, {"1.parquet": "january", "2.parquet": "february"}, "old")
    new = made(lake, remote, {"1.parquet": "january", "2.parquet": "other"}, "new")
    found = find_garbage(lake, remote, {new.name}, SOON)
    assert [*found.revisions] == [f"revisions/{old.name}.json"]
    assert len(found.objects) == 3  # february, the listing, and what is told of it
    assert object_key(hashed(b"january")) in found.kept_objects
    assert found.unreadable == []
    remove_garbage(lake, remote, found)
    assert whole(new, lake, remote)
    assert len(remote.list(OBJECTS)) == 4
    assert find_garbage(lake, remote, {new.name}, SOON).revisions == {}


def test_what_is_young_stays_whoever_needs_it(any_store: ObjectStore) -> None:
    made(any_store, any_store, {"1.parquet": "january"}, "one")
    put_object(any_store, b"pushed, and not in a revision yet")
    found = find_garbage(any_store, any_store, (), LONG_AGO)
    assert found.revisions == found.objects == {}


def test_a_kept_revision_that_is_damaged_is_told(any_store: ObjectStore) -> None:
    revision = made(any_store, any_store, {"1.parquet": "january"}, "one")
    any_store.delete(object_key(revision.outs["data/months"].md5))
    found = find_garbage(any_store, any_store, {revision.name}, SOON)
    assert found.unreadable == [revision.name]


def test_nothing_else_in_the_lake_is_touched(any_store: ObjectStore) -> None:
    others = ("archive/2025/03/01/x.json.gz", "tables/match/2025-03.parquet", "manifest.json")
    for key in others:
        any_store.put(key, b"something")
    made(any_store, any_store, {"1.parquet": "january"}, "one")
    remove_garbage(any_store, any_store, find_garbage(any_store, any_store, (), SOON))
    assert any_store.list("") == sorted(others)


class _Killed(BaseException):
    pass


class Dying:
    """A store whose user is killed at some of its deletions."""

    def __init__(self, store: ObjectStore, after: int) -> None:
        self._store, self._left = store, after

    def delete(self, key: str) -> None:
        if not self._left:
            raise _Killed
        self._left -= 1
        self._store.delete(key)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


texts = st.dictionaries(
    st.sampled_from(["1.parquet", "2.parquet", "3.parquet"]), st.sampled_from("abcd"), min_size=1
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    of_revisions=st.lists(st.tuples(texts, st.sampled_from("xyz")), min_size=1, max_size=6),
    kept=st.sets(st.integers(0, 5)),
    killed_after=st.integers(0, 12),
)
def test_killed_anywhere_what_is_needed_is_whole_and_the_next_finishes(
    tmp_path: Path,
    of_revisions: list[tuple[dict[str, str], str]],
    kept: set[int],
    killed_after: int,
) -> None:
    lake = remote = LocalStore(tmp_path / uuid4().hex)
    revisions = [made(lake, remote, months, meta) for months, meta in of_revisions]
    needed = {r.name: r for place, r in enumerate(revisions) if place in kept}
    dying = Dying(lake, killed_after)
    try:
        remove_garbage(dying, dying, find_garbage(lake, remote, needed, SOON))  # type: ignore[arg-type]
    except _Killed:
        listed = {k for k in remote.list(OBJECTS) if k.endswith(".dir")}
        for listing in listed:  # each has its files: DVC would not push them again
            for file in orjson.loads(remote.get(listing)):
                assert object_key(file["md5"]) in remote.list(OBJECTS)
    assert all(whole(revision, lake, remote) for revision in needed.values())
    remove_garbage(lake, remote, find_garbage(lake, remote, needed, SOON))
    assert len(lake.list("revisions/")) == len(needed)
    assert find_garbage(lake, remote, needed, SOON).objects == {}
    assert all(whole(revision, lake, remote) for revision in needed.values())


def test_what_is_made_again_meanwhile_is_not_removed(store: LocalStore) -> None:
    months = {"1.parquet": "january"}
    revision = made(store, store, months, "one")
    found = find_garbage(store, store, (), SOON)
    store.delete(f"revisions/{revision.name}.json")

    class Again(Dying):
        def delete(self, key: str) -> None:
            super().delete(key)
            made(store, store, months, "another")

    with pytest.raises(RevisionNeeded, match="was made meanwhile and has 2 objects"):
        remove_garbage(Again(store, 99), store, found)  # type: ignore[arg-type]


# With DVC


@pytest.fixture(params=["disk", "s3"])
def remote_uri(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, str | None]]:
    """Of a remote, and the endpoint of its service."""
    if request.param == "disk":
        yield str(tmp_path / "remote"), None
        return
    service: S3Service = request.getfixturevalue("s3_service")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    bucket = f"dvc-{uuid4().hex[:12]}"
    service.client.create_bucket(Bucket=bucket)
    yield f"s3://{bucket}/dvc", service.url


@pytest.mark.system
def test_dvc_pushes_again_what_was_removed_and_is_made_again(
    reproduced: Reproduced,
    remote_uri: tuple[str, str | None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    store: LocalStore,
) -> None:
    """What it remembers of the remote does not keep it from that."""
    uri, endpoint = remote_uri
    use_lake(monkeypatch, reproduced.lake, tmp_path)
    params = tmp_path / "params.yaml"
    workspace = DvcWorkspace(tmp_path / "workspace", uri, params, endpoint, "us-east-1")
    remote = open_lake(uri, endpoint, "us-east-1")

    def makes(k: int) -> Revision:
        document = yaml.safe_load(DEFAULT_PARAMS.read_text())
        document["features"]["ratings"]["elo_k"] = k
        params.write_text(yaml.safe_dump(document))
        with workspace.alone():
            workspace.prepare(reproduced.manifest.to_bytes())
            list(workspace.reproduce([], push=True))
            put_revision(store, workspace.revision)
            workspace.save_point(str(k))
            return workspace.revision

    def reads(revision: Revision) -> int:
        reader = RevisionReader(get_revision(store, revision.name), tmp_path, lambda: remote)
        return len(reader.frame(outs.DATASET)) + len(reader.frame(outs.FEATURES))

    first, second = makes(20), makes(30)
    rows = reads(first)
    found = find_garbage(store, remote, {second.name}, SOON)
    assert found.objects
    assert found.unreadable == []
    remove_garbage(store, remote, found)
    assert reads(second) == rows
    assert makes(20) == first
    assert reads(first) == reads(second) == rows
