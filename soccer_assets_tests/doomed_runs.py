"""Runs that the tests execute in processes of their own, to kill, stop and starve them."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster_postgres import DagsterPostgresStorage

from soccer_assets import dagster_command
from soccer_assets.cli import app
from soccer_assets.dagster_internals import EngineEventData, make_new_run_id
from soccer_assets.definitions import defs
from soccer_assets.instance import SoccerInstance
from soccer_assets.process import end_soon_when_asked
from soccer_assets.runner import open_instance
from soccer_assets.runs import abandon
from soccer_assets.settings import project_folder
from soccer_assets_tests.platform import forget_environment

# Forks of a process that has imported all this and has no threads.
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload([__name__, "soccer_assets_tests.durability.processes"])
#: How long a step would take if nobody ended it; for a machine that does ten things at once.
FOR_EVER, PATIENCE = 1200.0, 120.0
assert defs  # loaded before the forks are made

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
    def start(self, what: Any, *arguments: Any) -> Iterator[Child]:
        """A process that does ``what``; killed at the end, if it lives."""
        listen, tell = FORKS.Pipe(duplex=False)
        process = FORKS.Process(target=_child, args=(self, tell, what, *arguments))
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


def _child(household: Household, tell: Connection, what: Any, *arguments: Any) -> None:
    global _tell
    _tell = tell
    os.environ |= household.environment
    forget_environment()
    what(*arguments)


def stay_in_c() -> None:
    """Never come back to the interpreter, where signals are noticed."""
    mutex = ctypes.create_string_buffer(64)  # zeroed: unlocked
    for _ in range(2):
        ctypes.CDLL(None).pthread_mutex_lock(mutex)


def execute(asset: str) -> None:
    """As a command does it."""
    end_soon_when_asked()
    with open_instance() as instance:
        job = dg.Definitions(assets=ASSETS).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(asset)],
            tags=_range() if asset == "of_many_days" else {},
            raise_on_error=False,
        )
        _tell.send(result.dagster_run.status.value)


def execute_and_stay(asset: str) -> None:
    """As a command that goes on with something else, whatever became of the run."""
    with open_instance() as instance:
        run_id = make_new_run_id()
        job = dg.Definitions(assets=ASSETS).resolve_implicit_global_asset_job_def()
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


def execute_until(event: dg.DagsterEventType, asset: str) -> None:
    """As a command, which is killed when the event is about to be written."""

    def killed(self: SoccerInstance, entry: dg.EventLogEntry, **named: Any) -> None:
        if entry.dagster_event and entry.dagster_event.event_type is event:
            os.kill(os.getpid(), signal.SIGKILL)
        handle(self, entry, **named)

    handle = SoccerInstance.handle_new_event
    SoccerInstance.handle_new_event = killed  # type: ignore[method-assign]
    execute(asset)


def execute_as_launched(run_id: str) -> None:
    """As a process of the code server begins, which another one created the run for."""
    with open_instance() as instance:
        run = instance.get_run_by_id(run_id)
        assert run
        instance.report_engine_event(
            "Started process for run", run, EngineEventData.in_process(os.getpid())
        )
        _tell.send("started")
        time.sleep(FOR_EVER)


def soccer(*arguments: str) -> None:
    """The command line."""
    _tell.send("started")
    app(list(arguments))


def dagster(*arguments: str) -> None:
    """Dagster's command line, in the project's folder."""
    os.chdir(project_folder())
    sys.argv = ["dagster", *arguments]
    dagster_command.main()


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
