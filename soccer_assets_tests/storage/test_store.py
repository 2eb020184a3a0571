"""Objects on disk and in S3 behave the same."""

import errno
import os
import stat
import tempfile
import threading
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soccer_assets.storage.store import (
    SYNCS,
    LocalStore,
    ObjectNotFound,
    ObjectStore,
    S3Store,
    open_store,
)
from soccer_assets_tests.conftest import S3Service

BODIES = [b"", b"text", bytes(range(256)), b"\x00" * 100_000]


@pytest.mark.parametrize("body", BODIES, ids=len)
def test_an_object_is_read_as_it_was_written(any_store: ObjectStore, body: bytes) -> None:
    any_store.put("a/b/c.bin", body)
    assert any_store.get("a/b/c.bin") == body


def test_an_object_is_overwritten(any_store: ObjectStore) -> None:
    any_store.put("key", b"a long first version")
    any_store.put("key", b"new")
    assert any_store.get("key") == b"new"
    any_store.put("key", b"")
    assert any_store.get("key") == b""


def test_an_object_that_is_not_there(any_store: ObjectStore) -> None:
    any_store.put("folder/there", b"")
    with pytest.raises(ObjectNotFound, match="folder/absent"):
        any_store.get("folder/absent")


def test_keys_are_listed_below_a_folder_and_sorted(any_store: ObjectStore) -> None:
    keys = ["a/2.json", "a/10.json", "a/B", "a/b/c/d", "ab/1", "top", "a/1.json.rejected"]
    for key in keys:
        any_store.put(key, b"")
    assert any_store.list("a/") == sorted(key for key in keys if key.startswith("a/"))
    assert any_store.list("a/b/") == ["a/b/c/d"]
    assert any_store.list("none/") == []
    assert any_store.list("") == sorted(keys)


def test_a_deleted_object_is_gone_and_deleting_it_again_is_no_error(any_store: ObjectStore) -> None:
    any_store.put("a/1", b"x")
    any_store.put("a/2", b"x")
    any_store.delete("a/1")
    any_store.delete("a/1")
    assert any_store.list("a/") == ["a/2"]
    with pytest.raises(ObjectNotFound):
        any_store.get("a/1")


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None
)
@given(read=st.binary(max_size=300), rest=st.binary(max_size=300))
def test_the_rest_of_a_file_is_stored_as_bytes_are(
    any_store: ObjectStore, read: bytes, rest: bytes
) -> None:
    file = BytesIO(read + rest)
    file.seek(len(read))
    any_store.put("from a file", file)
    any_store.put("from bytes", rest)
    assert any_store.get("from a file") == any_store.get("from bytes") == rest
    expected = sha256(rest).hexdigest()
    assert any_store.digest("from a file") == any_store.digest("from bytes") == expected


def test_an_object_that_is_not_there_has_no_digest(any_store: ObjectStore) -> None:
    with pytest.raises(ObjectNotFound, match="absent"):
        any_store.digest("absent")


# On disk


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_crash_while_writing_leaves_the_old_object(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def crash(*_: object) -> None:
        raise OSError("no space left")

    store.put("a/key", b"old")
    with monkeypatch.context() as broken:
        broken.setattr(*((Path, "replace") if step == "replace" else (os, "fsync")), crash)
        with pytest.raises(OSError, match="no space left"):
            store.put("a/key", b"new")
        with pytest.raises(OSError, match="no space left"):
            store.put("a/other", b"new")
    assert store.get("a/key") == b"old"
    assert [path.name for path in (tmp_path / "lake/a").iterdir()] == ["key"]


def test_what_a_killed_writer_left_is_not_listed_and_can_be_removed(
    store: LocalStore, tmp_path: Path
) -> None:
    for key in ("a/key", "a/mine.tmp", "a/deep/key", "b/key"):
        store.put(key, b"old")
    left = [tmp_path / "lake" / folder / ".half.tmp" for folder in ("a", "a/deep", "b")]
    for path in left:
        path.write_bytes(b"ne")
    assert store.list("a/") == ["a/deep/key", "a/key", "a/mine.tmp"]
    store.discard_unfinished("a/")
    assert [path.exists() for path in left] == [False, False, True]
    assert store.list("") == ["a/deep/key", "a/key", "a/mine.tmp", "b/key"]
    store.discard_unfinished("nothing/here/")


def test_what_a_killed_writer_left_goes_with_the_next_object_of_its_folder(
    store: LocalStore, tmp_path: Path
) -> None:
    store.put("a/key", b"old")
    (tmp_path / "lake/a/.half.tmp").write_bytes(b"ne")
    store.put("a/key", b"new")
    assert [path.name for path in (tmp_path / "lake/a").iterdir()] == ["key"]


#: What may stand in a name on disk, but for what ``LocalStore`` calls an unfinished file.
NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40
).filter(lambda name: name not in (".", "..") and not name.endswith(".tmp"))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None
)
@given(keys=st.sets(st.lists(NAMES, min_size=2, max_size=2).map("/".join), max_size=5))
def test_a_key_of_any_characters_is_one_object(tmp_path: Path, keys: set[str]) -> None:
    store = LocalStore(Path(tempfile.mkdtemp(dir=tmp_path)))
    for key in keys:
        store.put(f"a/{key}", key.encode())
    assert set(store.list("a/")) == {f"a/{key}" for key in keys}
    for key in keys:
        assert store.get(f"a/{key}") == key.encode()


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_have_the_rights_that_the_umask_leaves(
    store: LocalStore, tmp_path: Path, mask: int, mode: int
) -> None:
    usual = os.umask(mask)
    try:
        store.put("key", b"x")
    finally:
        os.umask(usual)
    assert stat.S_IMODE((tmp_path / "lake/key").stat().st_mode) == mode


