"""Dagster's own tables, whole or not at all.

Dagster makes them one by one, without a transaction, takes the first for all, and stamps what it
finds as the newest version: a process killed in its very first start left a database that no later
command could use or mend. Here what is missing is made in one transaction, under a lock.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.run_storage import run_storage
from dagster_postgres.utils import pg_alembic_config

from soccer_assets.dagster_internals import data_migrations, storage_tables
from soccer_assets.warehouse.schema import SCHEMA

LOCK_KEY = int.from_bytes(b"dagster")
#: What Dagster asks for with every event, run and tick, and reads its tables' columns for: whether a
#: migration of years ago was done. That is an eighth of the time of a run.
_ASKED_AGAIN = (
    "has_run_stats_index_cols",
    "has_bulk_actions_selector_cols",
    "has_backfill_id_column",
    "has_bulk_action_job_name_column",
    "has_backfill_tags_table",
    "has_asset_key_col",
    "_has_asset_key_col_on_connection",
    "has_instigators_table",
    "_has_instigators_table",
    "_has_asset_daemon_asset_evaluations_table",
)


def complete_tables(url: str) -> None:
    """Make those of Dagster's tables and indexes that are missing.

    A database at an older version of Dagster is left to ``dagster instance migrate``.
    """
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        if not _missing(connection):
            return
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        _stay_in_one_schema(connection)
        versions = MigrationContext.configure(connection)
        scripts = ScriptDirectory.from_config(pg_alembic_config(run_storage.__file__))
        if versions.get_current_revision() not in (None, scripts.get_current_head()):
            return
        for metadata in storage_tables():
            metadata.create_all(connection)
        for index in _missing(connection):  # of tables that were there
            index.create(connection)
        versions.stamp(scripts, "head")


#: In the order of the ``search_path``, the schemas in which any of these tables is, and those in which
#: they may be made. The warehouse's is none of the latter.
_THERE, _POSSIBLE = (
    "SELECT name FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, place) WHERE "
    f"{condition} ORDER BY place LIMIT 1"
    for condition in (
        "EXISTS (SELECT FROM pg_tables WHERE schemaname = name AND tablename = ANY(:tables))",
        "name <> :warehouse AND has_schema_privilege(name, 'CREATE')",
    )
)


def _stay_in_one_schema(connection: sa.Connection) -> None:
    """Until the transaction ends, look for tables and make them in the schema where some of them are,
    or else in the first one that is not the warehouse's.

    To a user called ``soccer`` that one comes first as soon as it is there: whether a command of ours
    or of Dagster's was the first would decide where Dagster's tables are.
    """
    names = [table.name for metadata in storage_tables() for table in metadata.tables.values()]
    schema = connection.scalar(sa.text(_THERE), {"tables": names}) or connection.scalar(
        sa.text(_POSSIBLE), {"warehouse": SCHEMA}
    )
    if schema is not None:  # else PostgreSQL says what is wrong
        connection.execute(
            sa.text("SELECT set_config('search_path', quote_ident(:schema), true)"),
            {"schema": schema},
        )


def standing(engine: sa.Engine) -> tuple[str | None, str]:
    """The revision of Dagster's tables (None: there are none), and that of its version."""
    scripts = ScriptDirectory.from_config(pg_alembic_config(run_storage.__file__))
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    return found, str(scripts.get_current_head())


def _missing(connection: sa.Connection) -> list[sa.Table | sa.Index]:
    found = sa.inspect(connection).get_multi_indexes()
    tables = {name for _, name in found}
    indexes = {index["name"] for of_table in found.values() for index in of_table}
    ours = [table for metadata in storage_tables() for table in metadata.tables.values()]
    return [
        *(table for table in ours if table.name not in tables),
        *(index for table in ours for index in table.indexes if index.name not in indexes),
    ]


def remember_tables(storage: DagsterPostgresStorage) -> None:
    """Have its parts ask once whether their tables have a column, if they have: none is ever taken
    away."""
    parts = (storage.run_storage, storage.event_log_storage, storage.schedule_storage)
    for part in parts:
        for name in _ASKED_AGAIN:
            if ask := getattr(part, name, None):
                setattr(part, name, _remembering(ask))


def _remembering(ask: Callable[..., bool]) -> Callable[..., bool]:
    there: set[tuple[str, ...]] = set()

    def asked(*arguments: Any, **named: Any) -> bool:
        about = tuple(one for one in (*arguments, *named.values()) if isinstance(one, str))
        if about in there:
            return True
        is_there = ask(*arguments, **named)
        if is_there:
            there.add(about)
        return is_there

    return asked


def complete_data(storage: DagsterPostgresStorage) -> None:
    """Do those of Dagster's migrations of data that are not marked as done: on a new database
    they do nothing but that, and a kill may have come between."""
    with sa.create_engine(storage.postgres_url, poolclass=sa.NullPool).connect() as connection:
        done = connection.scalars(
            sa.text("SELECT name FROM secondary_indexes WHERE migration_completed IS NOT NULL")
        )
        if set(done) >= data_migrations():
            return
    storage.run_storage.migrate()
    storage.run_storage.optimize()
    storage.event_log_storage.reindex_events()
    storage.event_log_storage.reindex_assets()
    storage.schedule_storage.migrate()
    storage.schedule_storage.optimize()
