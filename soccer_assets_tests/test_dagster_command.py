"""What Dagster's commands know of the project, and that nothing else pays or breaks for it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from soccer_assets.definitions import defs
from soccer_assets.settings import project_folder

pytestmark = pytest.mark.system

BIN = Path(sys.executable).parent
HOOK = project_folder() / "soccer_assets.pth"
COMMANDS = ("dagster", "dagster-daemon", "dagster-webserver", "dg")
BAD = {"SOCCER_AS_OF": "soon"}
COMPLAINT = "SOCCER_AS_OF: not a moment like 2025-03-01 or 2025-03-01T18:30\n"


def run(*command: str | Path, folder: Path | None = None, **variables: str) -> tuple[int, str]:
    """In the project's folder, or another; returns exit code and all that was printed."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DAGSTER_", "SOCCER_"))
    }
    done = subprocess.run(
        command,
        cwd=folder or project_folder(),
        env={**environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """A script of a name, in Dagster's place: it tells what it was given when it started."""

    def write(name: str) -> Path:
        file = tmp_path / name
        file.write_text(
            "import json, os, sys\n"
            "ours = [name for name in sys.modules if name.startswith('soccer_assets')]\n"
            "given = {k: v for k, v in os.environ.items() if k.startswith('DAGSTER_')}\n"
            "print(json.dumps([given, bool(ours), 'dagster' in sys.modules]))\n"
        )
        return file

    return write


def test_no_file_of_another_distribution_is_replaced() -> None:
    ours, theirs = set(), set()
    for distribution in metadata.distributions():
        files = map(str, distribution.files or ())
        (ours if distribution.name == "soccer_assets" else theirs).update(files)
    assert {"soccer_assets.pth", "../../../bin/soccer"} <= ours
    assert "../../../bin/dagster" in theirs
    assert ours & theirs == set()


def test_only_commands_of_dagster_load_anything_of_ours(script: Callable[[str], Path]) -> None:
    for name in ("python.py", "dagster.py", "my-dagster", "pytest"):
        code, printed = run(sys.executable, script(name), **BAD)
        assert (code, json.loads(printed)) == (0, [{}, False, False])
    assert run(sys.executable, "-c", "pass", **BAD) == (0, "")
    assert run(sys.executable, "-m", "this", **BAD)[0] == 0


def test_a_command_of_dagster_knows_the_project_in_its_folder_alone(
    script: Callable[[str], Path], tmp_path: Path
) -> None:
    home = {"DAGSTER_HOME": str(project_folder())}
    definitions = {"DAGSTER_MODULE_NAME": "soccer_assets.definitions"}
    for name, arguments, expected in [
        ("dagster", [], home),
        ("dagster-daemon", ["run"], home),
        ("dagster-webserver", [], home),
        ("dg", ["launch", "--job", "refresh"], home),
        ("dagster", ["asset", "list"], home | definitions),
        ("dagster", ["asset", "list", "-m", "other"], home),
    ]:
        code, printed = run(sys.executable, script(name), *arguments)
        assert (code, json.loads(printed)) == (0, [expected, True, False])
    code, printed = run(sys.executable, script("dagster"), "asset", "list", folder=tmp_path)
    assert (code, json.loads(printed)) == (0, [{}, True, False])


def test_what_is_exported_wins(script: Callable[[str], Path], tmp_path: Path) -> None:
    given = {"DAGSTER_HOME": str(tmp_path), "DAGSTER_MODULE_NAME": "other"}
    code, printed = run(sys.executable, script("dagster"), "asset", "list", **given)
    assert (code, json.loads(printed)) == (0, [given, True, False])


@pytest.mark.parametrize("command", COMMANDS)
def test_settings_that_are_not_usable_are_one_line(command: str) -> None:
    assert run(BIN / command, "--version", **BAD) == (1, f"{command}: {COMPLAINT}")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_home_that_is_none_is_one_line(command: str, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    told = f"{command}: SOCCER_HOME: {tmp_path}/state is not a folder\n"
    assert run(BIN / command, "--version", SOCCER_HOME=str(tmp_path / "state")) == (1, told)


@pytest.mark.parametrize(
    "command",
    [
        ("dagster", "definitions", "validate"),
        ("dagster", "job", "execute", "-j", "refresh"),
        ("dagster-webserver",),
    ],
)
def test_a_database_that_is_away_is_one_line(command: tuple[str, ...], tmp_path: Path) -> None:
    away = {
        "POSTGRES_URL": "postgresql://user:hush@127.0.0.1:1/soccer",
        "SOCCER_HOME": str(tmp_path / "state"),
    }
    code, printed = run(BIN / command[0], *command[1:], **away)
    *before, line = printed.splitlines()
    assert code == 1
    assert line.startswith(f"{command[0]}: PostgreSQL does not answer: connection to server at ")
    assert line.endswith("(POSTGRES_URL says where it is)")
    assert "Traceback" not in printed
    assert "hush" not in printed
    assert len(before) < 5, printed


def test_what_nobody_foresaw_keeps_its_stack(tmp_path: Path) -> None:
    (tmp_path / "dagster").write_text("raise OSError('unforeseen')")
    code, printed = run(sys.executable, tmp_path / "dagster")
    assert code == 1
    assert printed.startswith("Traceback")
    assert printed.endswith("OSError: unforeseen\n")


def test_a_package_that_is_broken_stops_no_python(
    script: Callable[[str], Path], tmp_path: Path
) -> None:
    """Python itself says what is wrong with it, and goes on."""
    (tmp_path / "soccer_assets").mkdir()
    (tmp_path / "soccer_assets" / "__init__.py").write_text("raise OSError('half installed')")
    code, printed = run(sys.executable, script("dagster"), PYTHONPATH=str(tmp_path))
    assert code == 0
    assert "half installed" in printed
    assert json.loads(printed.splitlines()[-1]) == [{}, False, False]


def test_an_embedded_python_has_no_arguments() -> None:
    hook = HOOK.read_text()
    code, printed = run(sys.executable, "-c", f"import sys; del sys.argv; exec({hook!r})")
    assert (code, printed) == (0, "")
    code, printed = run(sys.executable, "-c", f"import sys; sys.argv = []; exec({hook!r})")
    assert (code, printed) == (0, "")


def test_dg_knows_the_definitions() -> None:
    code, printed = run(BIN / "dg", "list", "defs", "--json")
    assert code == 0, printed[-8000:]
    found = {asset["asset_key"] for asset in json.loads(printed)["assets"]}
    assert found == {
        key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()
    }
