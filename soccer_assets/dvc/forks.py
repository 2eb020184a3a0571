"""Stages as forks of one process that has imported what they need.

A stage that is ``python -m MODULE`` costs an interpreter and its imports, which for short stages is
most of their time. Here a process imports the modules of all such stages once, while DVC itself is
loaded, and each stage is a fork of it: a process of its own as before, with DVC's environment, that
runs the module as ``__main__``. Any other command is run by the shell, as DVC does it.

The process that forks has no threads but its own; it ends when DVC's process does, or is killed with
it, for it is in the same process group.
"""

import json
import os
import re
import runpy
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from soccer_assets.dvc.pipeline import Pipeline

#: In the environment: whether stages are run so.
FORKS_VARIABLE = "REPRODUCED_IN_FORKS"
_COMMAND = re.compile(r"\s*python -m ([\w.]+)\s*")


class StageServer:
    """The process that forks, seen from the one that started it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._answers = connection.makefile("r", encoding="utf-8")

    @classmethod
    def start(cls, modules: Sequence[str]) -> "StageServer":
        """Fork it; to be called before this process has threads."""
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            ours.close()
            try:
                _serve(theirs, modules)
            finally:
                os._exit(0)
        theirs.close()
        return cls(ours)

    def run(self, module: str, folder: str, environment: dict[str, str]) -> int:
        """Run a module to its end; returns its exit code, that of a signal negative.

        Raises:
            EOFError: the process that forks is gone.
        """
        wanted = json.dumps([module, str(folder), environment])
        with suppress(OSError):
            self._connection.sendall(f"{wanted}\n".encode())
        answer = self._answers.readline()
        if not answer:
            raise EOFError("the process that runs the stages is gone")
        return int(answer)


def modules_of(pipeline: Path) -> list[str]:
    """Those that the stages of a ``dvc.yaml`` run."""
    stages = Pipeline.read(pipeline).stages
    return [found[1] for stage in stages if (found := _COMMAND.fullmatch(stage.command))]


def take_over(server: StageServer) -> None:
    """Have DVC, in this process, run its stages by this server."""
    from dvc.stage import run as of_dvc
    from dvc.stage.exceptions import StageCmdFailedError

    by_shell = of_dvc._run

    def run(executable: str | None, command: str, **options: Any) -> None:
        found = _COMMAND.fullmatch(command)
        if not found:
            by_shell(executable, command, **options)
            return
        interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            status = server.run(found[1], options["cwd"], options["env"])
        finally:
            signal.signal(signal.SIGINT, interrupted)
        if status:
            raise StageCmdFailedError(command, status)

    of_dvc._run = run


def _serve(connection: socket.socket, modules: Sequence[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in modules:
        with suppress(Exception):  # the stage itself says what is wrong
            import_module(module)
    for line in connection.makefile("r", encoding="utf-8"):
        module, folder, environment = json.loads(line)
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            connection.close()
            _run(module, folder, environment)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(f"{module} took {time.monotonic() - began:.2f} s", flush=True)
        connection.sendall(f"{status}\n".encode())


def _run(module: str, folder: str, environment: dict[str, str]) -> None:
    """In a child: the module as ``__main__``; does not return."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = [module]
        sys.modules.pop(module, None)
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
