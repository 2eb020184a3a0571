"""Dagster's own daemons, a round at a time in this process, on a clock that the test moves.

Schedules, sensors, conditions, freshness and backfills are evaluated by the code of ``dagster-daemon``,
with its cursors and ticks in the storage. What they ask for is executed here, after the round that asked.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any, Self
from unittest import mock

import dagster as dg
from dagster._core.execution.api import execute_run
from dagster._core.launcher.base import LaunchRunContext, RunLauncher
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage
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
from dagster._utils.error import SerializableErrorInfo
from dagster._utils.hosted_user_process import recon_job_from_origin

from soccer_assets.dagster_home import dagster_home
from soccer_assets.dagster_internals import (
    ConfigurableClassData,
    InstanceRef,
    get_current_timestamp,
)
from soccer_assets.instance import CODE_LOCATION

_log = logging.getLogger(__name__)


class Clock:
    """The project's present, and Dagster's; it goes on by itself, so that what happens has an order."""

    def __init__(self, now: datetime) -> None:
        self.set(now)

    def set(self, now: datetime) -> None:
        self._shown, self._since = now.astimezone(UTC), time.monotonic()
        os.environ["SOCCER_AS_OF"] = self._shown.isoformat()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds(), UTC)

    def seconds(self) -> float:
        return self._shown.timestamp() + time.monotonic() - self._since

    @contextmanager
    def is_dagsters(self) -> Iterator[None]:
        """Runs, events and ticks have their times from it meanwhile."""
        make = dg.DagsterLogManager.makeRecord

        def stamped(*arguments: Any, **named: Any) -> logging.LogRecord:
            record = make(*arguments, **named)
            record.created = self.seconds()
            return record

        with (
            mock.patch("dagster._time._mockable_get_current_datetime", self.now),
            mock.patch("dagster._time._mockable_get_current_timestamp", self.seconds),
            mock.patch.object(dg.DagsterLogManager, "makeRecord", stamped),
        ):
            yield


class QueueLauncher(RunLauncher, ConfigurableClass):
    """Keeps what is launched, in its order, until it is to be executed."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__()
        self._inst_data = inst_data
        self.waiting: deque[str] = deque()

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
        self.waiting.append(context.dagster_run.run_id)

    def terminate(self, run_id: str) -> bool:
        return False


def _reference() -> InstanceRef:
    """What dagster.yaml says, but for where runs go: they are not queued, and executed here."""

    def by(module: str, name: str) -> ConfigurableClassData:
        return ConfigurableClassData(module, name, "{}")

    described = InstanceRef.from_dir(
        str(dagster_home()), overrides={"run_monitoring": {"enabled": False}}
    )
    return described._replace(
        run_launcher_data=by(QueueLauncher.__module__, QueueLauncher.__name__),
        run_coordinator_data=by("dagster._core.run_coordinator", "DefaultRunCoordinator"),
    )


class Daemons:
    """All daemons of an instance."""

    def __init__(self, instance: dg.DagsterInstance, workspace: WorkspaceProcessContext) -> None:
        assert isinstance(instance.run_launcher, QueueLauncher)
        self.instance, self.workspace = instance, workspace
        self._waiting = instance.run_launcher.waiting
        self._freshness = FreshnessDaemon()
        self._automation = AssetDaemon(settings={}, pre_sensor_interval_seconds=30)

    def schedules(self, now: datetime) -> None:
        """Each schedule that became due, at the last of its ticks."""
        _done(
            launch_scheduled_runs(self.workspace, _log, now, iteration_times={}, max_catchup_runs=1)
        )

    def round(self) -> None:
        """Evaluate what is due of everything else that asks for runs, or tells."""
        now = get_current_timestamp()
        for daemon in self.instance.get_required_daemon_types():
            self.instance.add_daemon_heartbeat(DaemonHeartbeat(now, daemon, "in process", []))
        _done(self._freshness.run_iteration(self.workspace))
        _done(execute_sensor_iteration(self.workspace, _log, None, None))
        self._automation._run_iteration_impl(self.workspace, None, {}, {})
        _done(execute_backfill_iteration(self.workspace, _log))

    @property
    def is_asked(self) -> bool:
        """Whether a run was launched and not executed."""
        return bool(self._waiting)

    def execute(self) -> Iterator[dg.DagsterRun]:
        """Execute what was launched; yields each run as it ended."""
        while self._waiting:
            run = self.instance.get_run_by_id(self._waiting.popleft())
            if run and not run.is_finished:
                assert run.job_code_origin
                execute_run(recon_job_from_origin(run.job_code_origin), run, self.instance)
                ended = self.instance.get_run_by_id(run.run_id)
                assert ended
                yield ended


def _done(iteration: Any) -> None:
    """Errors of a tick are kept with the tick; what goes wrong outside of any fails the test."""
    errors = [found for found in iteration if isinstance(found, SerializableErrorInfo)]
    assert not errors, errors[0].to_string()


@contextmanager
def open_daemons(definitions: str) -> Iterator[Daemons]:
    """Of the module of that name, on the instance of the environment."""
    origin = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(module_name=definitions), location_name=CODE_LOCATION
    )
    with dg.DagsterInstance.from_ref(_reference()) as instance:
        open_anew, own = dg.DagsterInstance.from_ref, instance.get_ref()

        def open_(asked: Any) -> Any:
            """Each tick would open it anew."""
            return nullcontext(instance) if asked == own else open_anew(asked)

        instance.optimize_for_webserver(
            statement_timeout=60_000, pool_recycle=3600, max_overflow=20
        )
        with (
            mock.patch.object(dg.DagsterInstance, "from_ref", staticmethod(open_)),
            # Or the database is asked for the names of all its tables ten times a tick.
            mock.patch.object(SqlScheduleStorage, "_has_instigators_table", return_value=True),
            WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as workspace,
        ):
            yield Daemons(instance, workspace)
