"""Runs a job in this process and tells its progress in a line a step."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import dagster as dg

from soccer_assets.assets.common import NOT_YET
from soccer_assets.dagster_home import dagster_home
from soccer_assets.dagster_internals import InstanceRef
from soccer_assets.process import is_asked_to_end
from soccer_assets.runs import abandon, cause_of

Progress = Callable[[str], None]


@contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """The instance that ``dagster.yaml`` describes, the one every ``dagster`` command here uses."""
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(dagster_home()))) as instance:
        yield instance


class JobFailed(Exception):
    """A job did not succeed; the message names its failed steps and why they failed."""


def run_job(
    job_name: str,
    progress: Progress,
    *,
    partitions: tuple[str, str] | None = None,
    config: dict[str, Any] | None = None,
) -> dict[str, str]:
    """Run one of the definitions' jobs to its end.

    Args:
        job_name: as in the definitions.
        progress: told what the steps log and when each ends.
        partitions: first and last key of the range to materialize.
        config: the run config's ``ops``.

    Returns:
        Assets that cannot be made yet -> why.

    Raises:
        JobFailed: a step failed.
        KeyboardInterrupt: it was interrupted; what it had done by then is kept.
    """
    _end_if_asked()
    from soccer_assets.definitions import defs

    tags = {}
    if partitions:
        tags["dagster/asset_partition_range_start"] = partitions[0]
        tags["dagster/asset_partition_range_end"] = partitions[1]
    run_id = str(uuid4())
    with open_instance() as instance:
        instance.add_event_listener(run_id, lambda entry: _tell(entry, progress))
        try:
            result = defs.resolve_job_def(job_name).execute_in_process(
                run_id=run_id,
                instance=instance,
                tags=tags,
                run_config={
                    "ops": config or {},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                raise_on_error=False,
            )
        finally:
            abandon(instance, run_id)
    _end_if_asked()
    if result.dagster_run.status is dg.DagsterRunStatus.CANCELED:
        raise KeyboardInterrupt
    if not result.success:
        raise JobFailed(f"{job_name}: {_reasons(result)}")
    return dict(_not_yet(result))


def _end_if_asked() -> None:
    """A signal at the very end of a run, or while a garbage collector's callback ignores exceptions,
    interrupts nothing."""
    if is_asked_to_end():
        raise KeyboardInterrupt


def _tell(entry: dg.EventLogEntry, progress: Progress) -> None:
    event = entry.dagster_event
    if event is None:
        if isinstance(entry.level, int) and entry.level >= logging.INFO:
            progress(f"  {entry.user_message}")
    elif event.is_step_success:
        seconds = event.step_success_data.duration_ms / 1000
        progress(f"{event.step_key}: {seconds:.1f} s")


def _not_yet(result: dg.ExecuteInProcessResult) -> Iterator[tuple[str, str]]:
    for event in result.all_events:
        if event.event_type is dg.DagsterEventType.ASSET_OBSERVATION:
            observed = event.asset_observation_data.asset_observation
            if NOT_YET in observed.metadata:
                why = str(observed.metadata[NOT_YET].value)
                yield observed.asset_key.to_user_string(), why


def _reasons(result: dg.ExecuteInProcessResult) -> str:
    failed = result.get_step_failure_events()
    return "\n".join(f"{event.step_key}: {cause_of(event)}" for event in failed) or "failed"
