"""Nothing runs for ever: dead runs are ended, and what takes far too long is told."""

import json
from datetime import UTC, datetime

import dagster as dg

from soccer_assets.resources import SlackAlertResource
from soccer_assets.runs import end_dead_runs, overdue


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process died, which frees their slots and fails them for the "
    "alerts; says on Slack which runs take three times their usual time.",
)
def run_watch(context: dg.SensorEvaluationContext, slack: SlackAlertResource) -> dg.SkipReason:
    # Here, in the code server, are the processes that execute its runs; the daemon may be elsewhere.
    ended = end_dead_runs(context.instance)
    late = overdue(context.instance, datetime.now(UTC))
    told = [run for run in json.loads(context.cursor or "[]") if run in late]
    for run, message in late.items():
        if run not in told and slack.send(f":hourglass: {message}."):
            told.append(run)
    context.update_cursor(json.dumps(told))
    return dg.SkipReason(f"{len(ended)} dead runs ended, {len(late)} take long")
