"""The sensors that alert, as the daemon ticks them, on a clock that the test moves."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData, StepSuccessData, UserFailureData
from dagster._core.test_utils import freeze_time

from soccer_assets.alerting.outbox import Entry, find
from soccer_assets.automation.delivery import alert_delivery
from soccer_assets.automation.retry_policy import CONTENT, FAILED_BY_TAG
from soccer_assets.automation.run_alerts import run_alert
from soccer_assets.resources import ParamsResource, SlackAlertResource, WarehouseResource
from soccer_assets.settings import get_settings
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.fake_slack import Slack

CHANNEL, UI = "#alerts-of-this-test", "https://dagster.example:3443"
TOKEN = "xoxb-token-of-this-test"


@dataclass
class Desk:
    """Whoever works here has nothing but what the daemon hands him."""

    instance: dg.DagsterInstance
    slack: Slack
    definitions: dg.Definitions
    now: datetime = MIDSEASON
    cursors: dict[str, str | None] = field(default_factory=dict)

    @property
    def resources(self) -> dict[str, Any]:
        settings = get_settings()
        return {
            "warehouse": WarehouseResource(settings=settings),
            "slack": SlackAlertResource(
                settings=settings, channel=CHANNEL, api_url=self.slack.url, timeout_seconds=2.0
            ),
            "params": ParamsResource(settings=settings),
        }

    def tick(self, sensor: dg.SensorDefinition, after: timedelta = timedelta(0)) -> str:
        """Returns what the tick says."""
        self.now += after
        with (
            freeze_time(self.now),
            dg.build_sensor_context(
                instance=self.instance,
                definitions=self.definitions,
                cursor=self.cursors.get(sensor.name),
                resources=self.resources,
            ) as context,
        ):
            data = sensor.evaluate_tick(context)
        if data.cursor is not None:
            self.cursors[sensor.name] = data.cursor
        return data.skip_message or ""

    def tell(self, after: timedelta = timedelta(0)) -> None:
        """Look at the runs, and deliver."""
        self.tick(run_alert, after)
        self.tick(alert_delivery)

    @property
    def outbox(self) -> list[Entry]:
        return find(self.resources["warehouse"].engine)

    def run(self, job: str = "nightly", **how: Any) -> dg.ExecuteInProcessResult:
        """Execute a job, whatever comes of it."""
        with freeze_time(self.now):
            return self.definitions.resolve_job_def(job).execute_in_process(
                instance=self.instance, raise_on_error=False, **how
            )

    # Runs that nobody executes

    def fails(self, job: str, step: str, why: str, **tags: str) -> dg.DagsterRun:
        """A run of a job has failed at a step, by its content."""
        run = self._begins(job, {FAILED_BY_TAG: CONTENT, **_names(tags)})
        told = UserFailureData("", why, {})
        data = StepFailureData(error=None, user_failure_data=told)
        self._report(run, dg.DagsterEventType.STEP_FAILURE, step, data)
        self._report(run, dg.DagsterEventType.RUN_FAILURE)
        return run

    def succeeds(self, job: str, step: str, **tags: str) -> dg.DagsterRun:
        run = self._begins(job, _names(tags))
        self._report(run, dg.DagsterEventType.STEP_SUCCESS, step, StepSuccessData(1.0))
        self._report(run, dg.DagsterEventType.RUN_SUCCESS)
        return run

    def _begins(self, job: str, tags: dict[str, str]) -> dg.DagsterRun:
        with freeze_time(self.now):
            run = dg.DagsterRun(job_name=job, tags=tags, status=dg.DagsterRunStatus.STARTED)
            return self.instance.add_run(run)

    def _report(
        self,
        run: dg.DagsterRun,
        kind: dg.DagsterEventType,
        step: str | None = None,
        data: Any = None,
    ) -> None:
        with freeze_time(self.now):
            event = dg.DagsterEvent(
                kind.value, run.job_name, step_key=step, event_specific_data=data
            )
            self.instance.report_dagster_event(event, run.run_id)


def _names(tags: dict[str, str]) -> dict[str, str]:
    return {f"dagster/{name}": value for name, value in tags.items()}
