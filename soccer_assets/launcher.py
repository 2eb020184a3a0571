"""Runs are launched as Dagster does it, and the daemon sees by itself whether they live."""

import dagster as dg

from soccer_assets.dagster_internals import CheckRunHealthResult, WorkerStatus
from soccer_assets.runs import end_dead_runs, leases_of


class SoccerRunLauncher(dg.DefaultRunLauncher):
    """``DefaultRunLauncher`` that is asked, by the daemon's monitoring, for the health of runs.

    So dead runs are ended, and their slots freed, while no code server answers to ``run_watch``.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        leases = leases_of(self._instance)
        if leases and leases.is_alive(run.run_id) is False:
            end_dead_runs(self._instance)
            return CheckRunHealthResult(WorkerStatus.FAILED)
        return CheckRunHealthResult(WorkerStatus.RUNNING)  # or it cannot be seen from here
