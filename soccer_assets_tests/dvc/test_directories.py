"""Outs that are directories, one of them kept in place for its stage to go on from."""

import json
import shutil
from hashlib import md5
from pathlib import Path

import pandas as pd
import pytest

from soccer_assets.dvc.cache import object_file
from soccer_assets.dvc.command import DvcError
from soccer_assets.dvc.reading import RevisionReader
from soccer_assets.dvc.revisions import Revision
from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.settings import DEFAULT_PARAMS
from soccer_assets.storage.store import LocalStore
from soccer_assets_tests.dvc.test_workspace import ran, remote_files

MONTHS = Path("data/months")
PIPELINE = """
stages:
  months:
    cmd: python ../months.py
    deps: [lake.json]
    outs:
      - data/months:
          persist: true
  total:
    cmd: cat data/months/*.parquet | wc -c > data/total.txt
    deps: [data/months]
    outs: [data/total.txt]
"""
#: Leaves alone what is right already. ``in place`` is how no stage should write; ``ends after`` that
#: many files is as if it were killed.
STAGE = """
import json, os
from hashlib import md5
from pathlib import Path
import pandas as pd

folder = Path("data/months")
folder.mkdir(exist_ok=True)
wanted = json.loads(Path("lake.json").read_text())
for old in folder.iterdir():
    if old.stem not in wanted["months"]:
        old.unlink()
for number, (month, goals) in enumerate(wanted["months"].items()):
    if number == wanted.get("ends after"):
        (folder / f".{month}.tmp").write_bytes(b"PAR1")
        os._exit(9)
    path, aside = folder / f"{month}.parquet", folder / ".aside.tmp"
    pd.DataFrame({"month": month, "goals": goals}).to_parquet(aside)
    if path.exists() and path.read_bytes() == aside.read_bytes():
        aside.unlink()
        continue
    print("wrote", month)
    if wanted.get("in place"):
        path.write_bytes(aside.read_bytes())
        aside.unlink()
    else:
        aside.replace(path)
"""
HISTORY = {"2023-08": [1, 2], "2023-09": [3], "2023-10": [0, 4, 4]}


def run(workspace: DvcWorkspace, months: dict[str, list[int]], **how: object) -> list[str]:
    """Prepare, reproduce, push; returns what DVC printed."""
    with workspace.alone():
        is_new = not (workspace.root / "dvc.lock").exists()
        return go_on(workspace, months, pull=is_new, **how)


def go_on(
    workspace: DvcWorkspace, months: dict[str, list[int]], *, pull: bool, **how: object
) -> list[str]:
    workspace.prepare(json.dumps({"months": months, **how}).encode())
    (workspace.root / "dvc.yaml").write_text(PIPELINE)
    lines = list(workspace.reproduce([], pull=pull))
    workspace.push()
    return lines


def wrote(lines: list[str]) -> list[str]:
    return [line.removeprefix("wrote ") for line in lines if line.startswith("wrote ")]


def of(root: Path) -> DvcWorkspace:
    (root / "months.py").write_text(STAGE)
    return DvcWorkspace(root / "workspace", str(root / "remote"), DEFAULT_PARAMS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DvcWorkspace:
    """One that has run everything, for reading."""
    workspace = of(tmp_path_factory.mktemp("made"))
    assert wrote(run(workspace, HISTORY)) == list(HISTORY)
    return workspace


@pytest.fixture
def workspace(made: DvcWorkspace, tmp_path: Path) -> DvcWorkspace:
    for folder in ("workspace", "remote"):
        shutil.copytree(made.root.with_name(folder), tmp_path / folder)
    return of(tmp_path)


def cached_objects(workspace: DvcWorkspace) -> dict[Path, bytes]:
    files = (workspace.cache / "files").rglob("*")
    return {file: file.read_bytes() for file in files if file.is_file()}


def assert_sound(workspace: DvcWorkspace) -> None:
    """The directory is what the lock says, in the workspace, in the cache and in the remote."""
    out = workspace.outs()[str(MONTHS)]
    files = sorted(workspace.path(MONTHS).iterdir())
    listing = [{"md5": md5(file.read_bytes()).hexdigest(), "relpath": file.name} for file in files]
    for store in (workspace.cache, workspace.root.with_name("remote")):
        stored = object_file(store, out.md5).read_bytes()
        assert json.loads(stored) == listing
        assert f"{md5(stored).hexdigest()}.dir" == out.md5
        for file, entry in zip(files, listing, strict=True):
            assert object_file(store, entry["md5"]).read_bytes() == file.read_bytes()
    assert out.files == len(files)
    assert out.size == sum(file.stat().st_size for file in files)


def test_a_directory_is_one_out_of_many_objects(made: DvcWorkspace) -> None:
    assert_sound(made)
    assert made.outs()[str(MONTHS)].is_directory
    assert not made.outs()["data/total.txt"].is_directory


def test_a_stage_that_is_killed_half_way_goes_on_from_what_is_there(
    workspace: DvcWorkspace,
) -> None:
    objects = cached_objects(workspace)
    corrected = HISTORY | {"2023-08": [1, 3], "2023-10": [5]}
    with pytest.raises(DvcError, match="failed to reproduce 'months'"):
        run(workspace, corrected, **{"ends after": 2})
    assert objects == cached_objects(workspace)
    assert wrote(run(workspace, corrected)) == ["2023-10"]
    assert_sound(workspace)


@pytest.mark.slow
def test_a_month_that_changes_is_stored_alone(workspace: DvcWorkspace) -> None:
    before = remote_files(workspace.root.with_name("remote"))
    assert ran(run(workspace, HISTORY)) == []
    lines = run(workspace, HISTORY | {"2023-10": [0, 4, 5]})
    assert ran(lines) == ["months", "total"]
    assert wrote(lines) == ["2023-10"]
    # The month, the listing and the total.
    assert len(remote_files(workspace.root.with_name("remote")) - before) == 3


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"in place": True}])
def test_no_way_of_writing_reaches_the_cache(
    workspace: DvcWorkspace, how: dict[str, object]
) -> None:
    objects = cached_objects(workspace)
    run(workspace, {"2023-08": [7], "2023-09": [3]}, **how)
    assert_sound(workspace)
    assert objects.items() <= cached_objects(workspace).items()
    run(workspace, HISTORY)
    assert_sound(workspace)


