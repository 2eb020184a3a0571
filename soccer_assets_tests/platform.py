"""The whole graph, on services of one test's own."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from soccer_assets.modelling.registry import ModelRegistry
from soccer_assets.resources import make_resources
from soccer_assets.settings import get_settings
from soccer_assets.simulator.server import FeedServer
from soccer_assets.storage.store import ObjectStore
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
        return get_engine(get_settings())

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
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            run_config={"ops": config or {}},
            instance=self.instance,
            asset_selection=[dg.AssetKey(name) for name in assets],
            partition_key=partition,
            tags={**(tags or {}), **_range_tags(partitions)},
            raise_on_error=raise_on_error,
        )

    def run_job(
        self,
        name: str,
        *,
        partition: str | None = None,
        partitions: tuple[str, str] | None = None,
        tags: dict[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run one of the named jobs; a step that fails raises."""
        job = self.definitions.resolve_job_def(name)
        tags = {**(tags or {}), **_range_tags(partitions)}
        return job.execute_in_process(instance=self.instance, partition_key=partition, tags=tags)

    def check(
        self, asset: str, check: str, *, and_assets: Collection[str] = ()
    ) -> dg.ExecuteInProcessResult:
        """Run a check on what is there, and materialize nothing but ``and_assets`` with it."""
        job = self.definitions.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection={dg.AssetKey(name) for name in and_assets},
            asset_check_selection={dg.AssetCheckKey(dg.AssetKey(asset), check)},
        )
        return job.execute_in_process(instance=self.instance, raise_on_error=False)

    def recorded(self, result: dg.ExecuteInProcessResult) -> dict[str, set[str | None]]:
        """Asset -> the partitions (None: it has none) that a run's events call materialized."""
        found = defaultdict(set)
        for entry in self.instance.all_logs(
            result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        ):
            assert entry.dagster_event is not None
            made = entry.dagster_event.step_materialization_data.materialization
            found[made.asset_key.to_user_string()].add(made.partition)
        return dict(found)

    def versions(self, result: dg.ExecuteInProcessResult, asset: str) -> dict[str | None, str]:
        """Partition (None: it has none) -> data version, of what a run made of an asset."""
        return {
            made.partition: made.tags["dagster/data_version"]
            for event in result.get_asset_materialization_events()
            if (made := event.step_materialization_data.materialization).asset_key
            == dg.AssetKey(asset)
        }

    def not_started(self, result: dg.ExecuteInProcessResult) -> set[str]:
        """Assets that a run had planned and whose steps it never started."""
        started, planned = set(), {}
        for entry in self.instance.all_logs(result.run_id):
            event = entry.dagster_event
            if event and event.is_step_start:
                started.add(event.step_key)
            elif event and event.is_asset_materialization_planned:
                key = event.asset_materialization_planned_data.asset_key
                planned[key.to_user_string()] = event.step_key
        return {asset for asset, step in planned.items() if step not in started}

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


def _range_tags(partitions: tuple[str, str] | None) -> dict[str, str]:
    if partitions is None:
        return {}
    first, last = partitions
    return {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }


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
        # Unset; and MLflow, which puts the store it last used here, is cleared up after.
        "MLFLOW_TRACKING_URI": "",
        **(environment or {}),
    }
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        for name, value in variables.items():
            patch.setenv(name, value)
        from soccer_assets.definitions import make_definitions

        try:
            yield Platform(home, feed, instance, make_definitions(get_settings()))
        finally:
            get_engine(get_settings()).dispose()


def faults_of(result: dg.ExecuteInProcessResult) -> Sequence[str]:
    """Why the steps of a run failed, in their own words."""
    return [
        event.step_failure_data.user_failure_data.description
        for event in result.get_step_failure_events()
        if event.step_failure_data.user_failure_data
    ]


def metadata_of(
    result: dg.ExecuteInProcessResult, asset: str, partition: str | None = None
) -> dict[str, Any]:
    """What a run told about an asset it materialized, or about one of its partitions."""
    made = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(asset) and partition in (None, event.partition)
    ]
    return {name: value.value for name, value in made[-1].metadata.items()}


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """Check -> its evaluation in a run."""
    return {found.check_name: found for found in result.get_asset_check_evaluations()}
