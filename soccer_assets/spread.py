"""A long range of days as several runs at once, each of some months.

Each run has a process of its own here. Where steps are executed elsewhere (``SOCCER_EXECUTOR``) these
processes only wait, and the work is spread over as many machines as take steps.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import dagster as dg

from soccer_assets.dagster_home import dagster_home
from soccer_assets.runner import JobFailed, Progress, open_instance
from soccer_assets.runs import cause_of
from soccer_assets.settings import Settings

Range = tuple[date, date]
#: Tells the runs of one range from all others.
_TAG = "soccer/range"


def ranges_of_months(first: date, last: date, months: int) -> list[Range]:
    """The days from ``first`` to ``last`` in ranges that begin with a month, but for the first, and
    have so many months each, but for the last."""
    found = []
    while first <= last:
        month = first.year * 12 + first.month - 1 + months
        begins = date(month // 12, month % 12 + 1, 1)
        found.append((first, min(last, begins - timedelta(days=1))))
        first = begins
    return found


def run_ranges(
    job: str,
    ranges: Sequence[Range],
    at_once: int,
    progress: Progress,
    settings: Settings,
    config: dict[str, Any],
) -> None:
    """Run a job over each of the ranges.

    Args:
        job: as in the definitions.
        at_once: runs that are under way.
        progress: is told of each that has ended.
        settings: of the runs.
        config: the run config's ``ops``.

    Raises:
        JobFailed: some did not succeed; the others have been run all the same.
    """
    processes: list[subprocess.Popen[bytes]] = []
    failures = []
    with TemporaryDirectory(prefix="soccer-") as folder, ThreadPoolExecutor(at_once) as pool:
        (file := Path(folder) / "config.yaml").write_text(json.dumps({"ops": config}))
        tries = {pool.submit(_run, job, each, settings, file, processes): each for each in ranges}
        try:
            for done in as_completed(tries):
                first, last = tries[done]
                reasons = done.result()
                progress(f"{job} {first} to {last}: {'failed' if reasons else 'done'}")
                failures += [f"{job} {first} to {last}: {reason}" for reason in reasons]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            raise
    if failures:
        raise JobFailed("\n".join(failures))


def slots_of(pool: str) -> int:
    """How many steps a pool lets run at once."""
    with open_instance() as instance:
        limits = {found.name: found.limit for found in instance.event_log_storage.get_pool_limits()}
        default = instance.global_op_concurrency_default_limit
        return int(limits.get(pool) or default or sys.maxsize)


def _run(
    job: str,
    days: Range,
    settings: Settings,
    file: Path,
    processes: list[subprocess.Popen[bytes]],
) -> list[str]:
    """Why a run has failed; nothing if it has not."""
    name = str(uuid4())
    ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    tags = {**dict(zip(ends, map(str, days), strict=True)), _TAG: name}
    process = subprocess.Popen(
        [
            *(str(Path(sys.executable).parent / "dagster"), "job", "execute", "-j", job),
            *("-m", "soccer_assets.definitions", "--tags", json.dumps(tags)),
            *("--config", str(file)),
        ],
        env={**os.environ, **settings.environment(), "DAGSTER_HOME": str(dagster_home())},
        cwd=dagster_home(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    processes.append(process)
    if process.wait() == 0:
        return []
    return list(_reasons(name)) or [f"its process ended with {process.returncode}"]


def _reasons(name: str) -> Iterator[str]:
    with open_instance() as instance:
        for run in instance.get_runs(dg.RunsFilter(tags={_TAG: name})):
            for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
                if entry.dagster_event:
                    yield f"{entry.dagster_event.step_key}: {cause_of(entry.dagster_event)}"
