"""Brings a database to the newest schema: Alembic, driven from code."""

from typing import TYPE_CHECKING

import sqlalchemy as sa

from soccer_assets.warehouse.schema import LOCK_KEY, MIGRATION_LOCK_KEY, SCHEMA
from soccer_assets.warehouse.session import UnusableDatabase, allow_long

if TYPE_CHECKING:
    from alembic.config import Config

#: In ``SCHEMA``: where the database stands.
VERSION_TABLE = "warehouse_version"


def migrate(engine: sa.Engine) -> None:
    """Upgrade to the newest revision; where nothing is to do, takes no lock and needs no rights.

    Safe when several processes start at once, and when one is killed: it is one transaction.

    Raises:
        UnusableDatabase: the database is at a revision that this code does not know.
    """
    from alembic import command

    config, known = _scripts()
    newest = known[0]
    with engine.connect() as connection:
        if _revision(connection, known) == newest:
            return
    with engine.begin() as connection:
        allow_long(connection)
        _lock(connection, MIGRATION_LOCK_KEY)
        _take_over(connection, known)
        if _revision(connection, known) == newest:  # another process was faster
            return
        # Loads lock tables one by one: they and a migration would wait for each other.
        _lock(connection, LOCK_KEY)
        connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def standing(engine: sa.Engine) -> tuple[str | None, str]:
    """The revision of a database (None: it has no table of ours), and the newest one.

    Raises:
        UnusableDatabase: as of ``migrate``.
    """
    _, known = _scripts()
    with engine.connect() as connection:
        return _revision(connection, known), known[0]


def _scripts() -> "tuple[Config, list[str]]":
    """Alembic's configuration, and the revisions, the newest first."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    # Named by its package: in a path, a percent sign would mean something else.
    config.set_main_option("script_location", "soccer_assets.warehouse:migrations")
    scripts = ScriptDirectory.from_config(config)
    return config, [script.revision for script in scripts.walk_revisions()]


def _revision(connection: sa.Connection, known: list[str]) -> str | None:
    """Where the database stands; None: nowhere."""
    from alembic.migration import MigrationContext

    place = {"version_table": VERSION_TABLE, "version_table_schema": SCHEMA}
    context = MigrationContext.configure(connection, opts=place)
    found = context.get_current_revision()
    if found is not None and found not in known:
        raise UnusableDatabase(
            f"the database is at revision {found}, which this version of soccer_assets does not"
            " know: update soccer_assets, or use another database"
        )
    return found


def _take_over(connection: sa.Connection, known: list[str]) -> None:
    """Rename the version table of before, which had the name that Dagster's has: with the schema in
    the ``search_path``, Dagster took it for its own."""
    before = f"{SCHEMA}.alembic_version"
    if connection.scalar(sa.select(sa.func.to_regclass(before))) is None:
        return
    if connection.scalar(sa.text(f"SELECT version_num FROM {before}")) in known:
        connection.execute(sa.text(f"ALTER TABLE {before} RENAME TO {VERSION_TABLE}"))


def _lock(connection: sa.Connection, key: int) -> None:
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
