"""One engine per process, with the schema in place."""

from functools import lru_cache

import sqlalchemy as sa

from soccer_assets.settings import get_settings
from soccer_assets.warehouse.migrate import migrate
from soccer_assets.warehouse.session import open_engine, session_url


@lru_cache(maxsize=1)
def database_url() -> str:
    """``POSTGRES_URL``, or the embedded server, started on first use; with what every session of
    this project has."""
    settings = get_settings()
    if settings.postgres_url:
        return session_url(settings.postgres_url.get_secret_value())
    from soccer_assets.warehouse.embedded import start_embedded_postgres

    return session_url(start_embedded_postgres(settings.home / "postgres"))


@lru_cache(maxsize=1)
def get_engine() -> sa.Engine:
    engine = open_engine(database_url(), pool_size=2, pool_pre_ping=True)
    migrate(engine)
    return engine
