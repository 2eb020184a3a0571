"""What Dagster has on record of a step of a run, attempt by attempt."""

from collections.abc import Iterator, Sequence

import dagster as dg

BEGINS = frozenset({dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_RESTARTED})
ENDS = frozenset(
    {
        dg.DagsterEventType.STEP_SUCCESS,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.STEP_SKIPPED,
        dg.DagsterEventType.STEP_UP_FOR_RETRY,
    }
)


def attempt_at(
    instance: dg.DagsterInstance, run_id: str, step: str, before: int
) -> Sequence[dg.DagsterEvent]:
    """The events of one attempt at a step, in their order; it begins several times where workers die
    of it. Empty if nobody has begun it.

    Args:
        before: attempts that have ended by asking for another.
    """
    attempts = list(_attempts(_events(instance, run_id, step)))
    return attempts[before] if before < len(attempts) else []


def has_ended(attempt: Sequence[dg.DagsterEvent]) -> bool:
    return bool(attempt) and attempt[-1].event_type in ENDS


def _events(instance: dg.DagsterInstance, run_id: str, step: str) -> Iterator[dg.DagsterEvent]:
    for entry in instance.all_logs(run_id):
        if entry.dagster_event and entry.dagster_event.step_key == step:
            yield entry.dagster_event


def _attempts(events: Iterator[dg.DagsterEvent]) -> Iterator[Sequence[dg.DagsterEvent]]:
    """The events of a step by its attempts, of which the last may have no end."""
    this: list[dg.DagsterEvent] = []
    for event in events:
        if this or event.event_type in BEGINS | ENDS:
            this.append(event)
        if event.event_type in ENDS:
            yield this
            this = []
    if this:
        yield this
