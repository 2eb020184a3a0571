"""Runs that the tests execute in processes of their own, to kill, stop and starve them."""

import ctypes
import importlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import sqlalchemy as sa
from dagster._cli import main as command_line
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._grpc.impl import start_run_in_subprocess
from dagster._grpc.types import ExecuteExternalJobArgs
from dagster._serdes import serialize_value
from dagster_postgres import DagsterPostgresStorage

from soccer_assets import dagster_command, definitions
from soccer_assets.cli import app
from soccer_assets.dagster_internals import (
    SINGLETON_REPOSITORY_NAME,
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from soccer_assets.instance import CODE_LOCATION, SoccerInstance
from soccer_assets.process import end_soon_when_asked
from soccer_assets.runner import open_instance
from soccer_assets.runs import abandon
from soccer_assets.settings import project_folder

# Forks of a process that has imported all this and has no threads.
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload([__name__, "soccer_assets_tests.durability.processes"])
#: How long a step would take if nobody ended it; for a machine that does ten things at once.
FOR_EVER, PATIENCE = 1200.0, 120.0

_tell: Connection


@dg.asset(pool="only_one")
def waits() -> None:
    """Waits as Python does, which a signal can interrupt."""
    _tell.send("in step")
    threading.Event().wait(FOR_EVER)


@dg.asset(pool="only_one")
def does_not_listen() -> None:
    """Stays in C, where no signal is noticed."""
    _tell.send("in step")
    stay_in_c()


@dg.asset(pool="only_one")
def is_quick() -> None:
    _tell.send("in step")


@dg.asset(pool="only_one")
def goes_on_when_told() -> None:
    _tell.send("in step")
    while not Path(os.environ["SOCCER_HOME"], "go on").exists():
        time.sleep(0.1)


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2020-01-01", end_date="2021-01-01"))
def of_many_days() -> None:
    """Planned day by day, before it starts."""


ASSETS = [waits, does_not_listen, is_quick, goes_on_when_told, of_many_days]
DOOMED = dg.Definitions(assets=ASSETS, executor=dg.in_process_executor)
JOB = "__ASSET_JOB"
ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(CODE_LOCATION), SINGLETON_REPOSITORY_NAME),
    JOB,
)


