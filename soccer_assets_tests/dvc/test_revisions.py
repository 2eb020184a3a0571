"""Revisions, and reading outs by them: the same on every machine, from the cache or the remote."""

import re
from hashlib import md5, sha256
from pathlib import Path

import pandas as pd
import pytest
import yaml

from soccer_assets.dvc import outs
from soccer_assets.dvc.cache import object_file
from soccer_assets.dvc.command import DvcError
from soccer_assets.dvc.reading import RevisionReader
from soccer_assets.dvc.revisions import (
    Revision,
    UnknownRevision,
    get_revision,
    put_revision,
)
from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.settings import DEFAULT_PARAMS
from soccer_assets.storage.store import LocalStore
from soccer_assets_tests.dvc.conftest import Reproduced
from soccer_assets_tests.dvc.test_workspace import contents, ran

pytestmark = pytest.mark.system


@pytest.fixture
def revision(reproduced: Reproduced) -> Revision:
    return reproduced.workspace.revision


# What a revision is


def test_a_revision_is_named_by_its_content(revision: Revision) -> None:
    assert re.fullmatch("[0-9a-f]{64}", revision.name)
    assert sha256(revision.to_bytes()).hexdigest() == revision.name
    assert Revision.from_bytes(revision.to_bytes()) == revision
    for name, text in revision.files.items():
        assert Revision(revision.files | {name: text + " "}).name != revision.name


def test_another_machine_with_the_same_data_has_the_same_revision(
    reproduced: Reproduced, revision: Revision, tmp_path: Path
) -> None:
    """Whatever its folders, its history, and the order in which its stages first ran."""
    params = tmp_path / "params.yaml"
    document = yaml.safe_load(DEFAULT_PARAMS.read_text())
    document["serving"]["recent_days"] += 1  # of no stage
    params.write_text(yaml.safe_dump(document, sort_keys=False))
    other = DvcWorkspace(tmp_path / "other", str(tmp_path / "remote"), params)
    with pytest.MonkeyPatch.context() as patch, other.alone():
        patch.setenv("LAKE_URI", str(reproduced.lake))
        other.prepare(reproduced.manifest.to_bytes())
        for stages in (["fixtures"], []):
            list(other.reproduce(stages))
            other.save_point("on another machine")
    lock = (other.root / "dvc.lock").read_bytes()
    assert lock != (reproduced.workspace.root / "dvc.lock").read_bytes()
    assert other.revision == revision


def test_a_revision_is_stored_whole_or_refused(
    reproduced: Reproduced, revision: Revision, store: LocalStore
) -> None:
    with pytest.raises(UnknownRevision, match=f"{revision.name} is not in the lake"):
        get_revision(store, revision.name)
    put_revision(store, revision)
    assert store.list("") == [f"revisions/{revision.name}.json"]
    assert get_revision(store, revision.name) == revision
    assert revision.outs == reproduced.workspace.outs()
    store.put(f"revisions/{revision.name}.json", revision.to_bytes()[:-9])
    with pytest.raises(UnknownRevision, match=f"{revision.name} is damaged"):
        get_revision(store, revision.name)


def test_another_machine_goes_on_from_a_revision(
    reproduced: Reproduced, revision: Revision, tmp_path: Path
) -> None:
    """It runs nothing that it need not, has every out, and is at the same revision."""
    other = DvcWorkspace(tmp_path / "other", str(reproduced.remote), DEFAULT_PARAMS)
    with other.alone():
        other.go_on_from(revision)
        other.prepare(reproduced.manifest.to_bytes())
        assert ran(list(other.reproduce([], pull=True))) == []
    assert contents(other.root) == contents(reproduced.workspace.root)
    assert other.revision == revision


# Reading


def test_outs_are_read_from_the_cache_or_the_remote_and_not_from_the_workspace(
    workspace: DvcWorkspace, reproduced: Reproduced, revision: Revision, tmp_path: Path
) -> None:
    found = contents(reproduced.workspace.root)
    for path in found:
        workspace.path(path).write_text("of another run")
    nowhere, empty = LocalStore(tmp_path / "none"), tmp_path / "empty"
    features = pd.read_parquet(reproduced.workspace.path("data/features"))
    for reader in (
        RevisionReader(revision, workspace.cache, lambda: nowhere),
        RevisionReader(revision, empty, lambda: LocalStore(reproduced.remote)),
    ):
        for path, body in found.items():
            with reader.open(Path(path)) as file:
                assert file.read() == body
        pd.testing.assert_frame_equal(reader.frame(outs.FEATURES), features, check_exact=True)
        assert list(reader.frame(outs.FINISHED, ["kickoff"])) == ["kickoff"]
        assert reader.document(outs.FEATURES_META)["finished"] > 0
    assert not empty.exists()


def test_what_is_torn_in_the_cache_is_read_from_the_remote(
    workspace: DvcWorkspace, reproduced: Reproduced, revision: Revision, tmp_path: Path
) -> None:
    remote = tmp_path / "remote"
    month = outs.DATASET / "2023-09.parquet"
    digest = md5(reproduced.workspace.path(month).read_bytes()).hexdigest()
    for folder in (workspace.cache, remote):
        file = object_file(folder, digest)
        whole = file.read_bytes()
        file.chmod(0o644)
        file.write_bytes(whole[: len(whole) // 2])
        if folder == workspace.cache:
            reader = RevisionReader(revision, workspace.cache, lambda: LocalStore(remote))
            assert reader.open(month).read() == whole
    with pytest.raises(DvcError, match=rf"{month} \(MD5 {digest}\) .* is torn in"):
        reader.open(month)


def test_what_is_nowhere_is_told_by_name(revision: Revision, tmp_path: Path) -> None:
    reader = RevisionReader(revision, tmp_path / "empty", lambda: LocalStore(tmp_path / "remote"))
    with pytest.raises(DvcError, match=f"of revision {revision.name} is not in {tmp_path}/remote"):
        reader.frame(outs.FEATURES)
    with pytest.raises(DvcError, match=f"revision {revision.name} has no data/nothing.parquet"):
        reader.open(Path("data/nothing.parquet"))
