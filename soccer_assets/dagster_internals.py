"""What is used of Dagster that it does not publish, each with the reason why."""

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from dagster import DagsterEventType, DagsterInstance

# Another origin than None makes a run one of the code location's, on the timeline and for sensors.
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME

# Raised by Dagster in a run that is interrupted; a BaseException.
from dagster._core.errors import DagsterExecutionInterruptedError

# Why a run failed, which decides whether it is tried again.
from dagster._core.events import EngineEventData, JobFailureData, RunFailureReason

# Opens the instance that a dagster.yaml describes without DAGSTER_HOME.
from dagster._core.instance.ref import InstanceRef

# What a launcher says of the health of a run.
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

# What Dagster remembers of schedules and sensors: see ticks.
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorTick,
    ScheduleInstigatorData,
    SensorInstigatorData,
)

# The status of a check's executions, which its history is filtered by.
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

# Where scratch files and output of steps go: subclassed, to be below SOCCER_HOME.
from dagster._core.storage.compute_log_manager import CapturedLogContext

# The table of the events: see origins_of.
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.utils import make_new_run_id
from dagster._serdes import ConfigurableClassData

# The clock that the times of runs and events are read from.
from dagster._time import get_current_timestamp

# What a slot of a pool is told to those who ask for one.
from dagster._utils.concurrency import ConcurrencyClaimStatus
from dagster._utils.error import SerializableErrorInfo

# Whether a signal arrived that Dagster keeps until it is safe to raise it.
from dagster._utils.interrupts import check_captured_interrupt

__all__ = [
    "SINGLETON_REPOSITORY_NAME",
    "AssetCheckExecutionRecordStatus",
    "CapturedLogContext",
    "CheckRunHealthResult",
    "ConcurrencyClaimStatus",
    "ConfigurableClassData",
    "DagsterExecutionInterruptedError",
    "EngineEventData",
    "InstanceRef",
    "InstigatorState",
    "InstigatorTick",
    "JobFailureData",
    "LocalArtifactStorage",
    "LocalComputeLogManager",
    "RegisteredCodeLocationOrigin",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "RunFailureReason",
    "ScheduleInstigatorData",
    "SensorInstigatorData",
    "SerializableErrorInfo",
    "WorkerStatus",
    "check_captured_interrupt",
    "data_migrations",
    "get_current_timestamp",
    "make_new_run_id",
    "origins_of",
    "storage_tables",
]


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


def storage_tables() -> list[sa.MetaData]:
    """The tables of the three storages, to make what is missing of them."""
    from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
    from dagster._core.storage.runs.schema import RunStorageSqlMetadata
    from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata

    return [RunStorageSqlMetadata, SqlEventLogStorageMetadata, ScheduleStorageSqlMetadata]


def data_migrations() -> set[str]:
    """Names of all migrations of data, which a storage marks as done."""
    from dagster._core.storage.event_log import migration as events
    from dagster._core.storage.runs import migration as runs
    from dagster._core.storage.schedules import migration as schedules

    return {
        *runs.REQUIRED_DATA_MIGRATIONS,
        *runs.OPTIONAL_DATA_MIGRATIONS,
        *events.EVENT_LOG_DATA_MIGRATIONS,
        *events.ASSET_DATA_MIGRATIONS,
        *schedules.REQUIRED_SCHEDULE_DATA_MIGRATIONS,
        *schedules.OPTIONAL_SCHEDULE_DATA_MIGRATIONS,
    }
