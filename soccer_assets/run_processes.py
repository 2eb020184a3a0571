"""Runs as forks of one process that has the definitions and their libraries imported.

A code server starts an interpreter for each run, which imports the definitions, and in its steps
MLflow: ten seconds of a processor before any work, more than the work of most runs. Here it asks
Python's fork server for a process, once that has imported them; a run is a process of its own as
before, whose death is seen and whose memory is given back.

The fork server knows the code as it was when the code server loaded it. As soon as a file of the
project's is another than then, runs are interpreters of their own again, so that what a run makes,
and the version of the code that it says it is made by, are always of one code.
"""

import logging
import multiprocessing.context
import multiprocessing.popen_spawn_posix
import sys
from multiprocessing.popen_forkserver import Popen as ForkedProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from soccer_assets.dagster_internals import run_by_context
from soccer_assets.settings import Settings, project_folder

log = logging.getLogger(__name__)

#: What runs of the graph import; the definitions bring the rest. None of them starts a thread.
PRELOADED = (
    "soccer_assets.definitions",
    "dagster._cli",
    "dagster._grpc.impl",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "sklearn.linear_model",
    "pyarrow.parquet",
)
#: Words of the command line of a code server.
CODE_SERVER = ["api", "grpc"]


def is_code_server() -> bool:
    """Whether this process is one that Dagster started to execute runs."""
    return sys.argv[1:3] == CODE_SERVER


def fork_runs(settings: Settings) -> None:
    """Have this code server start its runs so."""
    context = RunContext(settings)
    context.set_forkserver_preload(list(PRELOADED))
    run_by_context(context)


class RunProcess(BaseProcess):
    """A process as the fork server makes it, or, of other code than it knows, an interpreter."""

    _start_method = "spawn"

    def __init__(self, context: "RunContext", *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._forked = context.is_as_loaded()

    def _Popen(self, process: BaseProcess) -> Any:
        if self._forked:
            try:
                return ForkedProcess(process)
            except (OSError, EOFError) as error:
                log.warning("no process by the fork server, but an interpreter: %s", error)
        return multiprocessing.popen_spawn_posix.Popen(process)


class RunContext(multiprocessing.context.SpawnContext):
    """How the processes of runs are started; all else is as in a spawned one."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._loaded = self._code()

    def Process(self, *arguments: Any, **named: Any) -> RunProcess:  # type: ignore[override]
        return RunProcess(self, *arguments, **named)

    def is_as_loaded(self) -> bool:
        """Whether the files that the definitions are made of are those of when this was made."""
        return self._code() == self._loaded

    def _code(self) -> frozenset[tuple[str, int, int]]:
        """Every file of the project's code, its parameters and settings: name, size and time."""
        package = Path(__file__).parent
        files = [
            *package.rglob("*.py"),
            *package.rglob("*.yaml"),
            self._settings.params_file,
            project_folder() / ".env",
        ]
        found = [(str(file), file.stat()) for file in files if file.exists()]
        return frozenset((name, of.st_size, of.st_mtime_ns) for name, of in found)
