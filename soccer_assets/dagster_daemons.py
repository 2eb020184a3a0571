"""Dagster's daemons as calls that each do one round, a launcher that they launch with, and the clock
that all of Dagster reads: as ``dagster_internals``, but of the daemon's side, which nobody else loads.

Published is a process that runs the daemons for ever, by the clock of the machine.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any, Self
from unittest import mock

import dagster as dg

# How a run that was launched is executed by whoever has its definitions.
from dagster._core.execution.api import execute_run
from dagster._core.launcher.base import LaunchRunContext, RunLauncher
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.asset_daemon import AssetDaemon
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.freshness import FreshnessDaemon
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._daemon.types import DaemonHeartbeat
from dagster._scheduler.scheduler import launch_scheduled_runs
from dagster._serdes import ConfigurableClass
from dagster._time import get_current_timestamp
from dagster._utils.error import SerializableErrorInfo
from dagster._utils.hosted_user_process import recon_job_from_origin

from soccer_assets.clock import stamped_now
from soccer_assets.dagster_internals import ConfigurableClassData, RunFailureReason
from soccer_assets.runs import abandon, leases_of, take

_IDENTITY = "in process"
_log = logging.getLogger(__name__)


@contextmanager
def project_time() -> Iterator[None]:
    """Dagster's clock is the project's, for times of events, runs and ticks alike."""
    make = dg.DagsterLogManager.makeRecord

    def stamped(*arguments: Any, **named: Any) -> logging.LogRecord:
        record = make(*arguments, **named)
        record.created = stamped_now().timestamp()
        record.msecs = record.created % 1 * 1000
        return record

    with (
        mock.patch("dagster._time._mockable_get_current_datetime", stamped_now),
        mock.patch("dagster._time._mockable_get_current_timestamp", _seconds),
        mock.patch.object(dg.DagsterLogManager, "makeRecord", stamped),
    ):
        yield


def _seconds() -> float:
    return stamped_now().timestamp()


class QueueLauncher(RunLauncher, ConfigurableClass):
    """Keeps what is launched, in its order, until this process is told to execute it."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__()
        self._inst_data = inst_data
        self._waiting: deque[str] = deque()
        #: The next run of this job dies when it has begun.
        self.kill: str | None = None

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        run_id = context.dagster_run.run_id
        if leases := leases_of(self._instance):
            # Whoever looks for dead runs sees that this one lives, and that it dies with us.
            self._instance.add_run_tags(run_id, take(leases, run_id))
        self._waiting.append(run_id)

    def adopt(self, run_id: str) -> None:
        """A run that was launched by a process that is gone, and not begun, waits here."""
        if leases := leases_of(self._instance):
            leases.bury(run_id)
            self._instance.add_run_tags(run_id, take(leases, run_id))
        self._waiting.append(run_id)

    def terminate(self, run_id: str) -> bool:
        return False

    def next(self) -> dg.DagsterRun | None:
        """The unfinished run that has waited longest, to be executed; None where none waits."""
        while self._waiting:
            run = self._instance.get_run_by_id(self._waiting.popleft())
            if run and not run.is_finished:
                return run
        return None

    def execute(self, run: dg.DagsterRun) -> None:
        """Execute a run to its end, or to the death of its process."""
        assert run.job_code_origin
        try:
            if run.job_name == self.kill:
                self.kill = None
                begun = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
                self._instance.report_dagster_event(begun, run.run_id)
                if leases := leases_of(self._instance):
                    leases.abandon(run.run_id)
            else:
                job = recon_job_from_origin(run.job_code_origin)
                done = execute_run(job, run, self._instance)
                if any(map(_is_interruption, done.all_events)):
                    raise KeyboardInterrupt  # Dagster ends the run and goes on
        except BaseException:
            abandon(self._instance, run.run_id)
            raise

    @property
    def waiting(self) -> int:
        """Runs that were launched and not executed."""
        return len(self._waiting)


def _is_interruption(event: dg.DagsterEvent) -> bool:
    if not event.is_run_failure:
        return False
    return event.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION


@contextmanager
def _opened_once(instance: dg.DagsterInstance) -> Iterator[None]:
    """Whoever in this process opens the instance by its reference is given this one."""
    reference, open_anew = instance.get_ref(), dg.DagsterInstance.from_ref

    def open_(asked: Any) -> Any:
        return nullcontext(instance) if asked == reference else open_anew(asked)

    with mock.patch.object(dg.DagsterInstance, "from_ref", staticmethod(open_)):
        yield


class Daemons:
    """The daemons of an instance, on definitions that this process has loaded.

    Errors of a tick are kept with the tick, as Dagster does; what goes wrong outside of any is
    collected in ``errors``.
    """

    def __init__(self, instance: dg.DagsterInstance, workspace: WorkspaceProcessContext) -> None:
        self._instance = instance
        self._workspace = workspace
        self._freshness = FreshnessDaemon()
        self._automation = AssetDaemon(settings={}, pre_sensor_interval_seconds=30)
        self.errors: list[SerializableErrorInfo] = []

    @classmethod
    @contextmanager
    def of_module(
        cls, instance: dg.DagsterInstance, module: str, location: str
    ) -> "Iterator[Daemons]":
        origin = InProcessCodeLocationOrigin(
            LoadableTargetOrigin(module_name=module), location_name=location
        )
        target = InProcessWorkspaceLoadTarget(origin)
        # By default each query connects anew; and each tick would open the instance anew.
        instance.optimize_for_webserver(
            statement_timeout=60_000, pool_recycle=3600, max_overflow=20
        )
        with _opened_once(instance), WorkspaceProcessContext(instance, target) as workspace:
            yield cls(instance, workspace)

    def schedules(self, now: datetime) -> None:
        """Each schedule that became due, at the last of its ticks only."""
        self._done(
            launch_scheduled_runs(
                self._workspace, _log, now, iteration_times={}, max_catchup_runs=1
            )
        )

    def sensors(self) -> None:
        self._done(execute_sensor_iteration(self._workspace, _log, None, None))

    def automation(self) -> None:
        self._automation._run_iteration_impl(self._workspace, None, {}, {})

    def freshness(self) -> None:
        self._done(self._freshness.run_iteration(self._workspace))

    def backfills(self) -> None:
        self._done(execute_backfill_iteration(self._workspace, _log))

    def beat(self) -> None:
        """Say that all of them live."""
        now = get_current_timestamp()
        for daemon in self._instance.get_required_daemon_types():
            self._instance.add_daemon_heartbeat(DaemonHeartbeat(now, daemon, _IDENTITY, []))

    def _done(self, iteration: Any) -> None:
        self.errors += [found for found in iteration if isinstance(found, SerializableErrorInfo)]
