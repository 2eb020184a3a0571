"""One reproduced workspace, and a copy of it for every test that changes something."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.lake.manifest import Manifest
from soccer_assets.settings import DEFAULT_PARAMS
from soccer_assets.storage.store import LocalStore
from soccer_assets_tests.small_lake import make_lake


@dataclass(frozen=True)
class Reproduced:
    """A workspace that has run everything, pushed it and saved it."""

    workspace: DvcWorkspace
    manifest: Manifest
    lake: Path
    remote: Path
    lines: list[str]
    commit: str


@pytest.fixture(scope="session")
def reproduced(tables: str, tmp_path_factory: pytest.TempPathFactory) -> Reproduced:
    root = tmp_path_factory.mktemp("reproduced")
    lake, remote = root / "lake", root / "remote"
    manifest = make_lake(tables, LocalStore(lake))
    workspace = DvcWorkspace(root / "workspace", str(remote), DEFAULT_PARAMS)
    with pytest.MonkeyPatch.context() as patch:
        use_lake(patch, lake, root)
        with workspace.alone():
            workspace.prepare(manifest.to_bytes())
            lines = list(workspace.reproduce([]))
            workspace.push()
            workspace.save_point("first")
    return Reproduced(workspace, manifest, lake, remote, lines, head(workspace))


def head(workspace: DvcWorkspace) -> str:
    """The newest commit."""
    command = ["git", "rev-parse", "main"]
    return subprocess.check_output(command, cwd=workspace.root, text=True).strip()


def use_lake(patch: pytest.MonkeyPatch, lake: Path | str, home: Path) -> None:
    """Where a stage's process finds the lake."""
    patch.setenv("LAKE_URI", str(lake))
    patch.setenv("SOCCER_HOME", str(home / "home"))


@pytest.fixture
def workspace(
    reproduced: Reproduced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DvcWorkspace:
    """A copy of the reproduced workspace, with a remote and parameters of its own."""
    use_lake(monkeypatch, reproduced.lake, tmp_path)
    shutil.copytree(reproduced.workspace.root, tmp_path / "workspace")
    shutil.copytree(reproduced.remote, tmp_path / "remote")
    params = tmp_path / "params.yaml"
    shutil.copyfile(DEFAULT_PARAMS, params)
    workspace = DvcWorkspace(tmp_path / "workspace", str(tmp_path / "remote"), params)
    workspace.prepare(reproduced.manifest.to_bytes())
    return workspace
