"""Databases of the tests' own on a server that they share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from soccer_assets.ingestion.rebuild import REBUILT
from soccer_assets.warehouse.embedded import leave_embedded_postgres, start_embedded_postgres
from soccer_assets.warehouse.schema import match_change

#: What only a crash of the machine could lose is not waited for.
_IN_A_HURRY = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")


@contextmanager
def server(data_dir: Path) -> Iterator[str]:
    """URL of a server that lives as long as the block."""
    url = start_embedded_postgres(data_dir)
    with _admin(url).connect() as connection:
        for setting in _IN_A_HURRY:
            connection.execute(sa.text(f"ALTER SYSTEM SET {setting}"))
        connection.execute(sa.text("SELECT pg_reload_conf()"))
    try:
        yield url
    finally:
        leave_embedded_postgres(data_dir)


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """URL of a database that lives as long as the block."""
    with _database(server, "") as url:
        yield url


@contextmanager
def copy_of(original: str) -> Iterator[str]:
    """URL of a database that lives as long as the block and begins as a copy of one that nobody
    is connected to."""
    with _database(original, f' TEMPLATE "{sa.make_url(original).database}"') as url:
        yield url


def empty(engine: sa.Engine) -> None:
    """Empty all that is made from the feed, as if it never had been. Where there is little, to
    delete it is ten times as fast as to truncate."""
    with engine.begin() as connection:
        for table in REBUILT:
            connection.execute(sa.delete(table))
        connection.execute(sa.text(f"ALTER TABLE {match_change} ALTER COLUMN change_id RESTART"))


@contextmanager
def _database(server: str, like: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    with _admin(server).connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}"{like}'))
    try:
        yield sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with _admin(server).connect() as connection:
            connection.execute(sa.text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def _admin(server: str) -> sa.Engine:
    url = sa.make_url(server).set(database="postgres")
    return sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
