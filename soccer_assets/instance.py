"""Dagster's own storage: the same PostgreSQL as the warehouse, embedded or not."""

from collections.abc import Mapping
from typing import Any

from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from soccer_assets.warehouse.connection import database_url


class SoccerPostgresStorage(DagsterPostgresStorage):
    """``DagsterPostgresStorage`` at ``POSTGRES_URL``, or at the embedded server, which it starts.

    Named in ``dagster.yaml``, so that every ``dagster`` command works without configuration.
    """

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "SoccerPostgresStorage":
        return cls(postgres_url=database_url(), inst_data=inst_data)

    # The parts are reached through this storage; none of them is configured on its own.
    @property
    def event_storage_data(self) -> None:
        return None

    @property
    def run_storage_data(self) -> None:
        return None

    @property
    def schedule_storage_data(self) -> None:
        return None
