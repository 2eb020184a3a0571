"""A roll over workers: one after the other loads what was published, and is verified."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from soccer_assets.serving.client import WorkerError, serves_another
from soccer_assets.serving.schemas import ModelInfo, Readiness, ReloadResult

POLL_SECONDS = 0.2


class Worker(Protocol):
    """Whatever way it is asked by. Each question raises WorkerError where there is no answer, or
    another than was wanted."""

    @property
    def name(self) -> str:
        """What it is told of by, unlike all others."""

    def reload(self) -> ReloadResult:
        """Have it serve what was published last."""

    def restore(self) -> ReloadResult:
        """Have it serve the champion before again."""

    def ready(self) -> Readiness:
        """Whether requests should be sent to it."""

    def model(self) -> ModelInfo:
        """What it serves."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    worker: str
    version_before: int | None
    version_after: int | None
    ready: bool
    seconds: float
    error: str | None
    cause: WorkerError | None = None
    """What the worker did when it was told to reload."""
    restored: bool | None = None
    """Whether it serves the champion before again, as a later worker has failed; None: it need not."""
    run_before: str | None = None
    run_after: str | None = None

    @property
    def ok(self) -> bool:
        return self.error is None


def reload_workers(
    workers: Sequence[Worker],
    expected_version: int,
    timeout: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    *,
    expected_run: str | None = None,
) -> list[WorkerReport]:
    """Reload one worker after the other, each given ``timeout`` seconds to serve the version, and
    the one of ``expected_run`` if that is given: versions are counted anew in every registry.

    Stops at the first that fails, so the last report may be a failure and the workers after it
    have no report and were not touched. Those that had a new champion by then, the failed one too if
    it has, serve the one before again: no two workers answer by different models. Newer predictions of
    the same champion stay.
    """
    reports: list[WorkerReport] = []
    for worker in workers:
        reports.append(
            _reload_worker(worker, expected_version, expected_run, timeout, sleep, clock)
        )
        if not reports[-1].ok:
            return [
                _restored(*pair, expected_version) for pair in zip(workers, reports, strict=False)
            ]
    return reports


def _restored(worker: Worker, report: WorkerReport, expected_version: int) -> WorkerReport:
    """The report, after its worker was restored if it had got the new champion. What has loaded yet
    another is ahead of this roll, and left to the next."""
    if report.version_after != expected_version or report.cause is not None:
        return report
    same_run = None in (report.run_before, report.run_after) or (
        report.run_before == report.run_after
    )
    if report.version_before is None or (
        report.version_before == report.version_after and same_run
    ):
        return report
    try:
        result = worker.restore()
    except WorkerError:
        return replace(report, restored=False)
    return replace(report, restored=result.version_after == report.version_before)


def _reload_worker(
    worker: Worker,
    expected_version: int,
    expected_run: str | None,
    timeout: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> WorkerReport:
    started = clock()

    def report(
        result: ReloadResult | None,
        ready: bool = False,
        error: str | None = None,
        cause: WorkerError | None = None,
    ) -> WorkerReport:
        return WorkerReport(
            worker=worker.name,
            version_before=result.version_before if result else None,
            version_after=result.version_after if result else None,
            ready=ready,
            seconds=clock() - started,
            error=error,
            cause=cause,
            run_before=result.run_id_before if result else None,
            run_after=result.run_id if result else None,
        )

    try:
        result = worker.reload()
    except WorkerError as error:
        return report(None, error=str(error), cause=error)
    if result.version_after != expected_version:  # waiting would not change it
        problem = f"loaded version {result.version_after}, not {expected_version}"
        return report(result, error=f"{worker.name}: {problem}")
    if serves_another(result, expected_run):
        problem = f"loaded the model of run {result.run_id}, not of {expected_run}"
        return report(result, error=f"{worker.name}: {problem}")
    while True:
        problem_now = _unmet(worker, expected_version)
        if problem_now is None:
            return report(result, ready=True)
        if clock() - started >= timeout:
            return report(result, error=f"{problem_now} (after {timeout:g} s)")
        sleep(POLL_SECONDS)


def _unmet(worker: Worker, expected_version: int) -> str | None:
    """What keeps the worker from serving the version; ``None`` when it does."""
    try:
        readiness = worker.ready()
        if not readiness.ready:
            return f"{worker.name}: not ready: {readiness.reason}"
        version = worker.model().version
    except WorkerError as error:
        return str(error)
    if version != expected_version:
        return f"{worker.name}: serves version {version}, not {expected_version}"
    return None
