"""What the tests run in processes of their own, some of which die of it."""

import os
import signal
import sys
from collections.abc import Callable
from datetime import date, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock
from typing import Any

import psycopg2.extensions
import sqlalchemy as sa

from soccer_assets.ingestion.ingest import ingest_days
from soccer_assets.lake.export import export_months
from soccer_assets.lake.manifest import read_manifest
from soccer_assets.sources.livescores import LivescoresClient
from soccer_assets.sources.request_policy import RequestPolicy
from soccer_assets.storage.store import LocalStore, ObjectNotFound
from soccer_assets_tests.durability.scenario import (
    ClockedArchive,
    ingest_and_export,
    open_engine,
    published,
)

# Children are forks of a process that has imported all this and has no threads.
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload([__name__])


class Fuse:
    """Counts what a process is about to do to disk and database, and kills it at one of them."""

    def __init__(self, kill_at: int | None, lake: Path) -> None:
        self.passed: list[str] = []
        self._kill_at = kill_at
        self._lake = str(lake)
        self._lock = Lock()

    def burn(self, what: str) -> None:
        with self._lock:
            self.passed.append(what)
            if len(self.passed) == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch_files(self) -> None:
        """Before every file opened for writing, renamed or removed below the lake."""

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event not in ("open", "os.rename", "os.remove"):
                return
            path = arguments[0]
            if not isinstance(path, str | os.PathLike):
                return
            if not (name := os.fspath(path)).startswith(self._lake):
                return
            if event != "open":
                target = arguments[1] if event == "os.rename" else path
                self.burn(f"{event} {os.fspath(target).removeprefix(self._lake)}")
            elif arguments[2] & (os.O_WRONLY | os.O_RDWR):
                self.burn(f"open {Path(name).parent.name}")

        sys.addaudithook(hook)

    def engine(self, url: str) -> sa.Engine:
        """Before every statement, and before and after every commit."""
        burn = self.burn

        class Cursor(psycopg2.extensions.cursor):
            def execute(self, query: Any, arguments: Any = None) -> None:
                burn("execute")
                super().execute(query, arguments)

            def copy_expert(self, query: Any, file: Any, *size: int) -> None:
                burn("copy")
                super().copy_expert(query, file, *size)

        class Link(psycopg2.extensions.connection):
            def commit(self) -> None:
                burn("commit")
                super().commit()
                burn("committed")

        return open_engine(url, connection_factory=Link, cursor_factory=Cursor)


def doomed(
    url: str, lake: Path, feed_url: str, moment: datetime, kill_at: int | None, tell: Connection
) -> None:
    """Ingest and export; die at the so-manieth event, or tell the names of all of them."""
    fuse = Fuse(kill_at, lake)
    engine = fuse.engine(url)
    fuse.watch_files()
    tell.send("started")
    ingest_and_export(engine, lake, feed_url, moment)
    tell.send(fuse.passed)


def start_doomed(
    url: str, lake: Path, feed_url: str, moment: datetime, kill_at: int | None = None
) -> tuple[Any, Connection]:
    """The process, and where it tells from; it has started to work."""
    listen, tell = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=doomed, args=(url, lake, feed_url, moment, kill_at, tell))
    process.start()
    tell.close()
    assert listen.recv() == "started"
    return process, listen


def ingest_often(
    url: str,
    lake: Path,
    feed_url: str,
    moment: datetime,
    days: list[date],
    batch_days: int,
    times: int,
) -> int:
    """Ingest the days again and again; returns how many were refused."""
    os.environ["SOCCER_AS_OF"] = moment.isoformat()
    engine = open_engine(url)
    faults = 0
    with LivescoresClient(feed_url, policy=RequestPolicy(timeout=60)) as client:
        for _ in range(times):
            report = ingest_days(
                days,
                client.fetch,
                ClockedArchive(LocalStore(lake), moment),
                engine,
                batch_days=batch_days,
                concurrency=2,
            )
            faults += len(report.faults)
    return faults


def export_until(url: str, lake: Path, done: Path) -> int:
    """Export until the file ``done`` is there; returns how often."""
    return _until(done, lambda: export_months(open_engine(url), LocalStore(lake)))


def read_until(lake: Path, done: Path) -> int:
    """Read everything that is published until ``done`` is there; returns how often."""
    store = LocalStore(lake)

    def read() -> None:
        held = read_manifest(store)
        try:
            published(lake)
        except ObjectNotFound:
            # The files of a manifest outlive one export, not two, which a slow reader may see.
            assert read_manifest(store) != held

    return _until(done, read)


def _until(done: Path, act: Callable[[], Any]) -> int:
    times = 0
    while True:
        last = done.exists()
        act()
        times += 1
        if last:
            return times
