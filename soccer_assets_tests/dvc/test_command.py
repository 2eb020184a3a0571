"""Commands of a workspace end with the process that started them, and so do their stages."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from soccer_assets.dvc.command import WORKSPACE_VARIABLE, DvcError, stream
from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.settings import DEFAULT_PARAMS
from soccer_assets_tests.dvc.conftest import Reproduced
from soccer_assets_tests.dvc.test_leftovers import assert_as_ever, cut_cached, run_all
from soccer_assets_tests.end_to_end.shell import wait_until

pytestmark = pytest.mark.system

RUN = """
import signal
import sys
from pathlib import Path
from soccer_assets.dvc.workspace import DvcWorkspace

signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background, too
root, remote, params = sys.argv[1:]
workspace = DvcWorkspace(Path(root), remote, Path(params))
with workspace.alone():
    workspace.prepare()
    for line in workspace.reproduce([]):
        print(line, flush=True)
"""


def forks_of_forks(processes: list[psutil.Process]) -> list[psutil.Process]:
    """The stages among these: DVC's process forks one that forks them."""
    found = []
    for process in processes:
        with suppress(psutil.Error):
            parent = process.parent()
            above = parent and parent.parent()
            lines = [one.cmdline() for one in (process, parent, above) if one]
            if len(lines) == 3 and lines[0] == lines[1] == lines[2]:
                found.append(process)
    return found


def processes_in(workspace: DvcWorkspace) -> list[psutil.Process]:
    """DVC and its stages, dead ones that nobody has waited for left out."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            mark = process.environ().get(WORKSPACE_VARIABLE)
            if mark == str(workspace.root) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_ends_in_the_middle_of_a_stage_takes_the_stage_along(
    workspace: DvcWorkspace, reproduced: Reproduced, how: signal.Signals
) -> None:
    cut_cached("data/features/2023-09.parquet", and_lose_it=True)(workspace.root)
    remote = str(workspace.root.with_name("remote"))
    command = [sys.executable, "-c", RUN, workspace.root, remote, DEFAULT_PARAMS]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert any("dvc.stages.features" in line for line in run.stdout)
    wait_until(lambda: bool(forks_of_forks(processes_in(workspace))))
    # A stage that would never end by itself.
    forks_of_forks(processes_in(workspace))[0].suspend()
    run.send_signal(how)
    run.communicate()
    assert run.returncode
    wait_until(lambda: not processes_in(workspace))

    run_all(workspace, reproduced)
    assert_as_ever(workspace, reproduced)


def test_closing_the_output_ends_a_command_and_all_that_it_started(tmp_path: Path) -> None:
    script = "sleep 600 & echo $! $$; wait"
    with closing(
        stream(["/bin/sh", "-c", script], name="sleep", folder=tmp_path, environment=os.environ)
    ) as lines:
        started = [int(pid) for pid in next(lines).split()]
        assert all(map(psutil.pid_exists, started))
    wait_until(lambda: not any(map(_is_running, started)))


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_command_that_fails_tells_the_end_of_what_it_printed(tmp_path: Path) -> None:
    script = "seq 1 100; exit 3"
    lines = stream(["/bin/sh", "-c", script], name="count", folder=tmp_path, environment={})
    with pytest.raises(DvcError) as caught:
        list(lines)
    assert str(caught.value).splitlines() == ["count exited 3:", *map(str, range(81, 101))]


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    lines = stream(["no-such-tool"], name="tool", folder=tmp_path, environment={"PATH": "/bin"})
    with pytest.raises(DvcError, match="no-such-tool is not on the PATH"):
        next(lines)


def test_a_command_reads_an_end_and_no_terminal_when_its_parent_is_gone(tmp_path: Path) -> None:
    """The parent holds the other side of its standard input open, and nobody else does."""
    code = (
        "import os; from pathlib import Path\n"
        "from soccer_assets.dvc.command import stream\n"
        "wait = ['/bin/sh', '-c', 'echo up; cat; echo done > ended']\n"
        "for line in stream(wait, name='wait', folder=Path('.'), environment=os.environ):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert killed.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 120
    while not (tmp_path / "ended").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
