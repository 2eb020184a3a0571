"""Where Dagster itself keeps things: named in ``dagster.yaml``, so that every ``dagster`` command
works without configuration.

Its runs and events are in the warehouse's PostgreSQL, its logs and scratch files below
``SOCCER_HOME``.
"""

import os
from collections.abc import Mapping
from typing import Any

from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from soccer_assets.settings import get_settings
from soccer_assets.warehouse.connection import database_url

Config = Mapping[str, Any]


class SoccerPostgresStorage(DagsterPostgresStorage):
    """``DagsterPostgresStorage`` at ``POSTGRES_URL``, or at the embedded server, which it starts."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Config
    ) -> "SoccerPostgresStorage":
        # A range of days is an event an asset and a day: they are stored by the hundred, and over
        # a connection that is kept (by default each of them connects anew).
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "500")
        storage = cls(postgres_url=database_url(), inst_data=inst_data)
        storage.event_log_storage.optimize_for_webserver(
            statement_timeout=60_000, pool_recycle=3600, max_overflow=20
        )
        return storage

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


def _folder(name: str) -> str:
    return str(get_settings().home / "dagster" / name)


class SoccerArtifactStorage(LocalArtifactStorage):
    """Scratch files of Dagster."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> "SoccerArtifactStorage":
        return cls(base_dir=_folder("artifacts"), inst_data=inst_data)


class SoccerComputeLogManager(LocalComputeLogManager):
    """What the steps printed."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> "SoccerComputeLogManager":
        return cls(base_dir=_folder("compute_logs"), inst_data=inst_data)
