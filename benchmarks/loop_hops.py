"""The way of a corrected result, hop by hop, from the events of its runs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import dagster as dg

#: The steps on the way; what is not in one of them is orchestration.
PATH = (
    "ingest_days",
    "export_months",
    "dvc_outs",
    "serving_features",
    "predictions",
    "serving_workers",
)
#: What Dagster's storage calls that a run starts.
RUN_STARTS = dg.DagsterEventType.RUN_START.value
#: The step that runs DVC, of which not all is the platform's own work.
DVC_STEP = "dvc_outs"
#: What a step of DVC's logs of that work: a stage, or a contract on what the stages made.
_OWN = re.compile(r"(?:dvc\.stages\.\w+|check \w+) took ([\d.]+) s")


class Event(NamedTuple):
    """What Dagster has on record; ``at`` in seconds since 1970."""

    run_id: str
    what: str | None
    step: str | None
    at: float
    message: str | None = None


@dataclass(frozen=True)
class Hop:
    """``seconds`` between two moments of the loop; ``own`` of them are the platform's own work."""

    name: str
    seconds: float
    own: float = 0.0


@dataclass(frozen=True)
class Lap:
    """One corrected result on its way.

    ``cpu_seconds``: of the daemon, its code server, the runs and the step workers; not of PostgreSQL,
    feed and prediction worker. ``peak_mb``: of the largest of those processes.
    """

    hops: list[Hop] = field(default_factory=list)
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    runs: int = 0
    load: float = 0.0

    @property
    def seconds(self) -> float:
        return sum(hop.seconds for hop in self.hops)

    @property
    def own(self) -> float:
        return sum(hop.own for hop in self.hops)

    @property
    def orchestration(self) -> float:
        """The share of the time that is not the platform's own work."""
        return 1 - self.own / self.seconds


def hops(events: Iterable[Event], began: float) -> list[Hop]:
    """From the moment ``began`` to the end of the last step of the path.

    A step is the platform's own work from its start to its success; of DVC's, what its stages and the
    contracts on their outs took, as it logs it. While no step of the path is at work it is waited for
    the daemon, for a process, for steps that are not on the path, or for the events to be written.
    """
    events = sorted(events, key=lambda event: event.at)
    found: list[Hop] = []
    at = began
    runs: dict[str, str] = {}
    working: set[str | None] = set()
    for event in events:
        on_path = event.step in PATH
        name, own = "", 0.0
        if event.what == RUN_STARTS and not working:
            name = f"until {runs.setdefault(event.run_id, f'run {len(runs) + 1}')} starts"
        elif event.what == "STEP_START" and on_path:
            name = "" if working else f"until {event.step} starts"
            working.add(event.step)
        elif event.what == "STEP_SUCCESS" and on_path:
            name, own = str(event.step), event.at - at
            if event.step == DVC_STEP:
                own = min(own, sum(_told(e for e in events if e.run_id == event.run_id)))
            working.discard(event.step)
        if name and event.at >= at:
            found.append(Hop(name, event.at - at, own))
            at = event.at
        if name == PATH[-1]:
            break
    return found


def _told(events: Iterable[Event]) -> Iterator[float]:
    """Seconds of each stage's and each contract's own work, as the step logs them."""
    for event in events:
        told = _OWN.search(event.message or "")
        if event.step == DVC_STEP and told:
            yield float(told[1])


def told(lap: Lap) -> str:
    """A lap with its hops, a line each."""
    lines = [f"  {hop.name:32} {hop.seconds:6.1f} s, own {hop.own:6.1f} s" for hop in lap.hops]
    return "\n".join(
        [
            f"{lap.seconds:.1f} s, {lap.cpu_seconds:.1f} CPU s, {lap.runs} runs, "
            f"{lap.orchestration:.0%} orchestration; load {lap.load:.1f}",
            *lines,
        ]
    )


def fastest(laps: Sequence[Lap]) -> Lap:
    return min(laps, key=lambda lap: lap.seconds)
