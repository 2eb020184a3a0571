"""What happened and why, in the order in which it did, from what the graph itself has recorded."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pandas as pd

from soccer_assets.alerting.kinds import KINDS, Kind, Severity
from soccer_assets.alerting.outbox import Entry
from soccer_assets.automation.reasons import (
    ATTEMPT,
    BECAUSE_TAG,
    MANUAL,
    TRAINING_TAG,
    TRIGGER_TAG,
)
from soccer_assets.replay.plan import Day
from soccer_assets.runs import cause_of
from soccer_assets.warehouse import promotions
from soccer_assets.warehouse.promotions import Decision

COLUMNS = ["at", "kind", "what", "why"]
#: Decision -> what it is called here.
DECIDED = {
    promotions.PROMOTED: "promotion",
    promotions.APPROVED: "promotion",
    promotions.REJECTED: "rejection",
    promotions.AWAITING: "awaits a person",
    promotions.ROLLED_BACK: "rollback",
    promotions.MOVED_BY_HAND: "moved by hand",
}
#: Alerts of what is here from where it is recorded.
_RECORDED = (
    Kind.RETRAIN_STARTED,
    Kind.PROMOTED,
    Kind.ROLLED_BACK,
    Kind.AWAITING,
    Kind.MOVED_BY_HAND,
)
TRAINING, ALERT, WARNING, OVER = "training", "alert", "warning", "over"
FAILED_RUN, FAULT, DIGEST = "failed run", "fault", "digest"
_NAME = {Severity.ERROR: ALERT, Severity.WARNING: WARNING}


def timeline(
    instance: dg.DagsterInstance,
    decisions: Sequence[Decision],
    outbox: Sequence[Entry],
    days: Sequence[Day],
    first: datetime,
) -> pd.DataFrame:
    """``at, kind, what, why`` of everything from a moment on.

    Args:
        decisions: about champions.
        outbox: the alerts.
        days: the steps of the replay, with the faults that it was asked for.
    """
    events = [*_trainings(instance), *_failures(instance), *_faults(days)]
    events += [*_decisions(decisions), *_alerts(outbox, decisions)]
    frame = pd.DataFrame(events, columns=COLUMNS)
    frame["at"] = pd.to_datetime(frame["at"], utc=True, format="ISO8601")
    return frame[frame["at"] >= first].sort_values("at", kind="stable").reset_index(drop=True)


def _trainings(instance: dg.DagsterInstance) -> Iterator[tuple[Any, ...]]:
    """Whatever became of them, with the reasons on their runs."""
    for record in instance.get_run_records(dg.RunsFilter(tags={TRAINING_TAG: ATTEMPT})):
        run = record.dagster_run
        why = f"{run.tags.get(TRIGGER_TAG, MANUAL)}: {run.tags.get(BECAUSE_TAG, '')}"
        yield record.create_timestamp.isoformat(), TRAINING, run.status.value.lower(), why


def _failures(instance: dg.DagsterInstance) -> Iterator[tuple[Any, ...]]:
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
    for record in instance.get_run_records(failed):
        run = record.dagster_run
        kinds = {dg.DagsterEventType.STEP_FAILURE}
        steps = [
            entry.dagster_event
            for entry in instance.all_logs(run.run_id, of_type=kinds)
            if entry.dagster_event
        ]
        why = "; ".join(f"{step.step_key}: {cause_of(step)}" for step in steps)
        at = record.end_time or record.update_timestamp.timestamp()
        assets = sorted(key.to_user_string() for key in run.asset_selection or ())
        yield (
            datetime.fromtimestamp(at, UTC).isoformat(),
            FAILED_RUN,
            ", ".join(assets) or run.job_name,
            why[:500] or "its process died",
        )


def _decisions(decisions: Iterable[Decision]) -> Iterator[tuple[Any, ...]]:
    for one in decisions:
        before = f" instead of {one.before.version}" if one.before else ""
        what = f"version {one.about.version}{before}" if one.about else f"none{before}"
        yield one.decided_at.isoformat(), DECIDED[one.kind], what, f"{one.reason} ({one.who})"


def _alerts(outbox: Iterable[Entry], decisions: Iterable[Decision]) -> Iterator[tuple[Any, ...]]:
    refused = {
        f"{one.about.version}:{one.about.run_id}"
        for one in decisions
        if one.kind == promotions.REJECTED and one.about
    }
    for row in outbox:
        if row.kind in _RECORDED or (row.kind is Kind.REJECTED and row.key in refused):
            continue
        if (
            row.kind is Kind.REJECTED
        ):  # at a gate before the champion's, of which there is no record
            kind = DECIDED[promotions.REJECTED]
        elif row.kind is Kind.DIGEST:
            kind = DIGEST
        else:
            kind = _NAME.get(row.severity, row.severity.value)
        times = f"{row.count} times; " if row.count > 1 else ""
        facts = ", ".join(f"{name} {value}" for name, value in row.facts.items())
        yield row.first_seen.isoformat(), kind, f"{row.kind}: {row.text}", f"{times}{facts}"
        if KINDS[row.kind].recovers and row.recovered_at:
            yield row.recovered_at.isoformat(), OVER, f"{row.kind}: {row.key}", row.recovery or ""


def _faults(days: Iterable[Day]) -> Iterator[tuple[Any, ...]]:
    for day in days:
        for fault in day.faults:
            yield day.tick, FAULT, fault, "asked for"
