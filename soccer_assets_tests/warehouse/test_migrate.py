"""The migrations make the tables that the code describes."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.util import CommandError

from soccer_assets.warehouse.migrate import migrate
from soccer_assets.warehouse.schema import SCHEMA, metadata


def test_the_newest_revision_is_what_the_code_describes(engine: sa.Engine) -> None:
    def in_schema(name: str | None, kind: str, parents: object) -> bool:
        return kind != "schema" or name == SCHEMA

    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": in_schema,
                "version_table_schema": SCHEMA,
                "compare_type": True,
            },
        )
        assert compare_metadata(context, metadata) == []


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
        connection.execute(sa.text("UPDATE soccer.alembic_version SET version_num = '9999'"))
    with pytest.raises(CommandError, match="9999"):
        migrate(engine)
