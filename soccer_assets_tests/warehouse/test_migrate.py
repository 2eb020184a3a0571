"""The migrations make the tables that the code describes."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from soccer_assets.warehouse.migrate import VERSION_TABLE, migrate
from soccer_assets.warehouse.schema import LOCK_KEY, MIGRATION_LOCK_KEY, SCHEMA, metadata
from soccer_assets.warehouse.session import UnusableDatabase, open_engine
from soccer_assets_tests.databases import empty_database


def differences(connection: sa.Connection) -> list[object]:
    """Between the tables and what the code describes."""

    def in_schema(name: str | None, kind: str, parents: object) -> bool:
        return kind != "schema" or name == SCHEMA

    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": in_schema,
            "version_table": VERSION_TABLE,
            "version_table_schema": SCHEMA,
            "compare_type": True,
        },
    )
    return list(compare_metadata(context, metadata))


def test_the_newest_revision_is_what_the_code_describes(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        assert differences(connection) == []


def test_check_constraints_are_those_of_the_code(engine: sa.Engine) -> None:
    described = {c.name for t in metadata.tables.values() for c in t.constraints if c.name}
    query = sa.text(
        "SELECT conname FROM pg_constraint WHERE connamespace = 'soccer'::regnamespace"
        " AND contype = 'c'"
    )
    with engine.connect() as connection:
        assert set(connection.scalars(query)) == described


def test_a_database_of_a_newer_code_is_refused(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE soccer.warehouse_version SET version_num = '9999'"))
    with pytest.raises(UnusableDatabase, match="9999") as refused:
        migrate(engine)
    assert "update soccer_assets" in str(refused.value)


@pytest.fixture
def empty(postgres_server: str) -> Iterator[sa.Engine]:
    """A database of this test's own without tables."""
    with empty_database(postgres_server) as url:
        engine = open_engine(url, poolclass=sa.NullPool)
        yield engine
        engine.dispose()


def test_every_migration_can_be_undone_and_done_again(empty: sa.Engine) -> None:
    migrate(empty)
    config = Config()
    config.set_main_option("script_location", "soccer_assets.warehouse:migrations")
    with empty.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert sa.inspect(connection).get_table_names(SCHEMA) == [VERSION_TABLE]
        command.upgrade(config, "head")
        assert differences(connection) == []


def test_the_version_table_of_before_is_taken_over_and_that_of_dagster_is_not(
    empty: sa.Engine,
) -> None:
    migrate(empty)
    with empty.begin() as connection:
        connection.execute(
            sa.text("ALTER TABLE soccer.warehouse_version RENAME TO alembic_version")
        )
    migrate(empty)
    with empty.begin() as connection:
        tables = sa.inspect(connection).get_table_names("soccer")
        assert "warehouse_version" in tables
        assert "alembic_version" not in tables
        connection.execute(sa.text("DROP SCHEMA soccer CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA soccer"))
        connection.execute(sa.text("CREATE TABLE soccer.alembic_version AS SELECT 'd' version_num"))
    migrate(empty)
    with empty.begin() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM soccer.alembic_version")) == "d"


def test_a_start_waits_for_no_load_and_for_no_other_migration(engine: sa.Engine) -> None:
    with engine.begin() as busy, ThreadPoolExecutor(1) as pool:
        for key in (LOCK_KEY, MIGRATION_LOCK_KEY):
            busy.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
        busy.execute(sa.text("LOCK TABLE soccer.match, soccer.match_raw"))
        pool.submit(migrate, engine).result(60)


def test_a_start_with_nothing_to_migrate_needs_no_rights_but_to_read(engine: sa.Engine) -> None:
    role = f"reader_{os.urandom(4).hex()}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(sa.text(f"GRANT USAGE ON SCHEMA soccer TO {role}"))
        connection.execute(sa.text(f"GRANT SELECT ON ALL TABLES IN SCHEMA soccer TO {role}"))
    reader = sa.create_engine(engine.url.set(username=role), poolclass=sa.NullPool)
    try:
        migrate(reader)
        with reader.connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM soccer.match")) == 0
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text(f"DROP OWNED BY {role}"))
            connection.execute(sa.text(f"DROP ROLE {role}"))


def test_processes_that_start_at_once_on_an_empty_database_all_find_the_tables(
    empty: sa.Engine,
) -> None:
    with ThreadPoolExecutor(8) as pool:
        for start in [pool.submit(migrate, empty) for _ in range(8)]:
            start.result(60)
    assert sa.inspect(empty).get_table_names(SCHEMA)


def migrate_and_die(url: sa.URL, statements: int) -> None:
    engine = open_engine(url.render_as_string(hide_password=False))

    @sa.event.listens_for(engine, "after_cursor_execute")
    def die(*_: object) -> None:
        nonlocal statements
        statements -= 1
        if statements == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    migrate(engine)


def test_a_start_that_is_killed_in_the_middle_leaves_the_migration_to_the_next(
    empty: sa.Engine,
) -> None:
    for statements in (6, 12, 24, 48):
        process = multiprocessing.get_context("fork").Process(
            target=migrate_and_die, args=(empty.url, statements)
        )
        process.start()
        process.join(120)
        assert process.exitcode == -signal.SIGKILL
        assert sa.inspect(empty).get_table_names(SCHEMA) == []
    migrate(empty)
    assert {*sa.inspect(empty).get_table_names(SCHEMA)} > {t.name for t in metadata.tables.values()}
