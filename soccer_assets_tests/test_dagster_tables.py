"""Dagster's own tables, whose first start is killed, or happens in several processes at once."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
import sqlalchemy as sa
from dagster_postgres import DagsterPostgresStorage

from soccer_assets.dagster_internals import storage_tables
from soccer_assets.instance import SoccerPostgresStorage
from soccer_assets.warehouse.migrate import migrate
from soccer_assets.warehouse.schema import SCHEMA, metadata
from soccer_assets_tests.databases import empty_database
from soccer_assets_tests.doomed_runs import Household, make_tables

Shape = tuple[dict[str, set[str]], set[str], list[str]]


def shape(url: str) -> Shape:
    """Tables with their indexes, migrations of data that are done, versions."""
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        found = sa.inspect(connection).get_multi_indexes()
        tables = {table: {str(index["name"]) for index in found[_, table]} for _, table in found}
        done = set(connection.scalars(sa.text("SELECT name FROM secondary_indexes")))
        return tables, done, list(connection.scalars(sa.text("TABLE alembic_version")))


@pytest.fixture(scope="module")
def undisturbed(postgres_server: str) -> Iterator[Shape]:
    """What Dagster makes by itself."""
    with empty_database(postgres_server) as url:
        DagsterPostgresStorage(url)
        yield shape(url)


def start(home: Path, url: str, storage: Any, kill_at: int | None = None) -> int:
    with Household(home, url).start(make_tables, url, storage, kill_at) as child:
        return child.ends()


@pytest.mark.parametrize("number", [2, 20, 45])
def test_tables_that_a_killed_start_of_dagster_left_half_made_are_completed(
    postgres_server: str, undisturbed: Shape, tmp_path: Path, number: int
) -> None:
    with empty_database(postgres_server) as url:
        assert start(tmp_path, url, DagsterPostgresStorage, number) == -SIGKILL
        SoccerPostgresStorage(url)
        assert shape(url) == undisturbed


@pytest.mark.parametrize("number", [45])
def test_a_killed_start_leaves_nothing(
    postgres_server: str, undisturbed: Shape, tmp_path: Path, number: int
) -> None:
    with empty_database(postgres_server) as url:
        assert start(tmp_path, url, SoccerPostgresStorage, number) == -SIGKILL
        with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
            assert sa.inspect(connection).get_table_names() == []
        assert start(tmp_path, url, SoccerPostgresStorage) == 0
        assert shape(url) == undisturbed


def test_several_processes_start_at_once_on_an_empty_database(
    postgres_server: str, undisturbed: Shape, tmp_path: Path
) -> None:
    with empty_database(postgres_server) as url, ExitStack() as stack:
        household = Household(tmp_path, url)
        children = [
            stack.enter_context(household.start(make_tables, url, SoccerPostgresStorage, None))
            for _ in range(4)
        ]
        assert [child.ends() for child in children] == [0] * 4
        assert shape(url) == undisturbed


def test_migrations_of_data_that_a_kill_left_undone_are_done(
    postgres_server: str, undisturbed: Shape
) -> None:
    with empty_database(postgres_server) as url:
        SoccerPostgresStorage(url)
        with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
            connection.execute(sa.text("DELETE FROM secondary_indexes WHERE name LIKE '%run%'"))
        SoccerPostgresStorage(url)
        assert shape(url) == undisturbed


def test_the_tables_of_another_version_are_left_to_its_migration(postgres_server: str) -> None:
    with empty_database(postgres_server) as url:
        SoccerPostgresStorage(url)
        with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '567bc23fd1ac'"))
            connection.execute(sa.text("DROP TABLE asset_event_tags"))
        SoccerPostgresStorage(url)
        tables, _, versions = shape(url)
        assert "asset_event_tags" not in tables
        assert versions == ["567bc23fd1ac"]


def test_columns_that_are_there_are_asked_for_once(household_url: str) -> None:
    storage: Any = SoccerPostgresStorage(household_url)
    events = storage.event_log_storage
    asked: list[str] = []

    def ask() -> None:
        assert events.has_asset_key_col("cached_status_data")
        assert events.has_asset_key_index_cols()
        assert storage.run_storage.has_run_stats_index_cols()
        assert storage.schedule_storage.has_instigators_table()

    def notice(_: Any, __: Any, statement: str, *more: Any) -> None:
        asked.append(statement)

    ask()
    sa.event.listen(sa.Engine, "before_cursor_execute", notice)
    try:
        ask()
        assert asked == []
        assert not events.has_asset_key_col("no such column")
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", notice)
    assert asked


def start_of_warehouse(url: str) -> None:
    migrate(sa.create_engine(url, poolclass=sa.NullPool))


def schemas(url: str) -> dict[str, set[str]]:
    """The schemas in which a table of Dagster's, and in which one of ours is, by whose they are."""
    dagsters = {name for tables in storage_tables() for name in tables.tables}
    ours = {table.name for table in metadata.tables.values()}
    assert not dagsters & ours
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        found = connection.execute(sa.text("SELECT schemaname, tablename FROM pg_tables")).all()
    return {
        "Dagster": {schema for schema, name in found if name in (*dagsters, "alembic_version")},
        "ours": {schema for schema, name in found if name in ours},
    }


