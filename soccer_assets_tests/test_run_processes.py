"""Runs are forks as long as the code is as it was loaded, and interpreters otherwise."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from soccer_assets import run_processes
from soccer_assets.run_processes import RunContext
from soccer_assets.settings import Settings

#: In a process of its own, for a fork server stays with whoever started it.
START = """
import json, os, sys
from pathlib import Path
from soccer_assets.run_processes import RunContext
from soccer_assets.settings import Settings

def tell(queue):
    queue.put(["json.tool" in sys.modules, os.getppid(), os.getpid()])

if __name__ == "__main__":
    params = Path(sys.argv[1])
    context = RunContext(Settings(soccer_params=params))
    context.set_forkserver_preload(["json.tool"])
    found = []
    for changed in (False, True):
        if changed:
            params.write_text("{}")
        queue, ended = context.Queue(), context.Event()
        process = context.Process(target=tell, args=[queue])
        process.start()
        found.append([*queue.get(timeout=60), process.pid])
        process.join(60)
        assert process.exitcode == 0
    print(json.dumps([os.getpid(), found]))
"""


def test_a_run_is_a_fork_with_what_is_preloaded_until_a_file_changes(tmp_path: Path) -> None:
    params, script = tmp_path / "params.yaml", tmp_path / "start.py"
    params.write_text("{serving: {recent_days: 3}}")
    script.write_text(START)
    command = [sys.executable, script, params]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    server, (forked, spawned) = json.loads(done.stdout)
    assert forked[0]
    assert forked[1] != server  # but the fork server
    assert spawned[:2] == [False, server]
    for *_, own, told in (forked, spawned):
        assert own == told  # what Dagster is told is the process that executes the run


def test_other_code_parameters_or_settings_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    (package / "room").mkdir(parents=True)
    (package / "room" / "module.py").write_text("a = 1\n")
    params = tmp_path / "params.yaml"
    params.write_text("{}")
    monkeypatch.setattr(run_processes, "__file__", str(package / "run_processes.py"))
    monkeypatch.setattr(run_processes, "project_folder", lambda: tmp_path)
    for file in (package / "room" / "module.py", params, package / "new.py", tmp_path / ".env"):
        context = RunContext(Settings(soccer_params=params))
        assert context.is_as_loaded()
        file.write_text("b = 22\n")
        assert not context.is_as_loaded()


def test_only_code_servers_fork_their_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not run_processes.is_code_server()
    monkeypatch.setattr(sys, "argv", ["/lib/dagster/__main__.py", "api", "grpc", "--socket", "s"])
    assert run_processes.is_code_server()


def test_the_code_server_of_this_dagster_takes_the_context() -> None:
    """In a process of its own: the class stays changed."""
    code = (
        "from dagster._grpc.server import DagsterApiServer as S\n"
        "import inspect\n"
        "assert '_mp_ctx.Process' in inspect.getsource(S.StartRun)\n"
        "from soccer_assets.dagster_internals import run_by_context\n"
        "run_by_context('this one')\n"
        "server = S.__new__(S)\n"
        "server.__dict__['_mp_ctx'] = 'another'\n"
        "assert server._mp_ctx == 'this one'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
