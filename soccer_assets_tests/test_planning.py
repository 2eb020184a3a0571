"""What runs over long ranges plan is stored many at a time, and is what Dagster would have stored."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster_postgres import PostgresEventLogStorage

from soccer_assets.automation.partitions import FIRST_TAG, LAST_TAG
from soccer_assets.definitions import defs
from soccer_assets.instance import SoccerEventLogStorage
from soccer_assets.runner import open_instance

pytestmark = pytest.mark.system

ASSETS = ("livescores", "match_raw", "match")
RANGE = {FIRST_TAG: "2019-01-01", LAST_TAG: "2020-12-31"}


@pytest.fixture
def instance(
    household_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("SOCCER_HOME", str(tmp_path))
    monkeypatch.setenv("POSTGRES_URL", household_url)
    with open_instance() as instance:
        yield instance


def planned(instance: dg.DagsterInstance) -> dg.DagsterRun:
    return instance.create_run_for_job(defs.resolve_job_def("ingest"), tags=RANGE)


def rows(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[Any]:
    """What is stored of a run's plan, in its order, without numbers and times."""
    storage: Any = instance.event_log_storage
    query = (
        "SELECT dagster_event_type, step_key, asset_key, partition,"
        " event::jsonb -> 'dagster_event' -> 'event_specific_data', event::jsonb -> 'level'"
        " FROM event_logs WHERE run_id = %s ORDER BY id"
    )
    with storage.index_connection() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query, (run.run_id,))]


def states(instance: dg.DagsterInstance) -> dict[str, str | None]:
    records = instance.get_asset_records([dg.AssetKey(name) for name in ASSETS])
    return {r.asset_entry.asset_key.to_user_string(): r.asset_entry.last_run_id for r in records}


def test_a_plan_is_what_dagster_would_have_stored_in_few_statements(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage: Any = instance.event_log_storage
    statements = 0

    def count(*_: Any) -> None:
        nonlocal statements
        statements += 1

    sa.event.listen(storage._engine, "before_cursor_execute", count)
    ours = planned(instance)
    few = statements
    assert states(instance) == dict.fromkeys(ASSETS, ours.run_id)
    monkeypatch.setattr(
        SoccerEventLogStorage, "store_event_batch", PostgresEventLogStorage.store_event_batch
    )
    statements = 0
    theirs = planned(instance)
    assert rows(instance, ours) == rows(instance, theirs)
    assert sum(row[3] is not None for row in rows(instance, ours)) == 3 * 731
    assert states(instance) == dict.fromkeys(ASSETS, theirs.run_id)
    assert few < statements / 20


def test_which_days_of_a_long_range_failed_is_known(instance: dg.DagsterInstance) -> None:
    run = planned(instance)
    asset = dg.AssetKey("match")
    for day in ("2019-05-01", "2020-12-31"):
        instance.report_dagster_event(
            dg.DagsterEvent(
                dg.DagsterEventType.ASSET_MATERIALIZATION.value,
                run.job_name,
                event_specific_data=_made(asset, day),
            ),
            run.run_id,
        )
    instance.report_run_failed(run)
    partitions = defs.resolve_asset_graph().get(asset).partitions_def
    assert partitions is not None
    found = get_and_update_asset_status_cache_value(instance, asset, partitions)
    assert found is not None
    failed = set(found.deserialize_failed_partition_subsets(partitions).get_partition_keys())
    assert len(failed) == 729
    assert not failed & {"2019-05-01", "2020-12-31"}


def _made(asset: dg.AssetKey, day: str) -> Any:
    from dagster._core.events import StepMaterializationData

    return StepMaterializationData(dg.AssetMaterialization(asset, partition=day))
