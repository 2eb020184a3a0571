"""Where Dagster itself keeps things, and what it knows of the processes that execute its runs: named
in ``dagster.yaml``, so that every ``dagster`` command works without configuration.

Its runs and events are in the warehouse's PostgreSQL, its logs and scratch files below
``SOCCER_HOME``.
"""

import logging
import os
import shutil
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import dagster as dg
import sqlalchemy as sa
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage

from soccer_assets.dagster_connections import (
    Bounded,
    SoccerRunStorage,
    SoccerScheduleStorage,
    share_of_process,
)
from soccer_assets.dagster_internals import (
    SINGLETON_REPOSITORY_NAME,
    CapturedLogContext,
    ConcurrencyClaimStatus,
    ConfigurableClassData,
    EngineEventData,
    InstanceRef,
    InstigatorState,
    InstigatorTick,
    LocalArtifactStorage,
    LocalComputeLogManager,
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
    RunFailureReason,
    check_captured_interrupt,
)
from soccer_assets.dagster_tables import complete_data, complete_tables, remember_tables
from soccer_assets.own_runs import LaunchedRun, OwnRun, RunOfCommand
from soccer_assets.process import Leases, end_soon_when_asked, is_asked_to_end
from soccer_assets.runs import end_dead_runs, holders, take
from soccer_assets.settings import get_settings
from soccer_assets.ticks import latest_possible, possible
from soccer_assets.warehouse.connection import database_url

if TYPE_CHECKING:
    from soccer_assets.lake_logs import LakeComputeLogManager

log = logging.getLogger(__name__)

Config = Mapping[str, Any]
#: Its name in ``workspace.yaml``.
CODE_LOCATION = "soccer_assets"
#: Output and error output.
_STREAMS = (1, 2)


