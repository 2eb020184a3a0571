"""Runs as alerts: that they failed, what their checks found, that a training began, what came of it;
and that what had failed went through."""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import dagster as dg

from soccer_assets.automation.check_alerts import tell_check
from soccer_assets.automation.failures import (
    close_what_went_through,
    failed_by_checks_alone,
    failure_alert,
)
from soccer_assets.automation.model_alerts import training_alert, trains, verdict_alerts
from soccer_assets.automation.retry_policy import (
    RETRY_TAG,
    WAITS,
    failed_by_surroundings,
    has_failed_before,
    is_tried_again,
    was_to_be_canceled,
)
from soccer_assets.automation.telling import Teller, Untold
from soccer_assets.resources import SlackAlertResource, WarehouseResource

START, SUCCESS, FAILURE = (
    dg.DagsterEventType.RUN_START,
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
)
#: Changes of a kind that are looked at in one tick.
MOST = 50
#: Numbers of events, below the newest, in which one may appear late: they are given before they are
#: committed.
LATE = 500


class Change(NamedTuple):
    """A run has changed its status."""

    number: int
    event: dg.DagsterEvent
    run_id: str


@dataclass
class Seen:
    """Which changes were dealt with."""

    floor: int
    """None below are looked at."""
    last: int
    late: set[int] = field(default_factory=set)
    """Those among the numbers in which others may still appear."""

    @classmethod
    def from_json(cls, text: str) -> "Seen":
        told = json.loads(text)
        return cls(told["floor"], told["last"], set(told["late"]))

    def to_json(self) -> str:
        late = sorted(number for number in self.late if number > self.last - LATE)
        return json.dumps({"floor": self.floor, "last": self.last, "late": late})

    def add(self, number: int) -> None:
        self.last = max(self.last, number)
        self.late.add(number)


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Puts into the outbox which run failed, at which step and why (not yet of one that "
    "is tried again), which checks failed and what they found, that a training began and why, what "
    "the gates decided; closes what went through. What could not be put there is looked at again.",
)
def run_alert(
    context: dg.SensorEvaluationContext, warehouse: WarehouseResource, slack: SlackAlertResource
) -> dg.SkipReason:
    instance = context.instance
    assert context.repository_def is not None
    if context.cursor is None:
        newest = max(
            (c.number for kind in (START, SUCCESS, FAILURE) for c in _newest(instance, kind)),
            default=0,
        )
        context.update_cursor(Seen(newest, newest).to_json())
        return dg.SkipReason("from now on, changes of runs are told")
    seen, teller, count = Seen.from_json(context.cursor), Teller(warehouse, slack), 0
    reason = ""
    for change in changes(instance, seen):
        try:
            _tell(context.instance, context.repository_def, teller, change)
        except Untold as untold:
            reason = f"; the next waits: {untold}"
            break
        seen.add(change.number)
        count += 1
    context.update_cursor(seen.to_json())
    return dg.SkipReason(f"{count} changes of runs seen{reason}")


def changes(instance: dg.DagsterInstance, seen: Seen) -> list[Change]:
    """Those that were not dealt with, in their order; never one before all that come before it."""
    found: list[Change] = []
    complete = None
    after = max(seen.floor, seen.last - LATE)
    for kind in (START, SUCCESS, FAILURE):
        of_kind = list(_after(instance, kind, after, MOST + len(seen.late)))
        if len(of_kind) == MOST + len(seen.late):  # there may be more
            complete = min(of_kind[-1].number, complete or of_kind[-1].number)
        found += of_kind
    return sorted(
        (
            change
            for change in found
            if change.number not in seen.late and (complete is None or change.number <= complete)
        ),
        key=lambda change: change.number,
    )


def _after(
    instance: dg.DagsterInstance, kind: dg.DagsterEventType, number: int, limit: int
) -> Iterator[Change]:
    wanted = dg.RunStatusChangeRecordsFilter(kind, after_storage_id=number)  # type: ignore[arg-type]
    for record in instance.fetch_run_status_changes(wanted, limit=limit, ascending=True).records:
        event = record.event_log_entry.dagster_event
        if event is not None:
            yield Change(record.storage_id, event, record.event_log_entry.run_id)


def _newest(instance: dg.DagsterInstance, kind: dg.DagsterEventType) -> Iterator[Change]:
    for record in instance.fetch_run_status_changes(kind, limit=1).records:
        event = record.event_log_entry.dagster_event
        if event is not None:
            yield Change(record.storage_id, event, record.event_log_entry.run_id)


def _tell(
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    teller: Teller,
    change: Change,
) -> None:
    run = instance.get_run_by_id(change.run_id)
    if run is None or not repository.has_job(run.job_name):
        return
    if change.event.event_type is START:
        if trains(run, repository):
            teller.tell(training_alert(run))
        return
    logs = instance.all_logs(
        run.run_id,
        of_type={
            dg.DagsterEventType.STEP_FAILURE,
            dg.DagsterEventType.STEP_SUCCESS,
            dg.DagsterEventType.ASSET_CHECK_EVALUATION,
        },
    )
    events = [entry.dagster_event for entry in logs if entry.dagster_event]
    failed = [event for event in events if event.is_step_failure]
    checks = [
        event.asset_check_evaluation_data
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    steps = {event.step_key for event in events if event.is_step_success and event.step_key}
    if change.event.event_type is FAILURE:
        # What failed a run otherwise is told, or tried again, with what its checks found of it.
        if failed_by_checks_alone(failed):
            _tell_checks(teller, run, [check for check in checks if not check.passed])
        else:
            _tell_failure(instance, teller, run, change.event, failed)
        with suppress(Untold):  # else what went past the outbox would do so again at every look
            _tell_checks(teller, run, [check for check in checks if check.passed])
            close_what_went_through(teller, run, steps, whole=False)
            _tell_verdicts(instance, teller, run, steps)
    else:
        # First what needs the outbox, for the same reason.
        close_what_went_through(teller, run, steps, whole=True)
        _tell_checks(teller, run, checks)
        _tell_verdicts(instance, teller, run, steps)


def _tell_checks(
    teller: Teller, run: dg.DagsterRun, checks: Iterable[dg.AssetCheckEvaluation]
) -> None:
    for check in checks:
        tell_check(teller, check, run.run_id)


def _tell_verdicts(
    instance: dg.DagsterInstance, teller: Teller, run: dg.DagsterRun, steps: Collection[str]
) -> None:
    for alert in verdict_alerts(instance, run.run_id, steps):
        teller.tell(alert)


def _tell_failure(
    instance: dg.DagsterInstance,
    teller: Teller,
    run: dg.DagsterRun,
    failure: dg.DagsterEvent,
    steps: list[dg.DagsterEvent],
) -> None:
    """Tell it, unless it is tried again: then have it wait for its next try."""
    if has_failed_before(run):  # the first time was told, or waits
        alert = failure_alert(instance, run)
        if teller.is_open(alert.kind, alert.key):  # type: ignore[arg-type]
            teller.tell(alert)
    elif (
        is_tried_again(run)
        and failed_by_surroundings(run, failure, steps)
        and not was_to_be_canceled(instance, run)
    ):
        if RETRY_TAG not in run.tags:
            instance.add_run_tags(run.run_id, {RETRY_TAG: WAITS})
    else:
        teller.tell(failure_alert(instance, run))
