"""Removes what Dagster has recorded and nobody needs any more, a little at a time.

Whatever reads Dagster's records to decide anything finds what it found before: the newest of everything,
and what it says that it looks back at (``Needs``). Every step removes what it finds by what is recorded
then, in statements of their own that each leave things whole, so it can be killed anywhere, and the next
one goes on.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage

from soccer_assets.maintenance import tables
from soccer_assets.params import MaintenanceParams

log = logging.getLogger(__name__)

Progress = Callable[[str], None]
#: Evaluations of automation conditions, which the UI shows: Dagster's own term.
_EVALUATIONS_KEPT = timedelta(days=30)


class NotKept(Exception):
    """The storage is not one that this can keep small."""


@dataclass(frozen=True)
class Needs:
    """How far back they look who decide by what is recorded."""

    events: int
    """The newest materializations and observations of each asset, of whatever partitions."""
    runs_of_job: int
    """The newest runs of each job, of those that ended well, that failed and that were canceled."""
    runs: Sequence[tuple[dg.RunsFilter, int | None]] = ()
    """Others: which, and how many of the newest; None: all."""


@dataclass
class Done:
    """What was removed."""

    removed: dict[str, int] = field(default_factory=dict)
    """What -> how many."""
    failed: dict[str, str] = field(default_factory=dict)
    """What could not be removed this time -> why."""
    is_complete: bool = True
    """False: the time was up before all was looked at."""
    before: dict[str, int] = field(default_factory=dict)
    """Table -> bytes."""
    after: dict[str, int] = field(default_factory=dict)


class _TimeIsUp(Exception):
    """What is left waits for the next time."""


def maintain(
    instance: dg.DagsterInstance,
    params: MaintenanceParams,
    needs: Needs,
    now: datetime,
    progress: Progress = log.info,
) -> Done:
    """Remove what has had its time.

    Raises:
        NotKept: the instance is not in PostgreSQL.
    """
    is_in_postgres = isinstance(instance.event_log_storage, PostgresEventLogStorage) and isinstance(
        instance.run_storage, PostgresRunStorage
    )
    if not is_in_postgres:
        raise NotKept("only what Dagster keeps in PostgreSQL is maintained")
    upkeep = _Upkeep(instance, params, needs, now, progress)
    with upkeep.connection() as connection:
        upkeep.done.before = tables.sizes(connection)
        tables.make_indexes(connection)
    steps = (
        ("planned events", upkeep.planned),
        ("what steps printed", upkeep.printed),
        ("lines of logs", upkeep.logs),
        ("replaced events of assets", upkeep.events),
        ("replaced evaluations of checks", upkeep.checks),
        ("runs", upkeep.runs),
        ("backfills", upkeep.backfills),
        ("ticks", upkeep.ticks),
    )
    for what, step in steps:
        started, count = time.monotonic(), 0
        try:
            for some in step():
                count += some
                upkeep.look_at_the_clock()
        except _TimeIsUp:
            upkeep.done.is_complete = False
        except Exception as error:  # one that cannot does not keep the others from it
            log.exception("maintenance cannot remove %s", what)
            upkeep.done.failed[what] = f"{type(error).__name__}: {error}"[:300]
        upkeep.done.removed[what] = count
        progress(f"{what}: {count:,} removed in {time.monotonic() - started:.1f} s")
        if not upkeep.done.is_complete:
            break
    with upkeep.connection() as connection:
        upkeep.done.after = tables.sizes(connection)
    return upkeep.done


class _Upkeep:
    """One pass. Each step yields how many it has removed, as often as it has removed some."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        params: MaintenanceParams,
        needs: Needs,
        now: datetime,
        progress: Progress,
    ) -> None:
        self._instance, self._params, self._needs, self._now = instance, params, needs, now
        self._progress = progress
        self._ends = time.monotonic() + 60 * params.max_minutes
        self.done = Done()

    @contextmanager
    def connection(self) -> Iterator[sa.Connection]:
        """On which each statement is a transaction of its own."""
        storage: Any = self._instance.event_log_storage
        with storage.index_connection() as connection:
            yield connection

    def look_at_the_clock(self) -> None:
        if time.monotonic() > self._ends:
            raise _TimeIsUp

    def planned(self) -> Iterator[int]:
        before = self._now - self._params.planned_age
        with self.connection() as connection:
            for asset in tables.assets(connection):
                yield from self._remove(
                    connection, tables.planned_events(connection, asset, before)
                )

    def printed(self) -> Iterator[int]:
        """The files first: while it is recorded that there are some, the next time looks again."""
        manager = self._instance.compute_log_manager
        with self.connection() as connection:
            for run_id in tables.printed(connection, self._now - self._params.printed_age):
                manager.delete_logs(prefix=[run_id])
                tables.remove_printed(connection, run_id)
                yield 1

    def logs(self) -> Iterator[int]:
        before, rows = self._now - self._params.run_age, self._params.statement_rows
        with self.connection() as connection:
            for kind in tables.kinds_of_logs(connection):
                while removed := tables.remove_logs(connection, kind, before, rows):
                    yield removed

    def events(self) -> Iterator[int]:
        before, newest = self._now - self._params.run_age, self._needs.events
        looked_back_at = {
            tables.MATERIALIZATION: newest,
            tables.OBSERVATION: newest,
            **dict.fromkeys(tables.STATES, 1),
        }
        with self.connection() as connection:
            for asset in tables.assets(connection):
                for kind, kept in looked_back_at.items():
                    found = tables.replaced_events(connection, asset, kind, before, kept)
                    yield from self._remove(connection, found)

    def _remove(self, connection: sa.Connection, ids: Sequence[int]) -> Iterator[int]:
        for some in tables.in_batches(ids, self._params.statement_rows):
            tables.remove_events(connection, some)
            yield len(some)

    def checks(self) -> Iterator[int]:
        before = self._now - self._params.check_age
        with self.connection() as connection:
            for asset, check in tables.checks(connection):
                found = tables.replaced_checks(connection, asset, check, before)
                for some in tables.in_batches(found, self._params.statement_rows):
                    tables.remove_checks(connection, some)
                    yield len(some)

    def runs(self) -> Iterator[int]:
        """The events of a run before the run, by which they would be found again."""
        needed: set[str] = set()
        for which, most in self._needs.runs:
            needed.update(self._instance.get_run_ids(which, limit=most))
        with self.connection() as connection:
            old = tables.runs_of_nothing(
                connection, self._now - self._params.run_age, self._needs.runs_of_job
            )
        for run_id in old:
            if run_id not in needed:
                self._instance.event_log_storage.delete_events(run_id)
                self._instance.delete_run(run_id)
                yield 1

    def backfills(self) -> Iterator[int]:
        with self.connection() as connection:
            yield tables.remove_backfills(connection, self._now - self._params.run_age)

    def ticks(self) -> Iterator[int]:
        """Of schedules and sensors that do not tick any more: of others Dagster removes them."""
        for state in self._instance.all_instigator_state():
            terms = self._instance.get_tick_retention_settings(state.instigator_type)
            for status, days in terms.items():
                if days > 0:
                    self._instance.purge_ticks(
                        state.instigator_origin_id,
                        state.selector_id,
                        before=(self._now - timedelta(days=days)).timestamp(),
                        tick_statuses=[status],
                    )
        storage = self._instance.schedule_storage
        if storage:
            storage.purge_asset_evaluations((self._now - _EVALUATIONS_KEPT).timestamp())
        yield 0
