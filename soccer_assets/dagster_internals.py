"""What is used of Dagster that it does not publish, each with the reason why."""

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from dagster import DagsterEventType, DagsterInstance

# The status of a check's executions, which its history is filtered by.
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

# The table of the events: see origins_of.
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

# The clock that the times of runs and events are read from.
from dagster._time import get_current_timestamp

__all__ = ["AssetCheckExecutionRecordStatus", "get_current_timestamp", "origins_of"]


def origins_of(
    instance: DagsterInstance, events: Collection[int]
) -> Mapping[int, tuple[str | None, int | None]]:
    """Storage id of an event -> the run it is of, and the storage id of that run's start.

    Published are calls for one run at a time, and times of day; here hundreds of runs are asked for
    every half minute, and order matters.
    """
    event, start = SqlEventLogStorageTable.alias("event"), SqlEventLogStorageTable.alias("start")
    query = (
        sa.select(event.c.id, event.c.run_id, sa.func.min(start.c.id))
        .outerjoin(
            start,
            (start.c.run_id == event.c.run_id)
            & (start.c.dagster_event_type == DagsterEventType.RUN_START.value),
        )
        .where(event.c.id.in_(events))
        .group_by(event.c.id, event.c.run_id)
    )
    storage = instance.event_log_storage
    with storage.index_connection() as connection:  # type: ignore[attr-defined]
        return {at: (run or None, began) for at, run, began in connection.execute(query)}
