"""The embedded PostgreSQL server, shared by every process of one ``SOCCER_HOME``.

Who serves and who takes part is told by two file locks beside the data folder. They hold across
containers of one kernel, where process ids mean nothing, and end with the processes that hold them,
however those end:

* ``postgres.lock`` is held by the server's own processes. Who gets it starts a server.
* ``postgres.users`` is shared by all that use the server. Who leaves and then gets it alone stops
  the server.
"""

import atexit
import fcntl
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors
import sqlalchemy as sa

from soccer_assets.warehouse.cluster import (
    PORT,
    SOCKET,
    SUPERUSER,
    log_file,
    refuse_foreign,
    start_server,
)
from soccer_assets.warehouse.session import UnusableDatabase

DATABASE = "soccer"
#: How long a server that somebody has started may be silent.
PATIENCE_SECONDS = 120
#: Bytes that a socket's path can have, with its end.
SOCKET_PATH_BYTES = 108 if sys.platform == "linux" else 104
#: What the server's own shell does, in the data folder. The server ends it as well.
_STOP = """trap '' TERM; read -r pid < postmaster.pid && kill -INT "$pid" """
log = logging.getLogger(__name__)


def start_embedded_postgres(data_dir: Path) -> str:
    """Start the server in ``data_dir`` (or join the running one) and return its URL.

    The server listens on a Unix socket only and stops when the last process that joined it exits.
    Whoever makes an engine of the URL joins as well, and starts the server if it is gone.

    Raises:
        UnusableDatabase: it does not start, or the one that runs cannot be reached.
    """
    _server(data_dir.resolve()).start(DATABASE)
    return sa.URL.create(
        "postgresql+psycopg2",
        username=SUPERUSER,
        database=DATABASE,
        query={"host": str(data_dir.resolve()), "port": str(PORT), "plugin": "soccer_embedded"},
    ).render_as_string(hide_password=False)


def leave_embedded_postgres(data_dir: Path) -> None:
    """What the exit of this process does: the last one stops the server."""
    _server(data_dir.resolve()).leave()


class EmbeddedServer(sa.CreateEnginePlugin):
    """``plugin=soccer_embedded``: connects to the server whose data folder is the URL's host."""

    def __init__(self, url: sa.URL, kwargs: dict[str, Any]) -> None:
        self._server = _server(Path(str(url.query["host"])))

    def update_url(self, url: sa.URL) -> sa.URL:
        # In a path of any length, with any character, SQLAlchemy and libpq would find several.
        return url if self._server.is_plain else url.difference_update_query(["host", "port"])

    def engine_created(self, engine: sa.Engine) -> None:
        @sa.event.listens_for(engine, "do_connect")
        def connect(dialect: Any, record: object, args: Any, parameters: Any) -> Any:
            return self._server.connect(**parameters)


