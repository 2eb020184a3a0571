"""Brings a database to the newest schema: Alembic, driven from code."""

from pathlib import Path

import sqlalchemy as sa

from soccer_assets.warehouse.schema import LOCK_KEY, SCHEMA

MIGRATIONS = Path(__file__).with_name("migrations")


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Upgrade to ``revision``. Safe when several processes start at once.

    Raises:
        alembic.util.CommandError: the database is at a revision this code does not know.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