def test_a_put_is_on_disk_when_it_returns(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the bytes, then, once the file has its name, the folder that lists it."""
    synced: list[tuple[bool, bool]] = []
    fsync = os.fsync

    def note(handle: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        synced.append((is_folder, (tmp_path / "lake/a/key").exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    store.put("a/key", b"x")
    assert synced == [(False, False), (True, True)]


def test_objects_that_were_put_together_are_on_disk_once_they_are_settled(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files, then the folders that list them, which may be new to theirs."""
    synced: list[str] = []
    fsync = os.fsync

    def note(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        synced.append(str(path.relative_to(tmp_path / "lake")))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    keys = ["tables/a/1", "tables/a/2", "tables/b/1"]
    for key in keys:
        store.put(key, b"x", sync=False)
    assert synced == []
    store.sync(keys)
    assert sorted(synced[:3]) == keys
    assert sorted(synced[3:]) == ["tables", "tables/a", "tables/b"]
    store.sync([])
    assert len(synced) == 6


def test_files_are_synced_together_and_an_error_of_one_is_not_lost(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"tables/{n}" for n in range(SYNCS)]
    for key in keys:
        store.put(key, b"x", sync=False)
    together, fsync = threading.Barrier(SYNCS), os.fsync

    def meet(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if not path.is_dir():
            together.wait(60)  # ends with an error unless all are there
        if path.name == "7":
            raise OSError(errno.EIO, "Input/output error")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", meet)
    with pytest.raises(OSError, match=r"Input/output error.*tables/7"):
        store.sync(keys)


# Opening


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_path_opens_a_folder(tmp_path: Path, scheme: str) -> None:
    opened = open_store(f"{scheme}{tmp_path}/lake")
    opened.put("a/key", b"x")
    assert (tmp_path / "lake/a/key").read_bytes() == b"x"
    assert opened.uri == f"{tmp_path}/lake"


def test_a_file_uri_is_percent_encoded_and_a_path_is_not(tmp_path: Path) -> None:
    for uri in (f"file://{tmp_path}/50%25%20%231", f"{tmp_path}/50% #1"):
        open_store(uri).put("a/key", b"x")
        assert (tmp_path / "50% #1/a/key").read_bytes() == b"x"
        (tmp_path / "50% #1/a/key").unlink()


def test_every_character_of_a_prefix_counts(s3_service: S3Service) -> None:
    opened = open_store("s3://odd-bucket/a#1/50%20?b", s3_service.client)
    opened.put("key", b"x")
    assert opened.list("") == ["key"]
    listed = s3_service.client.list_objects_v2(Bucket="odd-bucket")["Contents"]
    assert [entry["Key"] for entry in listed] == ["a#1/50%20?b/key"]


@pytest.mark.parametrize("uri", ["s3://fresh-bucket/soccer/lake", "s3://fresh-bucket/soccer/lake/"])
def test_an_s3_uri_opens_a_prefix_of_its_bucket(s3_service: S3Service, uri: str) -> None:
    opened = open_store(uri, s3_service.client)
    opened.put("a/key", b"x")
    assert opened.uri == "s3://fresh-bucket/soccer/lake"
    listed = s3_service.client.list_objects_v2(Bucket="fresh-bucket")["Contents"]
    assert [entry["Key"] for entry in listed] == ["soccer/lake/a/key"]


def test_a_bucket_without_a_prefix(s3_service: S3Service) -> None:
    opened = open_store("s3://whole-bucket", s3_service.client)
    opened.put("key", b"x")
    assert opened.uri == "s3://whole-bucket"
    assert opened.list("") == ["key"]


def test_lakes_in_one_bucket_do_not_see_each_other(s3_service: S3Service) -> None:
    one, other = (open_store(f"s3://shared-bucket/{name}", s3_service.client) for name in "ab")
    one.put("key", b"x")
    assert other.list("") == []
    with pytest.raises(ObjectNotFound):
        other.get("key")


def test_an_s3_uri_needs_a_client() -> None:
    with pytest.raises(ValueError, match="S3 client"):
        open_store("s3://bucket/prefix")


@pytest.mark.slow
def test_more_objects_than_a_page_of_s3(s3_service: S3Service, s3_store: S3Store) -> None:
    for k in range(1005):
        s3_service.client.put_object(Bucket=s3_store._bucket, Key=f"soccer/lake/a/{k:04}", Body=b"")
    assert s3_store.list("a/") == [f"a/{k:04}" for k in range(1005)]
