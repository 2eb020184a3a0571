"""What to say of a run that failed, and what closes that again."""

import re
from collections.abc import Collection, Iterable

import dagster as dg

from soccer_assets.alerting.kinds import Kind
from soccer_assets.alerting.outbox import OPEN, Alert, Entry, find, narrow, recover
from soccer_assets.automation.retry_policy import tries
from soccer_assets.automation.telling import Teller, now
from soccer_assets.runs import cause_of

#: Kinds that a run which goes through closes.
OF_RUNS = (Kind.RUN_FAILED, Kind.RELOAD_FAILED)
_RELOAD = ("serving_workers",)
_ASSET_JOB = "__ASSET_JOB"
_PARTITION = "dagster/partition"
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_TO = "..."
#: What differs from run to run in the words of the same cause. The status of an answer does not.
_VARIES = re.compile(r"\b(?=\w*\d)[0-9a-f]{8,}\b|(?<!HTTP )\d+(?:[-:.,T]\d+)*", re.IGNORECASE)
_KEY_LENGTH = 200
#: So many of the assets of a run are named in a message.
_NAMED = 3
_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
_CHECK_FAILED = "DagsterAssetCheckFailedError"


def failure_text(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """What to say of a run that failed."""
    return _text(run, *_failed_steps(instance, run))


def _text(run: dg.DagsterRun, steps: list[str], why: str) -> str:
    partition = run.tags.get(_PARTITION)
    where = f" ({partition})" if partition else ""
    times = f" {tries(run)} times" if tries(run) > 1 else ""
    return f"{_shortly(_named(run, steps))}{where} failed{times}. {why}"


def failure_alert(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Alert:
    """The alert of a run that failed: runs that fail alike, by the same cause, are one trouble."""
    steps, why = _failed_steps(instance, run)
    is_reload = tuple(steps) == _RELOAD
    key = f"{', '.join(_named(run, steps))}: {_VARIES.sub('#', why)}"[:_KEY_LENGTH]
    return Alert(
        Kind.RELOAD_FAILED if is_reload else Kind.RUN_FAILED,
        _RELOAD[0] if is_reload else key,
        _text(run, steps, why),
        run.run_id,
        scope={
            "job": run.job_name,
            "steps": steps,
            "assets": _assets(run),
            "partitions": _covers(run) if _is_of_partitions(instance, run, steps) else [],
        },
    )


def _named(run: dg.DagsterRun, steps: list[str]) -> list[str]:
    """What failed, by the names that users know: the job of whatever is asked for has none."""
    if run.job_name != _ASSET_JOB:
        return [run.job_name]
    return steps or _assets(run) or [run.job_name]


def _shortly(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _assets(run: dg.DagsterRun) -> list[str]:
    return sorted(key.to_user_string() for key in run.asset_selection or ())


def failed_by_checks_alone(steps: Iterable[dg.DagsterEvent]) -> bool:
    """Whether every step that failed did so because of a check, which is told by itself."""
    errors = [event.step_failure_data.error for event in steps]
    return bool(errors) and all(error and error.cls_name == _CHECK_FAILED for error in errors)


def close_what_went_through(
    teller: Teller, run: dg.DagsterRun, steps: Collection[str], *, whole: bool
) -> None:
    """Close the failures of what this run did, for its partitions.

    Args:
        steps: that succeeded.
        whole: whether the run did.
    """
    if not steps and not whole:
        return
    for failure in teller.reach(lambda engine: find(engine, kinds=OF_RUNS, state=OPEN)):
        if not _does_the_same(failure, run, set(steps), whole):
            continue
        partitions = failure.scope.get("partitions") or []
        left = [one for one in partitions if not _is_covered(one, run)]
        if left and len(left) < len(partitions):
            _narrow(teller, failure, left)
        elif not left:
            what = ", ".join(failure.scope.get("steps") or []) or run.job_name
            _recover(teller, failure, f"{what} went through")


def _narrow(teller: Teller, failure: Entry, left: list[str]) -> None:
    teller.reach(lambda engine: narrow(engine, failure.alert_id, left))


def _recover(teller: Teller, failure: Entry, how: str) -> None:
    teller.reach(lambda engine: recover(engine, failure.kind, failure.key, how, now()))


def _does_the_same(failure: Entry, run: dg.DagsterRun, steps: set[str], whole: bool) -> bool:
    failed = set(failure.scope.get("steps") or [])
    if failed:
        return failed <= steps
    if not whole or failure.scope.get("job") != run.job_name:
        return False
    assets = set(failure.scope.get("assets") or [])
    made = {key.to_user_string() for key in run.asset_selection or ()}
    return run.job_name != _ASSET_JOB or bool(assets & made)


def _covers(run: dg.DagsterRun) -> list[str]:
    if run.tags.get(_PARTITION):
        return [run.tags[_PARTITION]]
    first, last = run.tags.get(_FIRST), run.tags.get(_LAST)
    return [f"{first}{_TO}{last}"] if first and last else []


def _is_of_partitions(instance: dg.DagsterInstance, run: dg.DagsterRun, steps: list[str]) -> bool:
    """Whether what failed is a matter of the run's partitions: in a run of months are also steps that
    have none, and go through in one of other months, or of none."""
    planned = [
        entry.dagster_event
        for entry in instance.all_logs(run.run_id, of_type=_PLANNED)
        if entry.dagster_event and entry.dagster_event.step_key in steps
    ]
    made = [event.asset_materialization_planned_data for event in planned]
    return not made or any(one.partition or one.partitions_subset for one in made)


def _is_covered(partitions: str, run: dg.DagsterRun) -> bool:
    """Whether a run covers a partition, or some of a range: what is left of one is asked for in
    other ranges, and is told of by its own check."""
    one = run.tags.get(_PARTITION)
    first, last = run.tags.get(_FIRST, one), run.tags.get(_LAST, one)
    if not first or not last:
        return False
    from_, _, to = partitions.partition(_TO)
    return first <= (to or from_) and from_ <= last


def _failed_steps(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[list[str], str]:
    """The steps that failed, and why they or the run did."""
    kinds = {
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.RUN_CANCELING,  # by its limit on time
        dg.DagsterEventType.RUN_FAILURE,
    }
    found = instance.all_logs(run.run_id, of_type=kinds)
    events = [entry.dagster_event for entry in found if entry.dagster_event]
    failed = [event for event in events if event.is_step_failure and not _was_interrupted(event)]
    steps = sorted({event.step_key for event in failed if event.step_key})
    runs = [event.message or "" for event in events if not event.is_step_failure]
    why = [f"{event.step_key}: {cause_of(event)}" for event in failed] or runs[:1]
    return steps, "; ".join(why)


def _was_interrupted(event: dg.DagsterEvent) -> bool:
    """Whether a step failed only because its run was ended."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__