@pytest.fixture
def user_soccer(postgres_server: str) -> Iterator[str]:
    """URL of an empty database of a user who is called as the warehouse's schema is: compose and the
    values for Dagster's chart have this one."""
    with empty_database(postgres_server) as url:
        database = sa.make_url(url).database
        admin = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with admin.connect() as connection:
            connection.execute(sa.text(f"CREATE ROLE {SCHEMA} LOGIN"))
            connection.execute(sa.text(f'ALTER DATABASE "{database}" OWNER TO {SCHEMA}'))
        try:
            yield sa.make_url(url).set(username=SCHEMA).render_as_string(hide_password=False)
        finally:
            with admin.connect() as connection:
                connection.execute(sa.text(f"DROP OWNED BY {SCHEMA} CASCADE"))
                connection.execute(sa.text(f'ALTER DATABASE "{database}" OWNER TO CURRENT_USER'))
                connection.execute(sa.text(f"DROP ROLE {SCHEMA}"))


@pytest.mark.parametrize(
    "starts",
    [(start_of_warehouse, SoccerPostgresStorage), (SoccerPostgresStorage, start_of_warehouse)],
    ids=["ours first", "Dagster's first"],
)
def test_where_the_tables_are_does_not_depend_on_which_command_was_the_first(
    user_soccer: str, undisturbed: Shape, starts: tuple[Any, ...]
) -> None:
    for start_one in (*starts, *starts):
        start_one(user_soccer)
    assert schemas(user_soccer) == {"Dagster": {"public"}, "ours": {SCHEMA}}


def test_tables_that_an_installation_has_in_our_schema_stay_there_and_are_completed(
    user_soccer: str,
) -> None:
    """Until Dagster's tables had a schema of their own, they were made where the path began."""
    start_of_warehouse(user_soccer)
    DagsterPostgresStorage(user_soccer)
    assert schemas(user_soccer)["Dagster"] == {SCHEMA}
    with sa.create_engine(user_soccer, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text("DROP TABLE asset_event_tags"))
    storage: Any = SoccerPostgresStorage(user_soccer)
    assert schemas(user_soccer)["Dagster"] == {SCHEMA}
    assert "asset_event_tags" in shape(user_soccer)[0]
    assert storage.run_storage.get_runs_count() == 0


def test_those_in_our_schema_are_found_by_a_user_of_another_name_whom_the_path_leads_there(
    user_soccer: str, postgres_server: str
) -> None:
    """As docs/operations.md has it, where a dump is restored."""
    start_of_warehouse(user_soccer)
    DagsterPostgresStorage(user_soccer)
    url = sa.make_url(user_soccer)
    with sa.create_engine(user_soccer, poolclass=sa.NullPool).begin() as connection:
        connection.execute(
            sa.text(f'ALTER DATABASE "{url.database}" SET search_path = {SCHEMA}, public')
        )
    other = url.set(username=sa.make_url(postgres_server).username)
    SoccerPostgresStorage(other.render_as_string(hide_password=False))
    assert schemas(user_soccer)["Dagster"] == {SCHEMA}


def test_a_schema_that_the_user_was_given_is_where_they_are_made(user_soccer: str) -> None:
    with sa.create_engine(user_soccer, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text('CREATE SCHEMA "of Dagster\'s"'))
        connection.execute(
            sa.text(f'ALTER ROLE {SCHEMA} SET search_path = "of Dagster\'s", public')
        )
    SoccerPostgresStorage(user_soccer)
    assert schemas(user_soccer)["Dagster"] == {"of Dagster's"}
