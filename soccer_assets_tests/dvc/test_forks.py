"""Stages as forks: processes of their own, with DVC's environment, that fail as others do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import json, sys
from soccer_assets.dvc.forks import StageServer

modules, wanted = json.loads(sys.argv[1]), json.loads(sys.argv[2])
server = StageServer.start(modules)
for module, environment in wanted:
    print("exit", server.run(module, ".", environment), flush=True)
"""


def run(folder: Path, modules: list[str], *wanted: tuple[str, dict[str, str]]) -> list[str]:
    """What is printed by a server that imports some modules of a folder and runs others."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(modules), json.dumps(wanted)],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if " took " not in line]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shared.py").write_text("import os\nprint('imported')\nmine = os.getpid()\n")
    (tmp_path / "stage.py").write_text(
        "import os, shared\n"
        "if __name__ == '__main__':\n"
        "    print(os.environ.get('TOLD'), 'PATH' in os.environ, os.getpid() != shared.mine)\n"
    )
    return tmp_path


def test_each_is_a_process_of_its_own_that_imports_nothing_again(folder: Path) -> None:
    printed = run(folder, ["stage"], ("stage", {"TOLD": "one"}), ("stage", {"TOLD": "two"}))
    assert printed == ["imported", "one False True", "exit 0", "two False True", "exit 0"]


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('no lake')", 1, "no lake"),
        ("raise SystemExit", 0, ""),
        ("raise KeyError('kickoff')", 1, "KeyError: 'kickoff'"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, ""),
        ("import there_is_no_such_module", 1, "ModuleNotFoundError"),
    ],
)
def test_it_ends_as_an_interpreter_would_and_the_next_one_runs(
    folder: Path, code: str, status: int, told: str
) -> None:
    (folder / "fails.py").write_text(f"if __name__ == '__main__':\n    {code}\n")
    printed = run(folder, [], ("fails", {}), ("shared", {}))
    assert f"exit {status}" in printed
    assert told in "\n".join(printed)
    assert printed[-2:] == ["imported", "exit 0"]


def test_a_module_that_cannot_be_imported_beforehand_stops_no_other(folder: Path) -> None:
    printed = run(folder, ["there_is_no_such_module", "stage"], ("stage", {"TOLD": "one"}))
    assert printed == ["imported", "one False True", "exit 0"]
