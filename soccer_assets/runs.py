"""Runs and the processes that execute them: who has died over which, and who waits for whom."""

import logging
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol, runtime_checkable

import dagster as dg
import sqlalchemy as sa

from soccer_assets.dagster_internals import JobFailureData, RunFailureReason
from soccer_assets.process import Leases, this_process

log = logging.getLogger(__name__)

#: Names, for people, the process that executes a run.
PROCESS_TAG = "soccer/process"
NOBODY = "a process that is not known"
LOCK_KEY = int.from_bytes(b"runs")
#: A run is told of when it takes so many times its usual time, and longer than this.
TIMES, SHORT = 3, timedelta(minutes=5)
#: The newest runs of a job among which its like are looked for.
MOST_ALIKE = 100


@runtime_checkable
class KeepsLeases(Protocol):
    """An instance whose processes say which runs they execute."""

    leases: Leases


def leases_of(instance: dg.DagsterInstance) -> Leases | None:
    """None of an instance that keeps none: nothing tells whether a process of its lives."""
    return instance.leases if isinstance(instance, KeepsLeases) else None


def take(leases: Leases, run_id: str) -> dict[str, str]:
    """Have this process answer for a run; returns the tags that say so.

    Without room for a lease the run goes on all the same, and its death is noticed by its limit
    on time only.
    """
    try:
        leases.take(run_id)
    except OSError as error:
        log.warning("no lease for run %s: %s", run_id, error)
    return {PROCESS_TAG: this_process()}


def abandon(instance: dg.DagsterInstance, run_id: str) -> None:
    """Do no more for a run. Nothing happens to one that has ended; another, whose end could not be
    written, is as good as dead."""
    leases = leases_of(instance)
    if leases and leases.abandon(run_id):
        with suppress(Exception):  # the database may be away: whoever looks next ends it
            end_dead_runs(instance)


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """End the runs whose process died, and free their slots; returns their ids.

    Runs that were executed where this process cannot see are left to those who can, and to their
    limit on time.
    """
    leases = leases_of(instance)
    if not leases:
        return []
    ended = []
    if _dead(instance, leases):
        with _alone(instance):
            for run in _dead(instance, leases):  # by now, another may have ended some
                _end(instance, run)
                leases.bury(run.run_id)
                ended.append(run.run_id)
    for run_id in instance.event_log_storage.get_concurrency_run_ids():
        holder = instance.get_run_by_id(run_id)
        if holder is None or (holder.is_finished and not leases.is_alive(run_id)):
            instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return ended


def _dead(instance: dg.DagsterInstance, leases: Leases) -> list[dg.DagsterRun]:
    found = []
    for run_id in leases.dead():
        run = instance.get_run_by_id(run_id)  # None: it is another database's
        if run and run.is_finished:
            leases.bury(run_id)
        elif run:
            found.append(run)
    return found


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    said = run.tags.get(PROCESS_TAG, NOBODY)
    message = f"{said} is gone: killed, out of memory, or the machine went down"
    if run.status is dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, message)
    else:
        reason = JobFailureData(error=None, failure_reason=RunFailureReason.UNEXPECTED_TERMINATION)
        instance.report_run_failed(run, message, reason)
    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    log.warning("run %s (%s) is ended: %s", run.run_id[:8], run.job_name, message)


@contextmanager
def _alone(instance: dg.DagsterInstance) -> Iterator[None]:
    """Not while another process ends runs of the same storage: an end is told once."""
    from dagster_postgres import PostgresRunStorage

    storage = instance.run_storage
    if not isinstance(storage, PostgresRunStorage):
        yield
        return
    # A connection beside the storage's, of which those that wait here would leave none to the one that
    # ends runs.
    engine = sa.create_engine(storage.postgres_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        # A lock of a transaction, which a pooler of connections keeps where it belongs.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        yield


def holders(instance: dg.DagsterInstance, pool: str) -> str:
    """Which runs hold the slots of a pool, for people."""
    told = []
    for slot in instance.event_log_storage.get_concurrency_info(pool).claimed_slots:
        record = instance.get_run_record_by_id(slot.run_id)
        if record:
            run = record.dagster_run
            since = record.start_time or record.create_timestamp.timestamp()
            told.append(
                f"run {run.run_id[:8]} ({run.job_name}, {run.tags.get(PROCESS_TAG, NOBODY)}, "
                f"since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC)"
            )
    return ", ".join(told) or "none, but others wait before it"


def cause_of(event: dg.DagsterEvent) -> str:
    """Why a step failed: in its own words, or what went wrong first, inside Dagster's wrapping; the
    stack is with the run in the UI."""
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    return cause_of_error(failure.error)


def cause_of_error(error: Any) -> str:
    """What went wrong first, inside of what was raised because of it; ``error`` is Dagster's record
    of an exception."""
    while error and error.cause:
        error = error.cause
    return error.message.strip() if error else "unknown"


def overdue(
    instance: dg.DagsterInstance, now: datetime, times: float = TIMES, short: timedelta = SHORT
) -> dict[str, str]:
    """Runs that have taken ``times`` as long as their like usually do, and longer than ``short``:
    id -> what to say of it."""
    told = {}
    for record in instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        run = record.dagster_run
        before = instance.get_run_records(
            dg.RunsFilter(job_name=run.job_name, statuses=[dg.DagsterRunStatus.SUCCESS]),
            limit=MOST_ALIKE,
        )
        usual = usual_time(
            timedelta(seconds=other.end_time - other.start_time)
            for other in before
            if other.start_time and other.end_time and _kind(other.dagster_run) == _kind(run)
        )
        runs_for = now - datetime.fromtimestamp(record.start_time or now.timestamp(), UTC)
        if usual and runs_for > max(times * usual, short):
            told[run.run_id] = (
                f"{run.job_name} has been running for {_minutes(runs_for)}, usual are "
                f"{_minutes(usual)} ({run.tags.get(PROCESS_TAG, NOBODY)})"
            )
    return told


def usual_time(times: Iterable[timedelta]) -> timedelta | None:
    """The median; None of fewer than three."""
    known = list(times)
    return sorted(known)[len(known) // 2] if len(known) >= 3 else None


def _kind(run: dg.DagsterRun) -> tuple[Set[dg.AssetKey], int]:
    """What makes runs of a job alike: their assets, and the order of magnitude of their range."""
    first, last = (run.tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    days = (date.fromisoformat(last) - date.fromisoformat(first)).days if first and last else 0
    return run.asset_selection or frozenset(), days.bit_length()


def _minutes(time: timedelta) -> str:
    return f"{time.total_seconds() / 60:,.0f} min"
