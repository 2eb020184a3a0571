"""One engine for a process and a database, with the schema in place."""

from functools import cache

import sqlalchemy as sa

from soccer_assets.settings import Settings
from soccer_assets.warehouse.migrate import migrate
from soccer_assets.warehouse.session import open_engine, session_url


def database_url(settings: Settings) -> str:
    """``POSTGRES_URL``, or the embedded server, started on first use; with what every session of
    this project has."""
    if settings.postgres_url:
        return session_url(settings.postgres_url.get_secret_value())
    from soccer_assets.warehouse.embedded import start_embedded_postgres

    return session_url(start_embedded_postgres(settings.home / "postgres"))


def get_engine(settings: Settings) -> sa.Engine:
    """The engine of this process on that database."""
    return _engine(
        database_url(settings), settings.postgres_connections, settings.postgres_statement_seconds
    )


#: Connections that stay open between uses.
KEPT = 2


@cache
def _engine(url: str, most: int, statement_seconds: float) -> sa.Engine:
    engine = open_engine(
        url,
        statement_seconds=statement_seconds,
        pool_size=KEPT,
        max_overflow=most - KEPT,
        pool_pre_ping=True,
    )
    migrate(engine)
    return engine
