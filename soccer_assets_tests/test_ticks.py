"""Schedules and sensors after the clock was ahead, ticked by the code of Dagster's daemon."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs

from soccer_assets.dagster_internals import InstanceRef

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
HOUR = timedelta(hours=1)
INSTANCE = "instance_class: {module: soccer_assets.instance, class: SoccerInstance}\n"
log = logging.getLogger(__name__)


@dg.job
def nothing() -> None: ...


@dg.schedule(
    job=nothing, cron_schedule="5 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING
)
def hourly() -> dg.SkipReason:
    return dg.SkipReason("looked")


@dg.sensor(job=nothing, default_status=dg.DefaultSensorStatus.RUNNING)
def watch() -> dg.SkipReason:
    return dg.SkipReason("looked")


DEFINITIONS = dg.Definitions(schedules=[hourly], sensors=[watch])


class Daemon:
    """Ticks what is due, as a daemon that was just started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ticks_at(self, *moments: datetime) -> dict[str, list[datetime]]:
        """What ticked, and when it says it did."""
        target = InProcessWorkspaceLoadTarget(
            InProcessCodeLocationOrigin(
                LoadableTargetOrigin(python_file=__file__, attribute="DEFINITIONS"),
                location_name="t",
            )
        )
        iterations: dict = {}
        with (
            dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(self.folder))) as instance,
            create_test_daemon_workspace_context(target, instance) as workspace,
        ):
            for moment in moments:
                with freeze_time(moment):
                    list(launch_scheduled_runs(workspace, log, moment, iterations))
                    list(execute_sensor_iteration(workspace, log, None, None))
            found = {}
            with freeze_time(moments[-1]):
                for state in instance.all_instigator_state():
                    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
                    found[state.instigator_name] = [
                        datetime.fromtimestamp(tick.timestamp, UTC) for tick in ticks
                    ]
            return found


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    (tmp_path / "dagster.yaml").write_text(INSTANCE)
    return Daemon(tmp_path)


def test_what_ticked_while_the_clock_was_ahead_ticks_on(
    daemon: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    """And says so, once."""
    ahead = daemon.ticks_at(NOON + YEAR, NOON + YEAR + HOUR)
    assert max(ahead["hourly"]) > NOON + YEAR
    assert max(ahead["watch"]) > NOON + YEAR
    caplog.clear()
    back = daemon.ticks_at(NOON, NOON + HOUR)
    assert back == {"hourly": [NOON + timedelta(minutes=5)], "watch": [NOON + HOUR]}
    told = [record.message for record in caplog.records if "clock was ahead" in record.message]
    assert sorted(line.split()[0] for line in told) == ["hourly", "watch"]
