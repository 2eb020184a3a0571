"""Once a day, what Dagster has recorded and nobody looks at any more is removed."""

from typing import Any

import dagster as dg

from soccer_assets.automation.attempts import MOST_ATTEMPTS, MOST_CHAMPIONS, MOST_FINISHED
from soccer_assets.automation.jobs import ends_within
from soccer_assets.automation.reasons import ATTEMPT, TRAINING_TAG
from soccer_assets.automation.records import FAILED_UPDATES, MOST_FAILURES
from soccer_assets.automation.retry_policy import RETRY_TAG, WAITS, note_cause
from soccer_assets.automation.telling import now
from soccer_assets.maintenance.storage import Needs, NotKept, maintain
from soccer_assets.resources import ParamsResource
from soccer_assets.runs import MOST_ALIKE

#: What the sensors look back at, and the UI's page of an asset: it plots a hundred.
NEEDS = Needs(
    events=max(MOST_ATTEMPTS, MOST_CHAMPIONS, MOST_FINISHED, 100),
    runs_of_job=MOST_ALIKE,
    runs=(
        (dg.RunsFilter(tags={TRAINING_TAG: ATTEMPT}), MOST_ATTEMPTS),
        (FAILED_UPDATES, MOST_FAILURES),
        (dg.RunsFilter(tags={RETRY_TAG: WAITS}), None),
    ),
)


@dg.op(
    pool="maintenance",
    description="Removes old runs, their logs and what they printed, replaced events and checks.",
)
def maintain_storage(context: dg.OpExecutionContext, params: ParamsResource) -> None:
    try:
        done = maintain(context.instance, params.read().maintenance, NEEDS, now(), context.log.info)
    except NotKept as error:
        context.log.info(str(error))
        return
    told: dict[str, Any] = {
        **{f"removed: {what}": count for what, count in done.removed.items()},
        **{f"MB: {table}": round(size / 1e6, 1) for table, size in done.after.items()},
        "MB before": round(sum(done.before.values()) / 1e6, 1),
        "MB after": round(sum(done.after.values()) / 1e6, 1),
        "complete": done.is_complete,
    }
    context.add_output_metadata(told)
    if done.failed:
        why = "; ".join(f"{what}: {error}" for what, error in done.failed.items())
        raise dg.Failure(f"what is kept for too long: {why}")


@dg.job(
    description="Keeps Dagster's own tables and logs small; decides nothing, and makes no asset.",
    tags=ends_within(hours=2),
    hooks={note_cause},
)
def maintenance() -> None:
    maintain_storage()


maintenance_schedule = dg.ScheduleDefinition(
    name="daily_maintenance",
    job=maintenance,
    cron_schedule="15 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Once a day, before the fixtures and the review.",
)
