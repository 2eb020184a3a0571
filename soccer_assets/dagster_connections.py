"""Connections of Dagster's storages: no more in a process than the settings say.

By itself Dagster opens one for each query, or in its webserver up to 21 for each of its three storages.
"""

import multiprocessing
import os
import threading
from typing import Any
from weakref import WeakValueDictionary

import sqlalchemy as sa
from dagster_postgres import PostgresRunStorage, PostgresScheduleStorage

from soccer_assets.settings import Settings

#: Milliseconds that a statement of Dagster's may take, outside its webserver, which has an option of
#: its own; seconds after which a connection is replaced.
STATEMENT_MS, RECYCLE_SECONDS = 60_000, 3600


#: Storages of Dagster: of runs, of events, of ticks; and connections beside them, for a moment: under
#: which tables are looked for, or dead runs ended.
STORAGES, BESIDE = 3, 1
#: Of a prediction worker: a load, and a look whether there is something newer.
OF_WORKER = 2
#: Of a process of a step worker, beside the step's own: the lock on the step.
LOCK = 1


def budget(
    settings: Settings,
    *,
    runs: int = 3,
    commands: int = 1,
    workers: int = 2,
    step_workers: int = 0,
) -> dict[str, int]:
    """The most connections to PostgreSQL, by the kind of process, of all that there are of it.

    Args:
        runs: that the queue lets run at once: ``max_concurrent_runs`` of ``dagster.yaml``.
        commands: such as ``soccer backfill``.
        workers: prediction workers.
        step_workers: processes of step workers, of all machines: of one that was started with
            ``--processes 4`` four.
    """
    ours = settings.postgres_connections
    server = STORAGES * settings.dagster_connections + BESIDE
    run = STORAGES * _share_of_run(settings.dagster_connections) + BESIDE + ours
    return {
        "webserver": server,
        "daemon": server,
        "code server": server + ours,
        "runs": runs * run,
        "commands": commands * (server + ours),
        "workers": workers * OF_WORKER,
        "step workers": step_workers * of_step_worker(settings),
    }


def of_step_worker(settings: Settings) -> int:
    """The most of one process: it looks after a step by an instance of its own, with a connection to
    each storage at a time, while the step has another, and holds the lock."""
    watch = STORAGES + LOCK
    return STORAGES * settings.dagster_connections + BESIDE + settings.postgres_connections + watch


def share_of_process(most: int) -> int:
    """Of the connections that a storage may have, how many this process takes: all in a server, where
    several threads ask; half, and two at least, in the process of a run, where it is mostly one. One
    thread may hold two at once."""
    return _share_of_run(most) if multiprocessing.parent_process() is not None else most


def _share_of_run(most: int) -> int:
    return max(2, most // 2)


class Bounded:
    """For a storage of Dagster's in PostgreSQL: all of its kind in a process open no more connections than
    ``most``, keep one, and look whether it still leads somewhere before each use."""

    #: None: no limit was set, and Dagster's own ways hold.
    most: int | None = None

    def bound(self, most: int) -> None:
        """Keep connections from now on, and no more than these."""
        self.most = most
        self.optimize_for_webserver(STATEMENT_MS, RECYCLE_SECONDS, most - 1)

    def optimize_for_webserver(
        self, statement_timeout: int, pool_recycle: int, max_overflow: int
    ) -> None:
        """As Dagster calls it in its webserver, with what its command line says.

        Args:
            statement_timeout: milliseconds.
            pool_recycle: seconds.
            max_overflow: connections beside the one that is kept.
        """
        storage: Any = self
        overflow = min(max_overflow, self.most - 1) if self.most else max_overflow
        storage._engine.dispose()
        storage._engine = _engine_of(
            type(self), storage.postgres_url, statement_timeout, pool_recycle, overflow
        )


#: One of each kind in a process, as long as somebody has it: a code server opens an instance for every
#: tick, several at once, and Dagster leaves what they opened to the garbage collector.
_engines: WeakValueDictionary[tuple[object, ...], sa.Engine] = WeakValueDictionary()
_makes_one = threading.Lock()
# A fork opens connections of its own.
os.register_at_fork(after_in_child=_engines.clear)


def _engine_of(
    kind: type, url: str, statement_timeout: int, pool_recycle: int, max_overflow: int
) -> sa.Engine:
    asked = (kind, url, statement_timeout, pool_recycle, max_overflow)
    with _makes_one:
        if (known := _engines.get(asked)) is not None:
            return known
        engine = sa.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_size=1,
            max_overflow=max_overflow,
            pool_recycle=pool_recycle,
            pool_pre_ping=True,
        )

        @sa.event.listens_for(engine, "connect")
        def limit(connection: Any, _: object) -> None:
            with connection, connection.cursor() as cursor:
                cursor.execute(f"SET statement_timeout = {int(statement_timeout)}")

        _engines[asked] = engine
        return engine


class SoccerRunStorage(Bounded, PostgresRunStorage):
    """Runs, with bounded connections."""


class SoccerScheduleStorage(Bounded, PostgresScheduleStorage):
    """Ticks, with bounded connections."""
