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
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from soccer_assets.settings import project_folder
from soccer_assets_tests.end_to_end.shell import BIN, PATIENCE_SECONDS

pytestmark = pytest.mark.system

BUILT_FROM = (
    *("pyproject.toml", "setup.py", "MANIFEST.in", "README.md"),
    *("dagster.yaml", "workspace.yaml", "soccer_assets.pth"),
)
#: The state of a command that was told of no other place, below the current folder.
STATE = ".soccer"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, for a build leaves its traces."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in BUILT_FROM:
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
        assert (
            archive.read("soccer_assets.pth")
            == (project_folder() / "soccer_assets.pth").read_bytes()
        )


@dataclass(frozen=True)
class Machine:
    """A user's: an environment with the wheel, an empty HOME, an empty folder to work in."""

    bin: Path
    home: Path
    folder: Path
    temporary: Path
    params: Path

    def run(self, command: str, *arguments: str, path: str | None = None) -> tuple[int, str]:
        environment = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"] if path is None else path,
            "TMPDIR": str(self.temporary),
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
        for command in ("dagster", "dagster-daemon", "dagster-webserver"):
            _, _, script = Path(sys.executable).with_name(command).read_text().partition("\n")
            (venv / "bin" / command).write_text(f"#!{python}\n{script}")
            (venv / "bin" / command).chmod(0o755)
        params = yaml.safe_load((packages / "soccer_assets/dvc/params.yaml").read_text())
        params["training"] |= {"folds": 1, "candidates": {"logistic": {"C": 0.001}}}
        params["gates"] |= {"ece_limit": 0.08}
        (root / "params.yaml").write_text(yaml.safe_dump(params))
        for folder in ("home", "empty folder"):
            (root / folder).mkdir()
        (temporary := root / "tmp").mkdir()
        temporary.chmod(0o1777)
        folders = (venv / "bin", root / "home", root / "empty folder", temporary)
        yield Machine(*folders, root / "params.yaml")


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
    code, printed = machine.run("soccer", "demo", "--days", "210")
    assert code == 0, printed[-8000:]
    assert "Coming matches" in printed
    assert f"All of it is in {machine.folder / STATE}" in printed
    assert f"{machine.bin}/dagster dev" in printed
    assert [path.name for path in machine.folder.iterdir()] == [STATE]
    assert list(machine.home.iterdir()) == []
    assert [path for path in machine.temporary.iterdir() if "soccer" in path.name] == []

    code, printed = machine.run("dagster", "asset", "list")
    assert code == 0, printed[-8000:]
    assert "champion_model" in printed
    code, printed = machine.run("dagster-daemon", "liveness-check")
    assert (code, printed) == (1, "Daemon(s) not running\n"), printed[-8000:]
    code, printed = machine.run("dagster", "job", "execute", "-j", "refresh")
    assert code == 0, printed[-8000:]
    assert [path.name for path in machine.folder.iterdir()] == [STATE]
    assert list(machine.home.iterdir()) == []
    kept = yaml.safe_load((machine.folder / STATE / "dagster" / "dagster.yaml").read_text())
    assert kept["telemetry"] == {"enabled": False}


@pytest.fixture(scope="module")
def wheels(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Ours, and Dagster in the installed and in a later version, packed from what is installed."""
    folder = tmp_path_factory.mktemp("wheels")
    return {"ours": wheel} | {
        version: pack(metadata.distribution("dagster"), version, folder)
        for version in ("1.13.0", "1.13.1")
    }


def pack(distribution: metadata.Distribution, version: str, folder: Path) -> Path:
    """An installed distribution as a wheel again, under a version."""
    made = folder / f"{distribution.name}-{version}-py3-none-any.whl"
    info = f"{distribution.name}-{version}.dist-info"
    with zipfile.ZipFile(made, "w") as wheel:
        for file in distribution.files or ():
            if file.parts[0] == ".." or file.suffix == ".pyc" or file.name == "RECORD":
                continue
            text = Path(distribution.locate_file(file)).read_bytes()
            if not file.parts[0].endswith(".dist-info"):
                wheel.writestr(str(file), text)
                continue
            if file.name == "METADATA":
                text = text.replace(
                    b"\nVersion: " + distribution.version.encode(),
                    b"\nVersion: " + version.encode(),
                    1,
                )
            wheel.writestr("/".join((info, *file.parts[1:])), text)
        names = "".join(f"{name},,\n" for name in (*wheel.namelist(), f"{info}/RECORD"))
        wheel.writestr(f"{info}/RECORD", names)
    return made


class Environment:
    """An empty one, and an installer. Commands find all other packages in the tests' own, which
    the installer has no business with."""

    def __init__(self, folder: Path, installer: str) -> None:
        self._bin = folder / "bin"
        self._installer = installer
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        self._others = packages / "others.pth"
        self._empty = folder / "empty"
        self._empty.mkdir()

    def install(self, wheel: Path) -> None:
        self._do("install", "--no-deps", "--no-index", wheel)

    def uninstall(self, name: str) -> None:
        self._do("uninstall", *(["-y"] if self._installer == "pip" else []), name)

    def _do(self, command: str, *arguments: str | Path) -> None:
        python = self._bin / "python"
        typed: list[str | Path] = (
            [sys.executable, "-m", "pip", "--python", python, command]
            if self._installer == "pip"
            else [BIN / "uv", "pip", command, "--python", python]
        )
        code, printed = self._run(*typed, *arguments)
        assert code == 0, printed

    def has_dagster(self) -> bool:
        if not (self._bin / "dagster").exists():
            return False
        code, printed = self._dagster()
        assert (code, printed[:8]) == (0, "dagster,")
        return True

    def knows_the_project(self) -> bool:
        code, printed = self._dagster(SOCCER_AS_OF="soon")
        assert code == 0 or printed.startswith("dagster: SOCCER_AS_OF: not a moment")
        return code == 1

    def _dagster(self, **variables: str) -> tuple[int, str]:
        self._others.write_text(sysconfig.get_path("purelib"))
        try:
            return self._run(self._bin / "dagster", "--version", **variables)
        finally:
            self._others.unlink()

    def _run(self, *command: str | Path, **variables: str) -> tuple[int, str]:
        done = subprocess.run(
            command,
            cwd=self._empty,
            env={"PATH": os.environ["PATH"], "HOME": str(self._empty), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        return done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_what_is_installed_upgraded_or_removed_first_does_not_matter(
    wheels: dict[str, Path], tmp_path: Path, installer: str, ours_first: bool
) -> None:
    environment = Environment(tmp_path / "environment", installer)
    order = ["ours", "1.13.0"] if ours_first else ["1.13.0", "ours"]
    for name in order:
        environment.install(wheels[name])
    assert environment.has_dagster()
    assert environment.knows_the_project()

    environment.install(wheels["1.13.1"])
    assert environment.has_dagster()
    assert environment.knows_the_project()

    environment.uninstall("dagster")
    assert not environment.has_dagster()
    environment.install(wheels["1.13.1"])
    assert environment.knows_the_project()

    environment.uninstall("soccer_assets")
    assert environment.has_dagster()
    assert not environment.knows_the_project()
