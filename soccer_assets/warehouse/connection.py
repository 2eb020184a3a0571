"""One engine per process, with the schema in place."""

from functools import lru_cache

import sqlalchemy as sa

from soccer_assets.settings import get_settings
from soccer_assets.warehouse.migrate import migrate


@lru_cache(maxsize=1)
def database_url() -> str:
    """``POSTGRES_URL``, or the embedded server, started on first use."""
    settings = get_settings()
    if settings.postgres_url:
        return settings.postgres_url.get_secret_value()
    from soccer_assets.warehouse.embedded import start_embedded_postgres

    return start_embedded_postgres(settings.home / "postgres")


@lru_cache(maxsize=1)
def get_engine() -> sa.Engine:
    engine = sa.create_engine(
        database_url(),
        pool_size=2,
        pool_pre_ping=True,
        connect_args={"application_name": "soccer_assets", "options": "-c timezone=UTC"},
    )
    migrate(engine)
    return engine
