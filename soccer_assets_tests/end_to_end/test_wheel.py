"""The package installed without a checkout: a wheel, an empty folder, an empty HOME."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from soccer_assets.settings import project_folder
from soccer_assets_tests.end_to_end.shell import PATIENCE_SECONDS

BUILT_FROM = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "dagster.yaml")
#: The state of a command that was told of no other place, below the current folder.
STATE = ".soccer"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, for a build leaves its traces."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in (*BUILT_FROM, "workspace.yaml"):
        shutil.copy(project_folder() / name, source)
    shutil.copytree(
        project_folder() / "soccer_assets",
        source / "soccer_assets",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-w", built, source], check=True)
    (made,) = built.glob("*.whl")
    return made


def test_a_wheel_brings_what_configures_dagster(wheel: Path) -> None:
    """The checkout's own, of which there is one."""
    with zipfile.ZipFile(wheel) as archive:
        for name in ("dagster.yaml", "workspace.yaml"):
            assert archive.read(f"soccer_assets/{name}") == (project_folder() / name).read_bytes()
            assert not (project_folder() / "soccer_assets" / name).exists()


@dataclass(frozen=True)
class Machine:
    """A user's: an environment with the wheel, an empty HOME, an empty folder to work in."""

    bin: Path
    home: Path
    folder: Path
    params: Path

    def run(self, command: str, *arguments: str, path: str | None = None) -> tuple[int, str]:
        environment = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"] if path is None else path,
            "SOCCER_PARAMS": str(self.params),
            "SOCCER_AS_OF": "2025-03-01",
            "LANG": "C.UTF-8",
        }
        done = subprocess.run(
            [self.bin / command, *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=10 * PATIENCE_SECONDS,
        )
        return done.returncode, done.stdout


@pytest.fixture(scope="module")
def machine(wheel: Path) -> Iterator[Machine]:
    """The wheel in an environment of its own, beside this one's other packages. Not in pytest's
    folder, which is closed to the user that PostgreSQL runs as where the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="soccer-wheel-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        root.chmod(0o755)
        venv = root / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        python = venv / "bin" / "python"
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run(
            [*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True
        )
        (packages,) = venv.glob("lib/python*/site-packages")
        (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
        params = yaml.safe_load((packages / "soccer_assets/dvc/params.yaml").read_text())
        params["training"] |= {"folds": 1, "candidates": {"logistic": {"C": 0.001}}}
        params["gates"] |= {"ece_limit": 0.08}
        (root / "params.yaml").write_text(yaml.safe_dump(params))
        for folder in ("home", "empty folder"):
            (root / folder).mkdir()
        yield Machine(venv / "bin", root / "home", root / "empty folder", root / "params.yaml")


@pytest.mark.slow
def test_without_git_the_demo_says_so_at_once(machine: Machine) -> None:
    code, printed = machine.run("soccer", "demo", path=str(machine.bin))
    assert (code, printed) == (
        1,
        "soccer: there is no git on the PATH: install git, DVC needs it\n",
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_demo_keeps_all_that_it_makes_in_one_folder(machine: Machine) -> None:
    temporary = set(Path(tempfile.gettempdir()).iterdir())
    code, printed = machine.run("soccer", "demo", "--days", "210")
    assert code == 0, printed[-8000:]
    assert "Coming matches" in printed
    assert f"All of it is in {machine.folder / STATE}" in printed
    assert f"{machine.bin}/dagster dev" in printed
    assert [path.name for path in machine.folder.iterdir()] == [STATE]
    assert list(machine.home.iterdir()) == []
    left = set(Path(tempfile.gettempdir()).iterdir()) - temporary
    assert [path for path in left if path.exists() and "soccer" in path.name] == []

    code, printed = machine.run("dagster", "asset", "list")
    assert code == 0, printed[-8000:]
    assert "champion_model" in printed
    code, printed = machine.run("dagster", "job", "execute", "-j", "refresh")
    assert code == 0, printed[-8000:]
    assert [path.name for path in machine.folder.iterdir()] == [STATE]
    assert list(machine.home.iterdir()) == []
    kept = yaml.safe_load((machine.folder / STATE / "dagster" / "dagster.yaml").read_text())
    assert kept["telemetry"] == {"enabled": False}