class SoccerInstance(dg.DagsterInstance):
    """Knows which runs this process executes.

    The runs of a command (``soccer``, ``dagster asset materialize``, ``dagster job execute``) are
    the code location's like any other, on the timeline and for alerts, and end as canceled when the
    command is interrupted.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.leases = Leases(_folder("runs"))
        self._own_runs: dict[str, OwnRun] = {}

    @classmethod
    def config_schema(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, ConfigurableClassData | None]:
        return InstanceRef.config_defaults(base_dir)

    def create_run_for_job(  # type: ignore[override]
        self,
        job_def: dg.JobDefinition,
        *,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        **named: Any,
    ) -> dg.DagsterRun:
        """A run that this process is about to execute: others are created otherwise."""
        end_dead_runs(self)
        run_id = run_id or str(uuid4())
        run = self._own_runs[run_id] = RunOfCommand(self, run_id)
        location = RegisteredCodeLocationOrigin(CODE_LOCATION)
        repository = RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME)
        named["remote_job_origin"] = RemoteJobOrigin(repository, job_def.name)
        # Whoever started it starts it again.
        tags = {**(tags or {}), **take(self.leases, run_id), "dagster/max_retries": "0"}
        try:
            created = super().create_run_for_job(job_def, run_id=run_id, tags=tags, **named)
        except BaseException:
            run.leave()
            raise
        run.watch()
        return created

    def report_engine_event(
        self,
        message: str,
        dagster_run: dg.DagsterRun | None = None,
        engine_event_data: EngineEventData | None = None,
        *arguments: Any,
        **named: Any,
    ) -> dg.DagsterEvent:
        """The first that is heard of a process which another one started to execute a run."""
        pid = engine_event_data.metadata.get("pid") if engine_event_data else None
        if (
            dagster_run
            and dagster_run.status is dg.DagsterRunStatus.STARTING
            and pid == dg.MetadataValue.text(str(os.getpid()))
        ):
            end_soon_when_asked()
            self.add_run_tags(dagster_run.run_id, take(self.leases, dagster_run.run_id))
            run = self._own_runs[dagster_run.run_id] = LaunchedRun(self, dagster_run.run_id)
            run.watch()
        return super().report_engine_event(
            message, dagster_run, engine_event_data, *arguments, **named
        )

    def handle_new_event(self, event: dg.EventLogEntry, **named: Any) -> None:
        happened = event.dagster_event
        run = self._own_runs.get(event.run_id)
        if isinstance(run, RunOfCommand) and happened and happened.is_run_failure:
            data = happened.job_failure_data
            why = data.failure_reason if data else None
            # A step that was interrupted may fail in whatever way its libraries know.
            if why is RunFailureReason.UNEXPECTED_TERMINATION or is_asked_to_end():
                run.leave()
                return
        ends = happened and happened.is_job_event and happened.event_type in _ENDS
        if ends and run:
            run.done.set()  # before it can be read, and taken for an end that others made
        super().handle_new_event(event, **named)
        if ends:
            self.leases.give_back(event.run_id)

    # What schedules and sensors did when the clock was ahead is not believed.

    def all_instigator_state(self, *arguments: Any, **named: Any) -> Sequence[InstigatorState]:
        return list(map(self._possible, super().all_instigator_state(*arguments, **named)))

    def get_instigator_state(self, origin_id: str, selector_id: str) -> InstigatorState | None:
        state = super().get_instigator_state(origin_id, selector_id)
        return state and self._possible(state)

    def _possible(self, state: InstigatorState) -> InstigatorState:
        found = possible(state)
        if found is not state:
            self.update_instigator_state(found)
        return found

    def get_ticks(
        self,
        origin_id: str,
        selector_id: str,
        before: float | None = None,
        *arguments: Any,
        **named: Any,
    ) -> Sequence[InstigatorTick]:
        before = min(before or latest_possible(), latest_possible())
        return super().get_ticks(origin_id, selector_id, before, *arguments, **named)


_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
_ENDS = (
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
)


class SoccerEventLogStorage(Bounded, PostgresEventLogStorage):
    """Stores what runs plan many at a time; makes a pool for two at once; looks, while a step waits
    for a slot of it, whether those who hold it live."""

    LOOK_SECONDS = 5.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._looked = -self.LOOK_SECONDS
        self._told: dict[str, str] = {}
        self._interrupted = False

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """A run over ten thousand days plans each of them for each asset before it starts; Dagster
        stores these one by one, in three statements each."""
        planned = [event for event in events if event.dagster_event_type is _PLANNED]
        others = [event for event in events if event.dagster_event_type is not _PLANNED]
        if planned:
            statement = self.prepare_insert_event_batch(planned)
            with self.index_connection() as connection:
                ids = connection.execute(statement.returning(sa.column("id"))).scalars().all()
            newest = {
                event.get_dagster_event().asset_key: (event, event_id)
                for event, event_id in zip(planned, ids, strict=True)
            }
            with self.index_transaction() as connection:
                for event, event_id in newest.values():
                    self._store_asset_event(connection, event, event_id)
        if others:
            super().store_event_batch(others)

    def claim_concurrency_slot(
        self, concurrency_key: str, run_id: str, step_key: str, priority: int | None = None
    ) -> ConcurrencyClaimStatus:
        wanted = (concurrency_key, run_id, step_key)
        claim = super().claim_concurrency_slot(*wanted, priority)
        if not claim.is_claimed and time.monotonic() - self._looked >= self.LOOK_SECONDS:
            self._looked = time.monotonic()
            self._tell(*wanted)
            if end_dead_runs(self._instance):
                claim = super().claim_concurrency_slot(*wanted, priority)
        if claim.is_claimed:
            return claim
        self._pause()
        # It has been waited here, where a signal is noticed: a run in process only spins.
        return claim.with_sleep_interval(0.0)

    def initialize_concurrency_limit_to_default(self, concurrency_key: str) -> bool:
        """When two make a pool at once, Dagster's second goes on in a transaction that the conflict
        has ended, and its run fails: what it was to make is there."""
        try:
            return super().initialize_concurrency_limit_to_default(concurrency_key)
        except sa.exc.InternalError:
            if concurrency_key in {pool.name for pool in self.get_pool_limits()}:
                return True
            raise

    def _tell(self, pool: str, run_id: str, step: str) -> None:
        message = f"{step} waits for pool {pool}, held by {holders(self._instance, pool)}"
        if self._told.get(run_id) != message:
            self._told[run_id] = message
            log.warning(message)
            run = self._instance.get_run_by_id(run_id)
            if run:
                self._instance.report_engine_event(message, run, step_key=step)

    def _pause(self) -> None:
        for _ in range(10):
            if check_captured_interrupt():
                break
            time.sleep(0.1)
        else:
            self._interrupted = False
            return
        # An executor that looks for interrupts takes them; that of runs in process does not look.
        if self._interrupted:
            raise dg.DagsterExecutionInterruptedError
        self._interrupted = True


class SoccerPostgresStorage(DagsterPostgresStorage):
    """``DagsterPostgresStorage`` at ``POSTGRES_URL``, or at the embedded server, which it starts."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        complete_tables(postgres_url)
        super().__init__(postgres_url, should_autocreate_tables=False, inst_data=inst_data)
        self._run_storage = SoccerRunStorage(postgres_url, should_autocreate_tables=False)
        self._schedule_storage = SoccerScheduleStorage(postgres_url, should_autocreate_tables=False)
        self._event_log_storage = SoccerEventLogStorage(
            postgres_url, should_autocreate_tables=False
        )
        complete_data(self)
        remember_tables(self)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Config
    ) -> "SoccerPostgresStorage":
        # A range of days is an event an asset and a day: they are stored by the hundred, and over
        # connections that are kept (by default each of them connects anew).
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "500")
        settings = get_settings()
        storage = cls(postgres_url=database_url(settings), inst_data=inst_data)
        for part in (
            storage._run_storage,
            storage._event_log_storage,
            storage._schedule_storage,
        ):
            assert isinstance(part, Bounded)
            part.bound(share_of_process(settings.dagster_connections))
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


def _folder(name: str) -> Path:
    return get_settings().home / "dagster" / name


class SoccerArtifactStorage(LocalArtifactStorage):
    """Scratch files of Dagster."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> "SoccerArtifactStorage":
        return cls(base_dir=str(_folder("artifacts")), inst_data=inst_data)


class SoccerComputeLogManager(LocalComputeLogManager):
    """What the steps printed: on this machine, or, where the lake is a bucket, there."""

    #: Bytes; with less, output of steps is printed only.
    ROOM = 256 << 10

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        """On a disk that is full nothing is kept of what says so, but it is printed.

        If it becomes full meanwhile, the streams cannot be flushed into their files, and Dagster
        would leave them there: what is printed later would be lost as well.
        """
        if shutil.disk_usage(get_settings().home).free < self.ROOM:
            yield CapturedLogContext(log_key)
            return
        before = [os.dup(stream) for stream in _STREAMS]
        try:
            with super().capture_logs(log_key) as captured:
                yield captured
        finally:
            for stream, original in zip(_STREAMS, before, strict=True):
                os.dup2(original, stream)
                os.close(original)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> "SoccerComputeLogManager | LakeComputeLogManager":
        folder = str(_folder("compute_logs"))
        local = cls(base_dir=folder, inst_data=inst_data)
        settings = get_settings()
        if not settings.lake.startswith("s3://"):
            return local
        from soccer_assets.lake_logs import LakeComputeLogManager

        return LakeComputeLogManager(settings, local, folder, inst_data)