@dataclass
class Child:
    """A process, and what it tells."""

    process: Any
    listen: Connection
    heard: list[str] = field(default_factory=list)

    def hear(self, what: str) -> None:
        """Wait until the process tells it."""
        while what not in self.heard:
            assert self.listen.poll(PATIENCE), f"not heard in time: {what}, but {self.heard}"
            self.heard.append(self.listen.recv())

    def works_until(self, condition: Callable[[], bool]) -> None:
        """Wait until it is so; the process must not end before."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.is_alive(), "it has ended"
            assert time.monotonic() < deadline, "still not so"
            time.sleep(0.05)

    def ends(self) -> int:
        """Wait for the end; returns the exit code."""
        self.process.join(PATIENCE)
        code: int | None = self.process.exitcode
        assert code is not None, "still running"
        return code

    def kill(self) -> None:
        self.process.kill()
        self.ends()

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)


@dataclass(frozen=True)
class Household:
    """One home and one database that several processes share."""

    home: Path
    url: str
    variables: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def start(self, what: Any, *arguments: Any, **named: Any) -> Iterator[Child]:
        """A process that does ``what``; killed at the end, if it lives."""
        listen, tell = FORKS.Pipe(duplex=False)
        process = FORKS.Process(target=_child, args=(self, tell, what, *arguments), kwargs=named)
        process.start()
        tell.close()
        try:
            yield Child(process, listen)
        finally:
            process.kill()
            process.join()
            listen.close()

    @property
    def environment(self) -> dict[str, str]:
        return {"SOCCER_HOME": str(self.home), "POSTGRES_URL": self.url, **self.variables}


def _child(
    household: Household, tell: Connection, what: Any, *arguments: Any, **named: Any
) -> None:
    global _tell
    _tell = tell
    os.environ |= household.environment
    what(*arguments, **named)


def stay_in_c() -> None:
    """Never come back to the interpreter, where signals are noticed."""
    mutex = ctypes.create_string_buffer(64)  # zeroed: unlocked
    for _ in range(2):
        ctypes.CDLL(None).pthread_mutex_lock(mutex)


def execute(asset: str, **tags: str) -> None:
    """As a command does it."""
    end_soon_when_asked()
    with open_instance() as instance:
        job = DOOMED.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(asset)],
            tags={**tags, **(_range() if asset == "of_many_days" else {})},
            raise_on_error=False,
        )
        _tell.send(result.dagster_run.status.value)


def execute_and_stay(asset: str) -> None:
    """As a command that goes on with something else, whatever became of the run."""
    with open_instance() as instance:
        run_id = str(uuid4())
        job = DOOMED.resolve_implicit_global_asset_job_def()
        try:
            job.execute_in_process(
                instance=instance, run_id=run_id, asset_selection=[dg.AssetKey(asset)]
            )
        except Exception:
            abandon(instance, run_id)
            _tell.send("left")
            time.sleep(FOR_EVER)


def _range() -> dict[str, str]:
    return {
        "dagster/asset_partition_range_start": "2020-01-01",
        "dagster/asset_partition_range_end": "2020-12-31",
    }


def execute_until(event: dg.DagsterEventType, how: Any, what: str) -> None:
    """Killed when the event is about to be written."""

    def killed(self: SoccerInstance, entry: dg.EventLogEntry, **named: Any) -> None:
        if entry.dagster_event and entry.dagster_event.event_type is event:
            os.kill(os.getpid(), signal.SIGKILL)
        handle(self, entry, **named)

    handle = SoccerInstance.handle_new_event
    SoccerInstance.handle_new_event = killed  # type: ignore[method-assign]
    how(what)


def planned(instance: dg.DagsterInstance, asset: str, tags: dict[str, str]) -> dg.DagsterRun:
    """A run that is about to be launched."""
    assert isinstance(instance, SoccerInstance)
    run: dg.DagsterRun = super(SoccerInstance, instance).create_run_for_job(
        DOOMED.resolve_implicit_global_asset_job_def(),
        status=dg.DagsterRunStatus.STARTING,
        asset_selection=frozenset({dg.AssetKey(asset)}),
        tags=tags,
        remote_job_origin=ORIGIN,
    )
    return run


def execute_as_launched(run_id: str) -> None:
    """As the process that a code server starts for a run, and which it leaves alone then."""
    with open_instance() as instance:
        arguments = ExecuteExternalJobArgs(
            job_origin=ORIGIN, run_id=run_id, instance_ref=instance.get_ref()
        )
    definitions = ReconstructableRepository.for_module(__name__, "DOOMED")
    start_run_in_subprocess(
        serialize_value(arguments),
        definitions.get_reconstructable_job(JOB),
        FORKS.Queue(),
        FORKS.Event(),
    )


def monitor(instance: dg.DagsterInstance) -> None:
    """What the daemon does twice a minute; no code server answers to it."""
    with WorkspaceProcessContext(instance, None) as workspace:
        faults = list(execute_run_monitoring_iteration(workspace, logging.getLogger(__name__)))
    assert not any(faults), faults


def soccer(*arguments: str) -> None:
    """The command line."""
    _read_settings()
    _tell.send("started")
    app(list(arguments))


def dagster(*arguments: str) -> None:
    """Dagster's command line, in the project's folder."""
    _read_settings()
    os.chdir(project_folder())
    sys.argv = ["dagster", *arguments]
    dagster_command.prepare()
    command_line()


def _read_settings() -> None:
    """What this process was forked from has loaded the code with settings of its own."""
    importlib.reload(definitions)


def make_tables(url: str, storage: type[DagsterPostgresStorage], kill_at: int | None) -> None:
    """A first start, which dies as it is about to send the so-manieth CREATE."""
    seen = 0

    @sa.event.listens_for(sa.Engine, "before_cursor_execute")
    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        nonlocal seen
        seen += statement.lstrip().startswith("CREATE")
        if seen == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    storage(url)
