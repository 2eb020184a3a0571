"""Databases of one embedded PostgreSQL server, with the project's tables."""

from uuid import uuid4

import sqlalchemy as sa

from soccer_assets.warehouse.migrate import migrate


def connect(url: str) -> sa.Engine:
    return sa.create_engine(url, connect_args={"options": "-c timezone=UTC"})


def create_database(server_url: str) -> str:
    """A database with empty tables; returns its URL."""
    name = f"bench_{uuid4().hex}"
    _on_server(server_url, f'CREATE DATABASE "{name}"')
    url = sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)
    engine = connect(url)
    migrate(engine)
    engine.dispose()
    return url


def drop_database(url: str, server_url: str) -> None:
    _on_server(server_url, f'DROP DATABASE "{sa.make_url(url).database}" WITH (FORCE)')


def tidy(url: str) -> None:
    """Statistics, hint bits and dirty pages in order, so that a measurement does not pay for what
    was done before it."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("VACUUM (ANALYZE)"))
        connection.execute(sa.text("CHECKPOINT"))


def server_version(url: str) -> str:
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        return str(connection.scalar(sa.text("SHOW server_version")))


def _on_server(url: str, statement: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
