"""The warehouse: ``POSTGRES_URL`` or the embedded server."""

import dagster as dg
import sqlalchemy as sa

from soccer_assets.warehouse.connection import get_engine


class WarehouseResource(dg.ConfigurableResource):
    """PostgreSQL, with the project's tables in place."""

    @property
    def engine(self) -> sa.Engine:
        return get_engine()
