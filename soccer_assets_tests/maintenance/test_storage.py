"""What maintenance removes and what it leaves, table by table, also when it is killed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState, TickData, TickStatus
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._core.test_utils import freeze_time
from dagster._utils.error import SerializableErrorInfo

from soccer_assets.automation.maintenance import NEEDS, maintain_storage, maintenance
from soccer_assets.automation.partitions import FIRST_TAG, LAST_TAG
from soccer_assets.automation.records import PARTITION_TAG
from soccer_assets.definitions import defs
from soccer_assets.maintenance import storage, tables
from soccer_assets.maintenance.storage import NotKept, maintain
from soccer_assets.params import MaintenanceParams
from soccer_assets_tests.automation.loop import FEATURES, NOON, SERVING, Loop
from soccer_assets_tests.maintenance.deciding import AT_ONCE, NEWEST_ALONE, followers, tidied

pytestmark = pytest.mark.system

PARAMS = MaintenanceParams()
DAY = timedelta(days=1)
MATCH = dg.AssetKey("match")


@contextmanager
def rows(instance: dg.DagsterInstance) -> Iterator[sa.Connection]:
    store: Any = instance.event_log_storage
    with store.index_connection() as connection:
        yield connection


def counted(instance: dg.DagsterInstance, query: str) -> int:
    with rows(instance) as connection:
        return int(connection.exec_driver_sql(query).scalar_one())


def everything(instance: dg.DagsterInstance) -> dict[str, list[Any]]:
    """What is left in each table."""
    ids = {"runs": "run_id", "run_tags": "run_id, key"}
    with rows(instance) as connection:
        return {
            table: sorted(
                tuple(row)
                for row in connection.exec_driver_sql(f"SELECT {ids.get(table, 'id')} FROM {table}")
            )
            for table in ("event_logs", "asset_event_tags", "asset_check_executions", *ids)
        }


def some_history(instance: dg.DagsterInstance) -> None:
    loop = Loop(instance)
    for place in range(5):
        with freeze_time(NOON - (50 - place) * DAY):
            loop.runs("match", tags={PARTITION_TAG: "2025-01-04"}, version=str(place // 2))
            loop.runs(*FEATURES, *SERVING)
            loop.checked("features", "feature_ranges", place % 2 == 0, blocking=True)
    with freeze_time(NOON - 40 * DAY):
        loop.fails(loop.begin("match", tags={PARTITION_TAG: "2025-01-05"}))


def test_what_is_young_stays_whatever_replaced_it(instance: dg.DagsterInstance) -> None:
    loop = Loop(instance)
    for hours in (50, 40, 30):
        with freeze_time(NOON - timedelta(hours=hours)):
            loop.runs("features", version="1")
            loop.checked("features", "feature_ranges", True, blocking=True)
    before = everything(instance)
    tidied(instance, NOON, PARAMS, NEWEST_ALONE)
    after = everything(instance)
    assert {table for table in before if after[table] != before[table]} == {"event_logs"}
    gone = len(before["event_logs"]) - len(after["event_logs"])
    assert gone == 2  # what the first two had planned


def test_what_runs_is_left_alone(instance: dg.DagsterInstance) -> None:
    with freeze_time(NOON - 100 * DAY):
        loop = Loop(instance)
        run = loop.begin("match", tags={FIRST_TAG: "2025-01-01", LAST_TAG: "2025-01-03"})
        loop.runs("match", tags={PARTITION_TAG: "2025-01-02"})
    tidied(instance, NOON, needs=NEWEST_ALONE)
    planned = instance.all_logs(
        run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    )
    assert len(planned) == 3


def failed_days(instance: dg.DagsterInstance) -> set[str]:
    """As the UI and the conditions find them, by the events alone."""
    partitions = defs.resolve_asset_graph().get(MATCH).partitions_def
    assert partitions is not None
    instance.event_log_storage.wipe_asset_cached_status(MATCH)
    found = get_and_update_asset_status_cache_value(instance, MATCH, partitions)
    assert found is not None
    return set(found.deserialize_failed_partition_subsets(partitions).get_partition_keys())


def test_which_days_failed_stays_known(instance: dg.DagsterInstance) -> None:
    loop = Loop(instance)
    with freeze_time(NOON - 60 * DAY):
        for _ in range(3):
            run = loop.begin("match", tags={FIRST_TAG: "2025-01-01", LAST_TAG: "2025-01-04"})
            loop.makes_some(run, "match", "2025-01-02")
            loop.fails(run)
        loop.runs("match", tags={PARTITION_TAG: "2025-01-04"})
    assert failed_days(instance) == {"2025-01-01", "2025-01-03"}
    planned = f"SELECT count(*) FROM event_logs WHERE dagster_event_type = '{tables.PLANNED}'"
    assert counted(instance, planned) == 13
    tidied(instance, NOON, needs=NEWEST_ALONE)
    assert failed_days(instance) == {"2025-01-01", "2025-01-03"}
    assert counted(instance, planned) == 3  # and what names the last run


def test_what_steps_printed_goes_before_it_is_forgotten(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.op
    def prints() -> None:
        print("hello")

    @dg.job(executor_def=dg.in_process_executor)
    def printing() -> None:
        prints()

    with freeze_time(NOON - 20 * DAY):
        result = printing.execute_in_process(instance=instance)
    folder = tmp_path / "dagster" / "compute_logs" / result.run_id
    assert list(folder.rglob("*.out"))

    def away(*_: Any, **__: Any) -> None:
        raise OSError("the bucket is away")

    with monkeypatch.context() as patch:
        patch.setattr(instance.compute_log_manager, "delete_logs", away)
        done = maintain(instance, PARAMS, NEEDS, NOON)
    assert done.failed == {"what steps printed": "OSError: the bucket is away"}
    assert list(folder.rglob("*.out"))
    assert tidied(instance, NOON, PARAMS).removed["what steps printed"] == 1
    assert not folder.exists()
    assert instance.get_run_by_id(result.run_id)
    assert tidied(instance, NOON, PARAMS).removed["what steps printed"] == 0


class _Killed(BaseException):
    """As by a signal, which nothing handles."""


@pytest.mark.parametrize("at", [1, 9, 25, 60])
def test_killed_anywhere_it_goes_on_and_nothing_is_decided_otherwise(
    instance: dg.DagsterInstance, at: int
) -> None:
    some_history(instance)
    before = followers(instance, NOON)
    store: Any = instance.event_log_storage
    left = at

    def kill(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        nonlocal left
        removes = statement.lstrip().startswith(("DELETE", "WITH gone"))
        left -= removes
        if removes and left == 0:
            raise _Killed

    sa.event.listen(store._engine, "after_cursor_execute", kill)
    try:
        maintain(instance, AT_ONCE, NEWEST_ALONE, NOON)
    except _Killed:
        assert followers(instance, NOON) == before
    finally:
        sa.event.remove(store._engine, "after_cursor_execute", kill)
    tidied(instance, NOON, needs=NEWEST_ALONE)
    assert followers(instance, NOON) == before
    left_by_killed = everything(instance)
    orphans = (
        "SELECT count(*) FROM asset_event_tags WHERE event_id NOT IN (SELECT id FROM event_logs)"
    )
    assert counted(instance, orphans) == 0
    assert tidied(instance, NOON, needs=NEWEST_ALONE).removed["runs"] == 0
    assert everything(instance) == left_by_killed


def test_when_the_time_is_up_the_rest_waits(instance: dg.DagsterInstance) -> None:
    some_history(instance)
    short = AT_ONCE.model_copy(update={"max_minutes": 0.0})
    done = maintain(instance, short, NEWEST_ALONE, NOON)
    assert not done.is_complete
    assert list(done.removed) == ["planned events"]
    assert tidied(instance, NOON, needs=NEWEST_ALONE).removed["runs"] > 0


def test_of_checks_the_newest_stays_and_the_newest_that_was_completed(
    instance: dg.DagsterInstance,
) -> None:
    loop = Loop(instance)
    for day in (90, 80, 70):
        with freeze_time(NOON - day * DAY):
            loop.checked("features", "feature_ranges", True, blocking=True)
    with freeze_time(NOON - 60 * DAY):
        loop.runs("features")  # which plans an evaluation
    key = dg.AssetCheckKey(dg.AssetKey("features"), "feature_ranges")
    assert tidied(instance, NOON).removed["replaced evaluations of checks"] == 2
    found = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    assert [one.status.value for one in found] == ["PLANNED", "SUCCEEDED"]


def test_a_log_line_with_a_nul_in_it_can_be_written_after_maintenance(
    instance: dg.DagsterInstance,
) -> None:
    tidied(instance, NOON)
    with rows(instance) as connection:
        names = set(
            connection.exec_driver_sql(
                "SELECT indexname FROM pg_indexes WHERE tablename = 'event_logs'"
            ).scalars()
        )
    assert names >= set(tables.INDEXES)
    entry = dg.EventLogEntry(None, logging.INFO, "a \x00 line", "a-run", NOON.timestamp())
    instance.store_event(entry)
    assert counted(instance, "SELECT count(*) FROM event_logs") == 1
    assert tidied(instance, NOON + DAY).removed["lines of logs"] == 1


def test_an_index_whose_making_was_killed_is_made_again(instance: dg.DagsterInstance) -> None:
    name = next(iter(tables.INDEXES))
    with rows(instance) as connection:
        tables.make_indexes(connection)
        connection.exec_driver_sql(
            f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass"
        )
        tables.make_indexes(connection)
        valid = connection.exec_driver_sql(
            f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{name}'::regclass"
        ).scalar_one()
    assert valid


def test_ticks_of_what_does_not_tick_any_more_go_by_the_same_terms(
    instance: dg.DagsterInstance,
) -> None:
    origin = dg_origin("gone")
    instance.add_instigator_state(
        InstigatorState(origin, InstigatorType.SENSOR, dg_status("STOPPED"), None)
    )
    for days in (100, 10, 1):
        for status in (TickStatus.SKIPPED, TickStatus.FAILURE):
            instance.create_tick(
                TickData(
                    origin.get_id(),
                    "gone",
                    InstigatorType.SENSOR,
                    status,
                    (NOON - days * DAY).timestamp(),
                    selector_id=origin.get_selector().get_id(),
                    error=SerializableErrorInfo("it failed", [], None)
                    if status is TickStatus.FAILURE
                    else None,
                )
            )
    tidied(instance, NOON, PARAMS)
    left = instance.get_ticks(origin.get_id(), origin.get_selector().get_id())
    ages = sorted(
        (tick.status.value, round((NOON.timestamp() - tick.timestamp) / 86400)) for tick in left
    )
    assert ages == [("FAILURE", 1), ("FAILURE", 10), ("SKIPPED", 1)]


def test_the_job_does_it_and_tells_what_it_did(instance: dg.DagsterInstance) -> None:
    some_history(instance)
    with freeze_time(NOON):
        result = defs.resolve_job_def("maintenance").execute_in_process(instance=instance)
    told = result.events_for_node(maintain_storage.name)
    metadata = next(e for e in told if e.is_successful_output).step_output_data.metadata
    assert metadata["removed: planned events"].value > 0
    assert metadata["complete"].value is True
    assert metadata["MB: event_logs"].value > 0
    assert maintenance.tags["dagster/max_runtime"] == "7200"


def test_what_cannot_be_removed_fails_the_job_which_has_done_the_rest(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> list[str]:
        raise RuntimeError("no such column")

    monkeypatch.setattr(storage.tables, "checks", broken)
    some_history(instance)
    old = "dagster_event_type = 'ASSET_CHECK_EVALUATION' AND timestamp < '2025-01-20'"
    assert counted(instance, f"SELECT count(*) FROM event_logs WHERE {old}") > 0
    with freeze_time(NOON):
        result = defs.resolve_job_def("maintenance").execute_in_process(
            instance=instance, raise_on_error=False
        )
    [failed] = result.get_step_failure_events()
    said = failed.step_failure_data.user_failure_data
    assert said
    assert "replaced evaluations of checks: RuntimeError: no such column" in str(said.description)
    assert counted(instance, f"SELECT count(*) FROM event_logs WHERE {old}") == 0


def test_an_instance_elsewhere_is_left_alone() -> None:
    with dg.DagsterInstance.ephemeral() as elsewhere, pytest.raises(NotKept):
        maintain(elsewhere, PARAMS, NEEDS, NOON)


def dg_origin(name: str) -> Any:
    from dagster._core.remote_origin import (
        RegisteredCodeLocationOrigin,
        RemoteInstigatorOrigin,
        RemoteRepositoryOrigin,
    )

    location = RegisteredCodeLocationOrigin("soccer_assets")
    return RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)


def dg_status(name: str) -> Any:
    from dagster._core.scheduler.instigation import InstigatorStatus

    return InstigatorStatus[name]
