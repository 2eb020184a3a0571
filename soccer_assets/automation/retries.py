"""Starts runs again that failed by their surroundings, and tells of those that it gives up."""

from collections.abc import Iterator, Sequence, Set
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from soccer_assets.automation.alerts import failure_text
from soccer_assets.automation.catching_up import ASKED_BY_TAG
from soccer_assets.automation.reasons import TRAINING_TAGS, TRIGGER_TAG
from soccer_assets.automation.retry_policy import (
    FIRST_FAILED_TAG,
    RETRY_OF_TAG,
    RETRY_TAG,
    TRIED_FOR,
    TRY_TAG,
    WAITS,
    failed_at,
    first_failed,
    is_asked_for_again,
    next_try,
    tries,
)
from soccer_assets.dagster_internals import get_current_timestamp
from soccer_assets.resources import SlackAlertResource

#: Tags that say what a run is to make and who wanted it.
_KEPT = (
    TRIGGER_TAG,
    *TRAINING_TAGS,
    ASKED_BY_TAG,
    "dagster/partition",
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
    "dagster/from_automation_condition",
)
_DESCRIPTION = (
    "Runs that failed because the feed, a database, the object store, MLflow, a worker or their own "
    "process went away are started again after 1, 4, 10, 15 and 20 minutes, with what is left to "
    "make; those that still fail then are told on Slack."
)


def retry_sensors(jobs: Sequence[Any]) -> list[dg.SensorDefinition]:
    """For runs of these jobs, and for all others: a sensor asks either for jobs or for assets."""
    named = {job.name for job in jobs}
    every = dg.AssetSelection.all()
    return [
        _sensor("retry_jobs", named, of_named_jobs=True, jobs=jobs),
        _sensor("retry_assets", named, of_named_jobs=False, asset_selection=every),
    ]


def _sensor(
    name: str, named: Set[str], *, of_named_jobs: bool, **target: Any
) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=_DESCRIPTION,
        **target,
    )
    def retries(context: dg.SensorEvaluationContext, slack: SlackAlertResource) -> Any:
        waiting = context.instance.get_run_records(
            dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags={RETRY_TAG: WAITS}),
            limit=100,
            ascending=True,
        )
        ours = [r for r in waiting if (r.dagster_run.job_name in named) == of_named_jobs]
        requests = [
            request
            for record in ours
            for request in _look_at(record, context, slack, by_name=of_named_jobs)
        ]
        return requests or dg.SkipReason(f"of {len(ours)} failed runs that wait, none is due")

    return retries


def _look_at(
    record: dg.RunRecord,
    context: dg.SensorEvaluationContext,
    slack: SlackAlertResource,
    *,
    by_name: bool,
) -> Iterator[dg.RunRequest]:
    """Start the run again if it is time, or end its wait."""
    instance, run = context.instance, record.dagster_run
    now = datetime.fromtimestamp(get_current_timestamp(), UTC)
    further = dg.RunsFilter(tags={RETRY_OF_TAG: run.run_id})
    left = _left_to_make(record, context)
    if instance.get_run_records(further, limit=1):
        _close(instance, run, "tried again")
    elif left == []:
        _close(instance, run, "made since")
    elif run.asset_check_selection and not run.asset_selection:
        _give_up(instance, run, slack)  # checks alone: whoever wanted to know asks again
    elif is_asked_for_again(run):
        # Either way: a clock that was ahead may have stamped it.
        if abs(now - first_failed(record)) >= TRIED_FOR:
            _give_up(instance, run, slack)
    elif (at := next_try(record)) is None:
        _give_up(instance, run, slack)
    elif now >= at or failed_at(record) > now:  # by a clock that was ahead
        yield _further_try(record, left, by_name=by_name)


def _left_to_make(
    record: dg.RunRecord, context: dg.SensorEvaluationContext
) -> list[dg.AssetKey] | None:
    """The assets of a run that neither it nor any other made since it began; all of those of a run
    over a range. None: its job has no assets, and is run as a whole."""
    run = record.dagster_run
    keys = _assets_of(run, context)
    if not keys:
        return None
    if any(tag.startswith("dagster/asset_partition_range") for tag in run.tags):
        return keys
    partition = run.tags.get("dagster/partition")
    began = record.start_time or record.create_timestamp.timestamp()

    def is_left(key: dg.AssetKey) -> bool:
        since = dg.AssetRecordsFilter(
            asset_key=key,
            asset_partitions=[partition] if partition else None,
            after_timestamp=began - 0.001,  # at that moment counts
        )
        return not context.instance.fetch_materializations(since, limit=1).records

    left = [key for key in keys if is_left(key)]
    # Config of a step that is left out would be refused.
    return keys if left and run.run_config.get("ops") else left


def _assets_of(run: dg.DagsterRun, context: dg.SensorEvaluationContext) -> list[dg.AssetKey]:
    if run.asset_selection:
        return sorted(run.asset_selection)
    assert context.repository_def is not None
    graph = context.repository_def.get_job(run.job_name).asset_layer.asset_graph
    return sorted(graph.materializable_asset_keys)


def _further_try(
    record: dg.RunRecord, left: list[dg.AssetKey] | None, *, by_name: bool
) -> dg.RunRequest:
    run = record.dagster_run
    return dg.RunRequest(
        run_key=run.run_id,  # it is done once
        job_name=run.job_name if by_name else None,
        asset_selection=left,
        run_config=run.run_config,
        tags={
            **{tag: run.tags[tag] for tag in _KEPT if tag in run.tags},
            TRY_TAG: str(tries(run) + 1),
            RETRY_OF_TAG: run.run_id,
            FIRST_FAILED_TAG: first_failed(record).isoformat(),
        },
    )


def _give_up(instance: dg.DagsterInstance, run: dg.DagsterRun, slack: SlackAlertResource) -> None:
    if slack.send(failure_text(instance, run), run.run_id):  # else the next tick tries again
        _close(instance, run, "given up")


def _close(instance: dg.DagsterInstance, run: dg.DagsterRun, how: str) -> None:
    instance.add_run_tags(run.run_id, {RETRY_TAG: how})