@pytest.mark.slow
def test_what_is_torn_of_a_directory_is_made_or_pushed_again(workspace: DvcWorkspace) -> None:
    remote = workspace.root.with_name("remote")
    entry = md5((workspace.path(MONTHS) / "2023-09.parquet").read_bytes()).hexdigest()
    listing = workspace.outs()[str(MONTHS)].md5
    for store, torn in ((workspace.cache, entry), (remote, entry), (remote, listing)):
        file = object_file(store, torn)
        file.chmod(0o644)
        file.write_bytes(file.read_bytes()[:20])
        file.chmod(0o444)
        run(workspace, HISTORY)
        assert_sound(workspace)
    object_file(workspace.cache, listing).chmod(0o644)
    object_file(workspace.cache, listing).write_bytes(b"[")
    run(workspace, HISTORY)
    assert_sound(workspace)


@pytest.mark.slow
def test_another_machine_goes_on_from_the_files_that_were_pushed(
    made: DvcWorkspace, tmp_path: Path
) -> None:
    shutil.copytree(made.root.with_name("remote"), tmp_path / "remote")
    other = of(tmp_path)
    with other.alone():
        other.go_on_from(Revision.of(made.root))
        lines = go_on(other, HISTORY | {"2023-11": [6]}, pull=True)
    assert wrote(lines) == ["2023-11"]
    assert_sound(other)


@pytest.mark.slow
def test_a_machine_that_finds_nothing_pushed_begins_anew(
    made: DvcWorkspace, tmp_path: Path
) -> None:
    other = of(tmp_path)
    with other.alone():
        other.go_on_from(Revision.of(made.root))
        lines = go_on(other, HISTORY | {"2023-11": [6]}, pull=True)
    assert wrote(lines) == [*HISTORY, "2023-11"]


# Reading


def readers(made: DvcWorkspace, nowhere: Path) -> list[RevisionReader]:
    """From the cache, and from the remote."""
    revision, remote = Revision.of(made.root), LocalStore(made.root.with_name("remote"))
    return [
        RevisionReader(revision, made.cache, lambda: LocalStore(nowhere)),
        RevisionReader(revision, nowhere, lambda: remote),
    ]


def test_a_directory_is_read_as_one_table(made: DvcWorkspace, tmp_path: Path) -> None:
    whole = pd.concat(
        [pd.DataFrame({"month": month, "goals": goals}) for month, goals in HISTORY.items()],
        ignore_index=True,
    )
    for reader in readers(made, tmp_path):
        pd.testing.assert_frame_equal(reader.frame(MONTHS), whole)
        assert list(reader.frame(MONTHS, ["goals", "month"])) == ["goals", "month"]
        with pytest.raises(KeyError, match="points"):
            reader.frame(MONTHS, ["goals", "points"])
        assert reader.tables(MONTHS) == [f"{month}.parquet" for month in HISTORY]
        last = reader.frame(MONTHS, files=reader.tables(MONTHS)[-2:])
        pd.testing.assert_frame_equal(last, whole[2:].reset_index(drop=True))
        for rows in (1, 3, 4, 9):
            ours = reader.tail(MONTHS, rows).reset_index(drop=True)
            pd.testing.assert_frame_equal(ours, whole.tail(rows).reset_index(drop=True))
        assert reader.open(MONTHS / "2023-09.parquet").read(4) == b"PAR1"


def test_what_a_directory_has_not_is_told_by_name(made: DvcWorkspace, tmp_path: Path) -> None:
    reader, _ = readers(made, tmp_path)
    for ask in (
        lambda: reader.open(MONTHS / "2023-12.parquet"),
        lambda: reader.frame(MONTHS, files=["2023-12.parquet"]),
    ):
        with pytest.raises(DvcError, match=r"has no data/months/2023-12\.parquet"):
            ask()
    with pytest.raises(DvcError, match=r"data/total\.txt .* is not a directory"):
        reader.tables(Path("data/total.txt"))
    with pytest.raises(DvcError, match="no files to read"):
        reader.frame(MONTHS, files=[])
