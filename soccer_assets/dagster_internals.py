"""What is used of Dagster that it does not publish: why, and what would replace it.

Each is looked for here after an upgrade of Dagster; the test of this module says which is gone, and
which has been published since and is to be taken from ``dagster`` itself.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC
from multiprocessing.context import BaseContext
from typing import NamedTuple
from uuid import uuid4

import sqlalchemy as sa
from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    OpExecutionContext,
)

# The tags that the data version of a materialization is kept in: the events tell it, tables and events
# reported by hand need them. Would go with a data version a partition of a result.
from dagster._core.definitions.data_version import (
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
)

# A run with an origin is the code location's, on the timeline and for sensors; a command gives it
# none. Goes with the other origins, below.
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME

# A result with this in its metadata brings no events of its own: see REPORTED. Would go with them, too.
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION

# The first event of a launched run tells the process that executes it; its failure tells why, which
# decides whether it is tried again. DagsterInstance publishes methods that take them, not them. And how
# events are stored many at a time: see report_materializations.
from dagster._core.events import (
    DagsterEventBatchMetadata,
    EngineEventData,
    JobFailureData,
    RunFailureReason,
)

# Whether an executor of Celery's tries steps again, which its configuration says in other words.
from dagster._core.execution.retries import RetryMode

# Opens the instance of a dagster.yaml in another folder than DAGSTER_HOME, and has the defaults of an
# instance class. Would be replaced by DagsterInstance.from_config with them.
from dagster._core.instance.ref import InstanceRef

# What a launcher says of the health of a run: published is the method, not what it returns.
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus

# The origin of a run, see above. Would go if runs of commands had one of the workspace.
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

# What Dagster remembers of schedules and sensors, mended where the clock was ahead: see ticks. Would
# go with a daemon that does not believe ticks of the future. And how a tick of theirs ended, which is
# told: published are the ticks, not what to compare their status with.
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorTick,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickStatus,
)

# The status of a check's executions, which are published without a status to compare with.
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

# What a step's output is captured into, and the manager that does it: subclassed, to be below
# SOCCER_HOME and to bear a full disk. Would be replaced by {env: ...} for folders in dagster.yaml.
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType

# The tables of the events and of their tags: see origins_of and newest_changes, which an API for
# many events at once would replace.
from dagster._core.storage.event_log.schema import AssetEventTagsTable, SqlEventLogStorageTable
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

# Scratch files, below SOCCER_HOME as well.
from dagster._core.storage.root import LocalArtifactStorage

# The tag of runs that an automation condition asked for: published as its text in the UI alone.
from dagster._core.storage.tags import AUTOMATION_CONDITION_TAG

# What a worker of Celery is asked to execute, which dagster-celery publishes as little; and how it is
# packed, as the events are that it answers with. Would go if dagster-celery's task did a step once.
from dagster._grpc.types import ExecuteStepArgs

# What a sensor answers, changed: tags of the runs that a condition asks for, which would go with tags that
# a condition may give.
from dagster._record import copy as copy_record

# What every class named in dagster.yaml is given: published are such classes, not this.
from dagster._serdes import ConfigurableClassData, pack_value, unpack_value

# The clock that the times of runs and events are read from, which tests move. Otherwise time.time.
from dagster._time import get_current_timestamp

# What a storage answers to those who ask for a slot of a pool; subclassed, it answers as well.
from dagster._utils.concurrency import ConcurrencyClaimStatus

# Whether a signal arrived that Dagster keeps until it is safe to raise it: while it waits for a pool,
# it asks nobody. Would go if a run in process ended by a signal then.
from dagster._utils.interrupts import check_captured_interrupt

__all__ = [
    "AUTOMATION_CONDITION_TAG",
    "DATA_VERSION_TAG",
    "REPORTED",
    "SINGLETON_REPOSITORY_NAME",
    "AssetCheckExecutionRecordStatus",
    "CapturedLogContext",
    "CheckRunHealthResult",
    "ComputeIOType",
    "ConcurrencyClaimStatus",
    "ConfigurableClassData",
    "EngineEventData",
    "ExecuteStepArgs",
    "InstanceRef",
    "InstigatorState",
    "InstigatorTick",
    "JobFailureData",
    "LocalArtifactStorage",
    "LocalComputeLogManager",
    "RegisteredCodeLocationOrigin",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "RetryMode",
    "RunFailureReason",
    "ScheduleInstigatorData",
    "SensorInstigatorData",
    "TickStatus",
    "WorkerStatus",
    "check_captured_interrupt",
    "copy_record",
    "data_migrations",
    "get_current_timestamp",
    "newest_changes",
    "origins_of",
    "pack_value",
    "report_materializations",
    "run_by_context",
    "storage_tables",
    "unpack_value",
    "version_tags",
]


class Origin(NamedTuple):
    """Where an event comes from."""

    run: str | None
    """None for what was reported without one."""
    began: int | None
    """The storage id of that run's start."""
    at: float
    """In seconds since 1970."""


