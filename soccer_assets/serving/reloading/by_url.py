"""Workers that have addresses of their own, asked over HTTP."""

from collections.abc import Sequence

from soccer_assets.serving.reloading.roll import Worker, reload_workers
from soccer_assets.serving.reloading.ways import Outcome, Wanted


class ByUrl:
    """One after the other, each by its own address."""

    def __init__(self, workers: Sequence[Worker], timeout: float = 60.0) -> None:
        """``timeout``: seconds that each is given to serve what is wanted."""
        self._workers = workers
        self._timeout = timeout

    def reload(self, wanted: Wanted) -> Outcome:
        reports = reload_workers(
            self._workers, wanted.version, self._timeout, expected_run=wanted.run_id
        )
        return Outcome(reports, len(self._workers))
