"""Who is told, and when: failed runs, failed checks, assets that go stale or recover."""

import json

import dagster as dg

from soccer_assets.automation.retry_policy import (
    RETRY_TAG,
    WAITS,
    failed_by_surroundings,
    has_failed_before,
    is_tried_again,
    tries,
    was_to_be_canceled,
)
from soccer_assets.automation.run_watch import run_watch
from soccer_assets.automation.training import TRAINED, training
from soccer_assets.automation.updates import updates
from soccer_assets.dagster_internals import (
    AssetCheckExecutionRecordStatus,
)
from soccer_assets.resources import SlackAlertResource
from soccer_assets.runs import cause_of


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Says on Slack which run failed, at which step and why; not yet of one that is "
    "tried again.",
)
def run_failure_alert(context: dg.RunFailureSensorContext, slack: SlackAlertResource) -> None:
    instance = context.instance
    run = instance.get_run_by_id(context.dagster_run.run_id) or context.dagster_run
    steps = context.get_step_failure_events()
    if has_failed_before(run):
        return
    if (
        is_tried_again(run)
        and failed_by_surroundings(run, context.failure_event, steps)
        and not was_to_be_canceled(instance, run)
    ):
        instance.add_run_tags(run.run_id, {RETRY_TAG: WAITS})
    else:
        slack.send(failure_text(instance, run), run.run_id)


def failure_text(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """What to say of a run that failed."""
    kinds = {
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.RUN_CANCELING,  # by its limit on time
        dg.DagsterEventType.RUN_FAILURE,
    }
    found = instance.all_logs(run.run_id, of_type=kinds)
    events = [entry.dagster_event for entry in found if entry.dagster_event]
    steps = [
        f"{event.step_key}: {cause_of(event)}"
        for event in events
        if event.is_step_failure and not _was_interrupted(event)
    ]
    runs = [event.message or "" for event in events if not event.is_step_failure]
    why = "; ".join(steps or runs[:1])
    partition = run.tags.get("dagster/partition")
    where = f" ({partition})" if partition else ""
    times = f" {tries(run)} times" if tries(run) > 1 else ""
    return f":red_circle: {run.job_name}{where} failed{times}. {why}"


def _was_interrupted(event: dg.DagsterEvent) -> bool:
    """Whether a step failed only because its run was ended."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Says on Slack which checks failed in a run that went through all the same.",
)
def check_alert(context: dg.RunStatusSensorContext, slack: SlackAlertResource) -> None:
    run = context.dagster_run
    for entry in context.instance.all_logs(
        run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ):
        assert entry.dagster_event is not None
        check = entry.dagster_event.asset_check_evaluation_data
        if check.passed or _failed_before(context.instance, check.asset_check_key):
            continue
        mark = ":warning:" if check.severity is dg.AssetCheckSeverity.WARN else ":red_circle:"
        found = "; ".join(f"{name}: {value.value}" for name, value in check.metadata.items())
        slack.send(
            f"{mark} check {check.check_name} of {check.asset_key.to_user_string()} failed. "
            f"{found[:500]}",
            run.run_id,
        )


def _failed_before(instance: dg.DagsterInstance, check: dg.AssetCheckKey) -> bool:
    """Whether the check had failed already the time before: a fault that stays is told once."""
    history = instance.event_log_storage.get_asset_check_execution_history(check, limit=2)
    return len(history) > 1 and history[1].status is AssetCheckExecutionRecordStatus.FAILED


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
    told = json.loads(context.cursor or "{}")
    for asset, state in sorted(now.items()):
        was = told.get(asset)
        if state in ("WARN", "FAIL") and state != was:
            sent = slack.send(f":hourglass: {asset} is stale ({state}).")
        elif state == "PASS" and was in ("WARN", "FAIL"):
            sent = slack.send(f":white_check_mark: {asset} is fresh again.")
        else:
            sent = True
        if sent:  # else the next tick tries again
            told[asset] = state
    context.update_cursor(json.dumps(told))
    return dg.SkipReason(f"{len(now)} freshness states seen")


automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all() - TRAINED,  # a sensor of its own asks for that
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)

SENSORS = [
    automation,
    training,
    updates,
    run_failure_alert,
    check_alert,
    freshness_alert,
    run_watch,
]