class _Server:
    """This process's view of the server of one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._lock = data_dir.with_name(f"{data_dir.name}.lock")
        self._users = data_dir.with_name(f"{data_dir.name}.users")
        self._membership: int | None = None
        self._folder: int | None = None
        self._mutex = threading.RLock()

    def start(self, database: str) -> None:
        """Have a server with this database."""
        with closing(self.connect(dbname="postgres", user=SUPERUSER)) as connection:
            _create_database(connection, database)

    def connect(self, **parameters: Any) -> Any:
        """A connection, to a server that is started if none runs."""
        self._join()
        with suppress(psycopg2.OperationalError):
            return self._open(**parameters)
        self._have_a_server()
        return self._open(**parameters)

    def leave(self) -> None:
        with self._mutex:
            if self._membership is None:
                return
            # Closed and opened anew: a forked child has the same one.
            os.close(self._membership)
            self._membership = None
            if not self._users.exists():  # removed, and the server with it
                return
            with _alone(self._users) as users:
                if users is not None:
                    self._stop()

    @property
    def is_plain(self) -> bool:
        """Whether libpq can be given the path of the data folder."""
        path = str(self._data_dir / SOCKET)
        return len(os.fsencode(path)) < SOCKET_PATH_BYTES and "," not in path

    def _join(self) -> None:
        with self._mutex:
            if self._membership is not None:
                return
            _leave_on_sigterm()
            refuse_foreign(self._data_dir)
            with suppress(OSError):  # what cannot be made cannot be opened
                self._data_dir.parent.mkdir(parents=True, exist_ok=True)
            users = _open_lock(self._users)
            fcntl.flock(users, fcntl.LOCK_SH)  # while the last one to leave stops the server
            self._membership = users
            atexit.unregister(self.leave)
            atexit.register(self.leave)

    def _open(self, **parameters: Any) -> Any:
        host = self._host()
        return psycopg2.connect(**{**parameters, "host": host, "port": PORT})

    def _host(self) -> str:
        """The data folder, as libpq takes it."""
        if self.is_plain:
            return str(self._data_dir)
        if sys.platform != "linux":
            raise UnusableDatabase(
                f"the path of {self._data_dir} is too long for a socket or has a comma in it:"
                " choose another SOCCER_HOME"
            )
        with self._mutex:
            # Stays open: who cancels a statement connects by the same path again.
            if self._folder is None:
                try:
                    self._folder = os.open(self._data_dir, os.O_PATH | os.O_DIRECTORY)
                except OSError as error:
                    raise psycopg2.OperationalError(str(error)) from None
        return f"/proc/self/fd/{self._folder}"

    def _have_a_server(self) -> None:
        """Return when a server answers, and start one if nobody has."""
        silent_since, started_at = time.monotonic(), None
        with self._mutex:
            while not self._answers():
                if self._listens():  # it recovers from a crash, say, which may take its time
                    silent_since = time.monotonic()
                with _alone(self._lock) as lock:
                    if lock is not None:
                        if started_at is not None:
                            raise UnusableDatabase(
                                f"PostgreSQL does not start in {self._data_dir}:"
                                f" {self._said_since(started_at)}"
                            )
                        started_at = self._log_size()
                        start_server(self._data_dir, lock)
                if time.monotonic() > silent_since + PATIENCE_SECONDS:
                    raise UnusableDatabase(
                        f"PostgreSQL runs on {self._data_dir} in another container or on another"
                        " machine, and its socket there does not answer: use one container for"
                        " all, or set POSTGRES_URL"
                    )
                time.sleep(0.05)

    def _answers(self) -> bool:
        listened = self._listens()
        try:
            self._open(dbname="postgres", user=SUPERUSER, connect_timeout=30).close()
        except psycopg2.OperationalError as error:
            # It refuses; else it came up, or went down, a moment ago.
            if listened and self._listens() and "the database system is" not in str(error):
                raise
            return False
        return True

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(f"{self._host()}/{SOCKET}")
            except (OSError, psycopg2.OperationalError):
                return False
        return True

    def _log_size(self) -> int:
        with suppress(OSError):
            return log_file(self._data_dir).stat().st_size
        return 0

    def _said_since(self, offset: int) -> str:
        said = log_file(self._data_dir).read_bytes()[offset:].decode(errors="replace")
        return " ".join(said[-2000:].split()) or "it said nothing"

    def _stop(self) -> None:
        """Ask by way of its own shell, for only there its process id means something."""
        try:
            asked = self._open(dbname="postgres", user=SUPERUSER, connect_timeout=30)
            with closing(asked) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor, suppress(psycopg2.OperationalError):
                    cursor.execute(f"COPY (SELECT WHERE false) TO PROGRAM $${_STOP}$$")
        except psycopg2.Error as error:  # it is gone already, or has no shell
            log.debug("PostgreSQL on %s was not stopped: %s", self._data_dir, error)
            return
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            with _alone(self._lock) as lock:
                if lock is not None:
                    return
            time.sleep(0.02)
        log.warning("PostgreSQL on %s has not stopped yet", self._data_dir)


@cache
def _server(data_dir: Path) -> _Server:
    return _Server(data_dir)


@contextmanager
def _alone(path: Path) -> Iterator[int | None]:
    """The lock, as an open file; None if others hold it."""
    file = _open_lock(path)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield file
    finally:
        os.close(file)


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UnusableDatabase(f"{path}: {error.strerror}") from None


def _leave_on_sigterm() -> None:
    """Have SIGTERM end this process by way of its exit handlers, which leave the server.

    Only where nobody else handles it: its default action runs no exit handler.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _create_database(connection: Any, name: str) -> None:
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name])
        if cursor.rowcount:
            return
        # Another process may be faster.
        with suppress(psycopg2.errors.DuplicateDatabase, psycopg2.errors.UniqueViolation):
            cursor.execute(f'CREATE DATABASE "{name}"')
