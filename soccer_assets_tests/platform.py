"""The whole graph, on services of one test's own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from soccer_assets.lake.store import ObjectStore
from soccer_assets.livescores.server import FeedServer
from soccer_assets.modelling.registry import ModelRegistry
from soccer_assets.resources import make_resources
from soccer_assets.settings import get_settings
from soccer_assets.warehouse.connection import database_url as configured_database_url
from soccer_assets.warehouse.connection import get_engine


@dataclass(frozen=True)
class Platform:
    """Runs assets of the real definitions on an environment that only this test sees."""

    home: Path
    feed: FeedServer
    instance: dg.DagsterInstance
    definitions: dg.Definitions

    @property
    def engine(self) -> sa.Engine:
        return get_engine()

    @property
    def store(self) -> ObjectStore:
        return make_resources(get_settings())["lake"].store

    @property
    def registry(self) -> ModelRegistry:
        return make_resources(get_settings())["registry"].registry

    def run(
        self,
        *assets: str,
        partition: str | None = None,
        partitions: tuple[str, str] | None = None,
        config: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
        raise_on_error: bool = True,
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets with their checks; ``partitions`` is the first and the last key."""
        tags = dict(tags or {})
        if partitions:
            tags["dagster/asset_partition_range_start"] = partitions[0]
            tags["dagster/asset_partition_range_end"] = partitions[1]
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            run_config={"ops": config or {}},
            instance=self.instance,
            asset_selection=[dg.AssetKey(name) for name in assets],
            partition_key=partition,
            tags=tags,
            raise_on_error=raise_on_error,
        )

    def latest_check(self, asset: str, check: str) -> bool | None:
        """Whether the newest execution of an asset check passed; None when it never ran."""
        key = dg.AssetCheckKey(dg.AssetKey(asset), check)
        records = self.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])
        event = records[key].event if key in records else None
        if event is None or event.dagster_event is None:
            return None
        evaluation = event.dagster_event.event_specific_data
        assert isinstance(evaluation, dg.AssetCheckEvaluation)
        return evaluation.passed


@contextmanager
def platform(
    home: Path,
    feed: FeedServer,
    database_url: str,
    environment: dict[str, str] | None = None,
) -> Iterator[Platform]:
    """A platform below ``home`` that reads ``feed`` and keeps its tables in ``database_url``."""
    variables = {
        "SOCCER_HOME": str(home),
        "POSTGRES_URL": database_url,
        "LIVESCORES_URL": feed.url,
        **(environment or {}),
    }
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        for name, value in variables.items():
            patch.setenv(name, value)
        forget_environment()
        from soccer_assets.definitions import make_definitions

        try:
            yield Platform(home, feed, instance, make_definitions(get_settings()))
        finally:
            get_engine().dispose()
    forget_environment()


def forget_environment() -> None:
    """Have the next use of the settings, and of what hangs on them, read the environment anew."""
    for cached in (get_settings, configured_database_url, get_engine):
        cached.cache_clear()


def faults_of(result: dg.ExecuteInProcessResult) -> Sequence[str]:
    """Why the steps of a run failed, in their own words."""
    return [
        event.step_failure_data.user_failure_data.description
        for event in result.get_step_failure_events()
        if event.step_failure_data.user_failure_data
    ]
