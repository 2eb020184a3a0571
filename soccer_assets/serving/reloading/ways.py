"""What every way to reload the prediction workers has in common."""

from dataclasses import dataclass
from typing import Protocol

from soccer_assets.serving.client import WorkerError
from soccer_assets.serving.reloading.roll import WorkerReport


@dataclass(frozen=True, slots=True)
class Wanted:
    """What all workers are to serve: versions alone are counted anew in every registry."""

    version: int
    run_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a reload."""

    reports: list[WorkerReport]
    """In the order in which they were asked. Those after the first that failed have none."""
    workers: int
    """How many there are."""

    @property
    def failed(self) -> int:
        """How many do not serve what was wanted, as far as was seen."""
        return self.workers - sum(report.ok for report in self.reports)

    @property
    def error(self) -> str | None:
        return self.reports[-1].error if self.failed and self.reports else None

    @property
    def cause(self) -> WorkerError | None:
        return self.reports[-1].cause if self.failed and self.reports else None


class Reloading(Protocol):
    """A way to have all prediction workers serve what was published last: never all of them at once,
    each verified, and as it was before where that cannot be had."""

    def reload(self, wanted: Wanted) -> Outcome:
        """Raises WorkerError: what leads to the workers (a broker, an API server) does not, or says
        that there are none."""
