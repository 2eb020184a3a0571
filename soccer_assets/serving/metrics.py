"""What a worker tells Prometheus of itself: what it serves, how old that is, and how it answers."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import INF, floatToGoString

#: Seconds. Answers come from memory: half a millisecond is usual, ten a page of 500 matches.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, INF)
#: Paths that no route has are one, whoever tries them.
NO_ROUTE = "other"


class Served(NamedTuple):
    """What a worker serves now; of nothing, only ``ready`` and ``stale`` are told."""

    ready: bool
    stale: bool
    version: int | None = None
    predictions: int | None = None
    age_seconds: float | None = None
    from_disk: bool | None = None


class WorkerMetrics(Collector):
    """The metrics of one worker, in a registry of their own: a process may run several.

    Answers are counted in the thread of the event loop, which scrapes are answered in as well, so
    without the locks of the client's own counters: they would take as long as the answer.

    Args:
        look: is asked at every scrape.
        loads: how often something was loaded or not, by how it went.
    """

    def __init__(self, look: Callable[[], Served], loads: Mapping[str, int]) -> None:
        self._look = look
        self._loads = loads
        self._answers: dict[tuple[str, int], _Answers] = {}
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        answers = self._answers.get((route, status))
        if answers is None:
            answers = self._answers[route, status] = _Answers()
        answers.by_bucket[bisect_left(BUCKETS, seconds)] += 1
        answers.seconds += seconds

    def collect(self) -> Iterator[Metric]:
        yield from _gauges(self._look())
        loads = CounterMetricFamily(
            "soccer_worker_loads", "Predictions read again, by how it went.", labels=["result"]
        )
        for result, times in self._loads.items():
            loads.add_metric([result], times)
        yield loads
        seconds = HistogramMetricFamily(
            "soccer_worker_request_seconds",
            "How long answers took, and how many there were.",
            labels=["route", "status"],
        )
        for (route, status), answers in self._answers.items():
            counts = accumulate(answers.by_bucket)
            buckets = [(floatToGoString(b), n) for b, n in zip(BUCKETS, counts, strict=True)]
            seconds.add_metric([route, str(status)], buckets, answers.seconds)
        yield seconds


class _Answers:
    """Of one route with one status: how many fell into each bucket, and seconds in all."""

    def __init__(self) -> None:
        self.by_bucket = [0] * len(BUCKETS)
        self.seconds = 0.0


def _gauges(served: Served) -> Iterator[Metric]:
    gauges = {
        "ready": (served.ready, "1: requests should come here."),
        "stale": (served.stale, "1: the predictions are older than they may be."),
        "model_version": (served.version, "Version of the champion that is served."),
        "predictions": (served.predictions, "Matches that can be answered for."),
        "predictions_age_seconds": (served.age_seconds, "Since the predictions were written."),
        "from_disk": (served.from_disk, "1: kept from before, none could be loaded."),
    }
    for name, (value, meaning) in gauges.items():
        gauge = GaugeMetricFamily(f"soccer_worker_{name}", meaning)
        if value is not None:
            gauge.add_metric([], float(value))
        yield gauge
