"""The warehouse: ``POSTGRES_URL`` or the embedded server."""

import dagster as dg
import sqlalchemy as sa

from soccer_assets.settings import Settings
from soccer_assets.warehouse.connection import get_engine


class WarehouseResource(dg.ConfigurableResource):
    """PostgreSQL, with the project's tables in place."""

    settings: dg.ResourceDependency[Settings]

    @property
    def engine(self) -> sa.Engine:
        return get_engine(self.settings)
