"""Alembic's entry point: runs the migrations on the connection that ``migrate`` opened."""

from alembic import context

from soccer_assets.warehouse.migrate import VERSION_TABLE
from soccer_assets.warehouse.schema import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    version_table_schema=SCHEMA,
)
with context.begin_transaction():
    context.run_migrations()
