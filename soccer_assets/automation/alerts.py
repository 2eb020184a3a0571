"""Who is told, and when: failed runs and assets that go stale or recover."""

import json

import dagster as dg

from soccer_assets.resources import SlackAlertResource
from soccer_assets.settings import get_settings


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Says on Slack which run failed, at which step and why.",
)
def run_failure_alert(context: dg.RunFailureSensorContext, slack: SlackAlertResource) -> None:
    run = context.dagster_run
    steps = "; ".join(
        f"{event.step_key}: {_reason(event)}" for event in context.get_step_failure_events()
    )
    link = f"{get_settings().dagster_webserver_url}/runs/{run.run_id}"
    partition = run.tags.get("dagster/partition")
    where = f" ({partition})" if partition else ""
    slack.send(
        f":red_circle: {run.job_name}{where} failed. {steps or context.failure_event.message}\n{link}"
    )


def _reason(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    return failure.error.message.strip() if failure.error else "unknown"


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Says on Slack which assets went stale, and which recovered.",
)
def freshness_alert(
    context: dg.SensorEvaluationContext, slack: SlackAlertResource
) -> dg.SensorResult | dg.SkipReason:
    assert context.repository_def is not None
    graph = context.repository_def.asset_graph
    keys = [key for key in graph.materializable_asset_keys if graph.get(key).freshness_policy]
    records = context.instance.get_freshness_state_records(keys)
    now = {key.to_user_string(): record.freshness_state.value for key, record in records.items()}
    before = json.loads(context.cursor or "{}")
    for asset, state in sorted(now.items()):
        was = before.get(asset)
        if state in ("WARN", "FAIL") and state != was:
            slack.send(f":hourglass: {asset} is stale ({state}).")
        elif state == "PASS" and was in ("WARN", "FAIL"):
            slack.send(f":white_check_mark: {asset} is fresh again.")
    context.update_cursor(json.dumps(now))
    return dg.SkipReason(f"{len(now)} freshness states seen")


automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)

SENSORS = [automation, run_failure_alert, freshness_alert]
