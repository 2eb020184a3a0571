"""Dagster's own daemons in this process, a round at a time, on a clock that somebody else moves.

Schedules, sensors, automation conditions, backfills and freshness are evaluated by the code of
``dagster-daemon``, with its cursors and ticks in the storage, so a replay that was killed goes on
where it was. What they ask for is executed here, after the round that asked.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

import dagster as dg
import yaml

from soccer_assets.automation.retry_policy import RETRY_TAG, WAITS
from soccer_assets.dagster_daemons import Daemons, QueueLauncher, project_time
from soccer_assets.dagster_home import dagster_home
from soccer_assets.dagster_internals import ConfigurableClassData, InstanceRef
from soccer_assets.instance import CODE_LOCATION
from soccer_assets.runs import end_dead_runs

DEFINITIONS = "soccer_assets.definitions"
#: What a run makes -> what is open while it is executed.
Timed = Callable[[str], AbstractContextManager[None]]

#: Instead of what dagster.yaml says.
_HERE: Any = {
    "run_launcher": {"module": QueueLauncher.__module__, "class": QueueLauncher.__name__},
    # Of a launcher that knows the health of processes elsewhere: all runs are here.
    "run_monitoring": {"enabled": False},
}
#: Instead of a queue, which a process of its own would empty.
_AT_ONCE = ConfigurableClassData(
    "dagster._core.run_coordinator", "DefaultRunCoordinator", yaml.dump({})
)

_NOT_BEGUN = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
]


class Daemon:
    """Asks for runs as the daemon does, and executes them."""

    def __init__(self, instance: dg.DagsterInstance, daemons: Daemons) -> None:
        assert isinstance(instance.run_launcher, QueueLauncher)
        self.instance = instance
        self._daemons = daemons
        self._launcher = instance.run_launcher

    def schedules(self, now: datetime) -> None:
        """Evaluate each schedule at the last of its ticks that became due."""
        self._daemons.schedules(now)

    def sensors(self) -> None:
        """Evaluate what is due of everything else that asks for runs, or tells."""
        self._daemons.beat()
        self._daemons.freshness()
        self._daemons.sensors()
        self._daemons.automation()
        self._daemons.backfills()

    @property
    def errors(self) -> list[str]:
        return [error.message for error in self._daemons.errors]

    @property
    def waiting(self) -> int:
        """Runs that were asked for and not executed yet."""
        return self._launcher.waiting

    def resume(self) -> None:
        """Take over from a process that was killed: what it had begun has failed, and what it had
        launched only is executed here."""
        for run in self.instance.get_runs(dg.RunsFilter(statuses=_NOT_BEGUN))[::-1]:
            self._launcher.adopt(run.run_id)
        end_dead_runs(self.instance)

    @property
    def retries(self) -> bool:
        """Whether runs that failed wait for their next try."""
        failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags={RETRY_TAG: WAITS})
        return bool(self.instance.get_run_records(failed, limit=1))

    def kill_next(self, job: str) -> None:
        """The process of the next run of a job dies when the run has begun."""
        self._launcher.kill = job

    def execute(self, timed: Timed) -> Iterator[dg.DagsterRun]:
        """Execute the runs that wait, in their order, each inside what ``timed`` gives for it."""
        while run := self._launcher.next():
            assets = sorted(key.to_user_string() for key in run.asset_selection or ())
            with timed(", ".join(assets) or run.job_name):
                self._launcher.execute(run)
            yield self.instance.get_run_by_id(run.run_id) or run


@contextmanager
def open_daemon() -> Iterator[Daemon]:
    """On the instance and the definitions of the environment, whose clock is Dagster's meanwhile."""
    named = InstanceRef.from_dir(str(dagster_home()), overrides=_HERE)
    # Not an override: dagster.yaml says how the queue is emptied, which Dagster takes for a choice.
    reference = named._replace(run_coordinator_data=_AT_ONCE)
    with (
        project_time(),
        dg.DagsterInstance.from_ref(reference) as instance,
        Daemons.of_module(instance, DEFINITIONS, CODE_LOCATION) as daemons,
    ):
        yield Daemon(instance, daemons)
