"""Which failed runs are tried again, and when.

What failed by its surroundings is tried again after growing pauses, for about an hour; what failed
by its content or by a bug is not. Neither of Dagster's own ways fits: a ``RetryPolicy`` pauses
inside the run, which keeps its process and its place among the runs, and ``run_retries`` does not
pause. Between the tries of a run there is nothing but its record, and the tags on it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from soccer_assets.automation.reasons import TRIGGER_TAG
from soccer_assets.automation.records import ATTEMPT_TAG, UPDATE
from soccer_assets.surroundings import is_of_surroundings

FAILED_BY_TAG = "soccer/failed_by"
SURROUNDINGS, CONTENT = "surroundings", "content"
#: What becomes of a run that failed by its surroundings: it waits, or how the wait ended.
RETRY_TAG = "soccer/retry"
WAITS = "waits"
#: Of a run that is a further try: which one, for which run, and when the first one failed.
TRY_TAG, RETRY_OF_TAG, FIRST_FAILED_TAG = "soccer/try", "soccer/retry_of", "soccer/first_failed"

#: Before the second, third, ... try.
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 4, 10, 15, 20))
#: No pause ends longer than this after the first failure.
TRIED_FOR = timedelta(hours=1)

#: Whoever started such a run, in a shell, starts it again.
_OF_A_COMMAND = {"dagster/max_retries": "0"}


@dg.failure_hook(name="note_cause")
def note_cause(context: dg.HookContext) -> None:
    """Write on the run by what its step failed; of several steps, one of content decides."""
    error = context.op_exception
    run = context.instance.get_run_by_id(context.run_id)
    if error is not None and run is not None and run.tags.get(FAILED_BY_TAG) != CONTENT:
        cause = SURROUNDINGS if is_of_surroundings(error) else CONTENT
        context.instance.add_run_tags(run.run_id, {FAILED_BY_TAG: cause})


def with_causes_noted(assets: Iterable[Any]) -> list[Any]:
    """Have the runs of assets say by what they failed."""
    return [
        asset.with_hooks({note_cause}) if isinstance(asset, dg.AssetsDefinition) else asset
        for asset in assets
    ]


def failed_by_surroundings(
    run: dg.DagsterRun, failure: dg.DagsterEvent, steps: Iterable[dg.DagsterEvent]
) -> bool:
    """Whether a run failed by them: its steps did, or its process died.

    Args:
        failure: of the run.
        steps: failures of its steps.
    """
    if FAILED_BY_TAG in run.tags:
        return run.tags[FAILED_BY_TAG] == SURROUNDINGS
    errors = [event.step_failure_data.error for event in steps]
    if errors:  # of steps that could not say so themselves
        return all(error and error.cls_name == "ChildProcessCrashException" for error in errors)
    return failure.event_specific_data is None or failure.job_failure_data.error is None


def was_to_be_canceled(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run that failed had been asked to end before: by its limit on time, say."""
    asked = {dg.DagsterEventType.RUN_CANCELING}
    return bool(instance.all_logs(run.run_id, of_type=asked))


def is_tried_again(run: dg.DagsterRun) -> bool:
    """Whether anybody starts a run again that failed by its surroundings."""
    return not _OF_A_COMMAND.items() <= run.tags.items()


def is_asked_for_again(run: dg.DagsterRun) -> bool:
    """Whether that is who asked for it in the first place: the sensor ``updates``, which asks for
    as long as something is behind."""
    return run.tags.get(TRIGGER_TAG) == UPDATE


def has_failed_before(run: dg.DagsterRun) -> bool:
    """Whether that sensor asked for it because it had failed; the first failure is told, or waits."""
    return is_asked_for_again(run) and int(run.tags.get(ATTEMPT_TAG, 1)) > 1


def tries(run: dg.DagsterRun) -> int:
    return int(run.tags.get(TRY_TAG, 1))


def first_failed(record: dg.RunRecord) -> datetime:
    told = record.dagster_run.tags.get(FIRST_FAILED_TAG)
    return datetime.fromisoformat(told) if told else failed_at(record)


def failed_at(record: dg.RunRecord) -> datetime:
    if record.end_time is None:
        return record.update_timestamp.astimezone(UTC)
    return datetime.fromtimestamp(record.end_time, UTC)


def next_try(record: dg.RunRecord) -> datetime | None:
    """When a run that failed by its surroundings is tried again; None when no more."""
    count = tries(record.dagster_run)
    if count > len(PAUSES):
        return None
    at = failed_at(record) + PAUSES[count - 1]
    return at if at <= first_failed(record) + TRIED_FOR else None