def origins_of(instance: DagsterInstance, events: Collection[int]) -> Mapping[int, Origin]:
    """Storage id of an event -> where it comes from.

    Published are calls for one run at a time, and times of day; here hundreds of runs are asked for
    every half minute, and order matters.
    """
    event, start = SqlEventLogStorageTable.alias("event"), SqlEventLogStorageTable.alias("start")
    query = (
        sa.select(event.c.id, event.c.run_id, event.c.timestamp, sa.func.min(start.c.id))
        .outerjoin(
            start,
            (start.c.run_id == event.c.run_id)
            & (start.c.dagster_event_type == DagsterEventType.RUN_START.value),
        )
        .where(event.c.id.in_(events))
        .group_by(event.c.id, event.c.run_id, event.c.timestamp)
    )
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        return {
            event_id: Origin(run or None, began, at.replace(tzinfo=UTC).timestamp())
            for event_id, run, at, began in connection.execute(query)
        }


#: The first and the last of some partitions; None: the asset has none.
Partitions = tuple[str, str] | None


def newest_changes(
    instance: DagsterInstance, asset: AssetKey, since: Mapping[Partitions, int]
) -> Mapping[Partitions, int]:
    """The newest materialization, after a given event, of other data than the one before it.

    What says nothing of the version of its data counts as other data. Published is a comparison of
    two moments, which misses what was changed and changed back between them.

    Args:
        since: partitions -> the storage id of an event.

    Returns:
        The same -> the storage id of the newest such materialization of any of them, if there is
        one.
    """
    event, before = SqlEventLogStorageTable.alias("event"), SqlEventLogStorageTable.alias("before")

    def is_materialization(of: sa.FromClause) -> sa.ColumnElement[bool]:
        return sa.and_(
            of.c.asset_key == asset.to_string(),
            of.c.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION.value,
        )

    def version_of(event_id: sa.ColumnElement[int]) -> sa.ScalarSelect[str]:
        tag = AssetEventTagsTable.alias()
        return (
            sa.select(sa.func.max(tag.c.value))
            .where(tag.c.event_id == event_id, tag.c.key == DATA_VERSION_TAG)
            .correlate_except(tag)
            .scalar_subquery()
        )

    asked = (
        sa.values(
            sa.column("first", sa.Text),
            sa.column("last", sa.Text),
            sa.column("since", sa.BigInteger),
        )
        .data([(*(partitions or ("", "")), event_id) for partitions, event_id in since.items()])
        .cte("asked")
    )
    if None in since:
        is_asked = sa.and_(event.c.partition.is_(None))
    else:  # that it is not null says so to PostgreSQL, which has an index of those
        is_asked = sa.and_(
            event.c.partition.is_not(None), event.c.partition.between(asked.c.first, asked.c.last)
        )
    # Materialized, or PostgreSQL would look up the versions of all events before it leaves out most.
    recent = (
        sa.select(asked.c.first, asked.c.last, event.c.id, event.c.partition)
        .join(event, is_asked)
        .where(
            is_materialization(event),
            event.c.id > asked.c.since,
            event.c.id > min(since.values()),
        )
        .cte("recent")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    if None in since:
        of_the_same = sa.and_(before.c.partition.is_(None))
    else:
        of_the_same = sa.and_(
            before.c.partition.is_not(None), before.c.partition == recent.c.partition
        )
    previous = (
        sa.select(sa.func.max(before.c.id))
        .where(is_materialization(before), of_the_same, before.c.id < recent.c.id)
        .correlate_except(before)
        .scalar_subquery()
    )
    found = sa.select(
        recent.c.first,
        recent.c.last,
        recent.c.id,
        version_of(recent.c.id).label("version"),
        previous.label("previous"),
    ).subquery()
    version = found.c.version
    query = (
        sa.select(found.c.first, found.c.last, sa.func.max(found.c.id))
        .where(version.is_(None) | version.is_distinct_from(version_of(found.c.previous)))
        .group_by(found.c.first, found.c.last)
    )
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        return {
            (first, last) if first else None: newest
            for first, last, newest in connection.execute(query)
        }


#: Metadata of a result whose materializations were reported before it: it brings no other.
REPORTED = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}


def version_tags(version: str) -> dict[str, str]:
    """Tags of a materialization of data with this version."""
    return {DATA_VERSION_TAG: version, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"}


def report_materializations(
    context: AssetExecutionContext | OpExecutionContext, made: Sequence[AssetMaterialization]
) -> list[DagsterEvent]:
    """Report many at once, each as it is, from within the step that makes them; to be yielded.

    Published is a result that is the same for all partitions of a run, their data version as well,
    and a call that stores one event after the other.
    """
    step, batch = context.get_step_execution_context(), uuid4().hex
    return [
        DagsterEvent.asset_materialization(
            step, one, DagsterEventBatchMetadata(batch, place == len(made))
        )
        for place, one in enumerate(made, 1)
    ]


def run_by_context(context: BaseContext) -> None:
    """Have the code server of this process start the processes of its runs by this context.

    Published are launchers, which start containers; the one that has the code server do it knows no
    choice but spawning. The attribute is one of the class from now on, whatever its objects hold.
    """
    from dagster._grpc.server import DagsterApiServer

    chosen = property(lambda server: context, lambda server, spawning: None)
    DagsterApiServer._mp_ctx = chosen  # type: ignore[assignment]


def storage_tables() -> list[sa.MetaData]:
    """The tables of the three storages, to make what is missing of them, until Dagster makes its
    tables in a transaction: see dagster_tables."""
    from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
    from dagster._core.storage.runs.schema import RunStorageSqlMetadata
    from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata

    return [RunStorageSqlMetadata, SqlEventLogStorageMetadata, ScheduleStorageSqlMetadata]


def data_migrations() -> set[str]:
    """Names of all migrations of data, which a storage that is new has to mark as done."""
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
