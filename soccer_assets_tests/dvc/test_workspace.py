"""The workspace, with real git and DVC: what runs again, what is kept, and how to get it back."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
import yaml

from soccer_assets.dvc.command import DvcError
from soccer_assets.dvc.definition import PIPELINE_FILE, stage_code_version
from soccer_assets.dvc.pipeline import Pipeline
from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.lake.manifest import Manifest
from soccer_assets_tests.dvc.conftest import Reproduced, head

pytestmark = pytest.mark.system

OUTS = [
    "data/finished",
    "data/fixtures",
    "data/features",
    "data/feature_states",
    "data/features_meta.json",
    "data/dataset",
]
STAGES = ["finished", "fixtures", "features", "dataset"]


def ran(lines: list[str]) -> list[str]:
    found = (re.fullmatch(r"Running stage '(\w+)':", line) for line in lines)
    return [match.group(1) for match in found if match]


def set_param(workspace: DvcWorkspace, section: str, name: str, value: Any) -> None:
    file = workspace.root.with_name("params.yaml")
    params = yaml.safe_load(file.read_text())
    params[section][name] = value
    file.write_text(yaml.safe_dump(params))
    workspace.prepare()


def remote_files(remote: Path) -> set[str]:
    """MD5 sums of what is in a DVC remote on disk."""
    return {f"{file.parent.name}{file.name}" for file in remote.rglob("files/md5/??/*")}


def contents(root: Path, *outs: str) -> dict[str, bytes]:
    """Every file of the outs, all or some, that are there, by its path below the workspace."""
    paths = [root / out for out in outs or OUTS]
    files = [file for path in paths for file in (path.iterdir() if path.is_dir() else [path])]
    return {str(file.relative_to(root)): file.read_bytes() for file in files if file.exists()}


def sums(root: Path, out: str) -> list[str]:
    """MD5 sums of all that DVC keeps of an out; its own is the last."""
    path = root / out
    if not path.is_dir():
        return [md5(path.read_bytes()).hexdigest()]
    files = {file.name: md5(file.read_bytes()).hexdigest() for file in sorted(path.iterdir())}
    listing = json.dumps([{"md5": digest, "relpath": name} for name, digest in files.items()])
    return [*files.values(), f"{md5(listing.encode()).hexdigest()}.dir"]


def all_sums(workspace: DvcWorkspace) -> set[str]:
    return {digest for out in workspace.outs() for digest in sums(workspace.root, out)}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def pulled(workspace: DvcWorkspace, commit: str, folder: Path, *outs: str) -> dict[str, bytes]:
    """Files of the outs at a commit, all or some, in a fresh clone that has nothing but the remote."""
    git(folder.parent, "clone", "--quiet", str(workspace.root), str(folder))
    git(folder, "checkout", "--quiet", commit)
    subprocess.run([sys.executable, "-m", "dvc", "pull", "--quiet", *outs], cwd=folder, check=True)
    return contents(folder)


# The first run


def test_every_stage_runs_and_every_out_is_what_the_lock_says(reproduced: Reproduced) -> None:
    assert ran(reproduced.lines) == STAGES
    outs, root = reproduced.workspace.outs(), reproduced.workspace.root
    assert sorted(outs) == sorted(OUTS)
    for path, out in outs.items():
        bodies = contents(root, path).values()
        assert (out.path, out.md5) == (path, sums(root, path)[-1])
        assert (out.size, out.files) == (sum(map(len, bodies)), len(bodies))


def test_outs_are_pushed_to_the_remote(reproduced: Reproduced) -> None:
    assert remote_files(reproduced.remote) == all_sums(reproduced.workspace)


def test_a_save_point_is_a_commit_of_all_but_the_data(reproduced: Reproduced) -> None:
    root, commit = reproduced.workspace.root, reproduced.commit
    assert git(root, "log", "-1", "--format=%s %an", commit) == "first soccer_assets"
    kept = set(git(root, "ls-tree", "-r", "--name-only", commit).splitlines())
    assert {"dvc.lock", "dvc.yaml", "params.yaml", "code.json", "lake.json"} <= kept
    assert not [path for path in kept if path.startswith("data/")]
    assert git(root, "show", f"{commit}:lake.json").encode() == reproduced.manifest.to_bytes()


def test_the_stages_are_those_of_the_file() -> None:
    stages = Pipeline.read(PIPELINE_FILE).stages
    assert [stage.name for stage in stages] == STAGES
    assert [out.path for stage in stages for out in stage.outs] == OUTS
    assert stages[2].deps == ("data/finished", "data/fixtures")
    assert stages[3].command == "python -m soccer_assets.dvc.stages.dataset"


def test_before_any_run_there_is_no_out(tmp_path: Path) -> None:
    workspace = DvcWorkspace(tmp_path / "new", str(tmp_path / "remote"), tmp_path / "none.yaml")
    assert workspace.outs() == {}


# What runs again


def test_nothing_runs_twice(workspace: DvcWorkspace, reproduced: Reproduced) -> None:
    lock = (workspace.root / "dvc.lock").read_bytes()
    assert ran(list(workspace.reproduce([]))) == []
    assert (workspace.root / "dvc.lock").read_bytes() == lock
    workspace.save_point("the copy's remote is another")
    commit = head(workspace)
    assert commit != reproduced.commit
    assert workspace.revision == reproduced.workspace.revision
    workspace.prepare(reproduced.manifest.to_bytes())
    workspace.save_point("nothing new")
    assert head(workspace) == commit


def test_a_parameter_reruns_the_stages_that_read_it_and_both_revisions_can_be_had(
    workspace: DvcWorkspace, reproduced: Reproduced, tmp_path: Path
) -> None:
    set_param(workspace, "training", "seed", 21)  # of no stage
    assert ran(list(workspace.reproduce([]))) == []
    assert workspace.revision == reproduced.workspace.revision
    before = contents(workspace.root)
    set_param(workspace, "features", "result_delay_minutes", 150)
    assert ran(list(workspace.reproduce(["features"]))) == ["features"]  # all that is asked for
    assert ran(list(workspace.reproduce([]))) == ["dataset"]
    workspace.push()
    workspace.save_point("another delay")
    after = contents(workspace.root)
    changed = {path.split("/")[1] for path in before if before[path] != after[path]}
    assert changed == {"features", "feature_states", "features_meta.json", "dataset"}
    assert workspace.revision != reproduced.workspace.revision

    assert pulled(workspace, "main", tmp_path / "new") == after
    assert pulled(workspace, "main~1", tmp_path / "old") == before


def test_new_code_reruns_its_own_stage_and_stops_where_bytes_stay_the_same(
    workspace: DvcWorkspace,
) -> None:
    """Another version of the code that makes the same rows: the stage after it finds nothing to do,
    and none after that runs."""
    before = contents(workspace.root)
    versions = json.loads((workspace.root / "code.json").read_text())
    assert versions == {stage: stage_code_version(stage) for stage in STAGES}
    versions["fixtures"] = "edited"
    (workspace.root / "code.json").write_text(json.dumps(versions))
    assert ran(list(workspace.reproduce([]))) == ["fixtures", "features"]
    after = contents(workspace.root)
    changed = [path for path in before if before[path] != after[path]]
    assert changed == ["data/fixtures/_index.json"]


def test_another_lake_reruns_what_depends_on_it(
    workspace: DvcWorkspace, reproduced: Reproduced
) -> None:
    months = reproduced.manifest.tables["match"]
    only_september = Manifest(
        reproduced.manifest.tables | {"match": {"2023-09": months["2023-09"]}}
    )
    before = workspace.outs()
    workspace.prepare(only_september.to_bytes())
    assert ran(list(workspace.reproduce(["fixtures"]))) == ["fixtures"]
    after = workspace.outs()
    assert after["data/fixtures"] != before["data/fixtures"]
    assert after["data/finished"] == before["data/finished"]  # not asked for


# What goes wrong


def test_a_failed_stage_tells_what_it_printed_and_changes_nothing(
    workspace: DvcWorkspace, reproduced: Reproduced
) -> None:
    months = reproduced.manifest.tables["match"]
    lost = {"2023-09": replace(months["2023-09"], key="tables/match/lost.parquet")}
    lock = (workspace.root / "dvc.lock").read_bytes()
    workspace.prepare(Manifest(reproduced.manifest.tables | {"match": lost}).to_bytes())
    lines = workspace.reproduce(["finished"])
    with pytest.raises(DvcError) as caught:
        list(lines)
    message = str(caught.value)
    assert message.startswith("dvc repro finished exited ")
    assert "ObjectNotFound: 'tables/match/lost.parquet'" in message
    assert "failed to reproduce 'finished'" in message
    assert (workspace.root / "dvc.lock").read_bytes() == lock
