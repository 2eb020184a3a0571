"""Time and memory of one function, in a process of its own so that its peak memory is its own."""

import gc
import multiprocessing
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

#: A fresh interpreter: a fork would start with the memory of its parent.
_SPAWN = multiprocessing.get_context("spawn")
_MEGABYTE = 1e6

P = ParamSpec("P")
R = TypeVar("R")


class MeasuredFailure(Exception):
    """The measured function did not come to its end; the message holds the child's traceback."""


@dataclass(frozen=True)
class Lap:
    """One pass through the measured block. ``cpu_seconds``: of this process, all threads."""

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Measurement:
    """What a measured function cost.

    ``peak_mb``: largest resident memory (10^6 bytes) during its laps, with what the process held
    before them: the interpreter, the libraries, the input.
    """

    laps: tuple[Lap, ...]
    peak_mb: float
    result: Any = None

    @property
    def best(self) -> Lap:
        return min(self.laps, key=lambda lap: lap.seconds)

    @property
    def seconds(self) -> float:
        return self.best.seconds

    def merged(self, other: "Measurement") -> "Measurement":
        """Both as repeats of one measurement."""
        return Measurement(
            self.laps + other.laps, max(self.peak_mb, other.peak_mb), self.result or other.result
        )


class Stopwatch:
    """A context manager around what is to be measured, once or, for repeats, several times."""

    def __init__(self) -> None:
        self.laps: list[Lap] = []

    def __enter__(self) -> None:
        gc.collect()
        if not self.laps:
            _forget_peak()
        self._started = _now()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        wall, cpu = self._started
        now_wall, now_cpu = _now()
        self.laps.append(Lap(now_wall - wall, now_cpu - cpu))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Inside a lap: what is done here, such as reading the next input, costs no time."""
        wall, cpu = _now()
        yield
        now_wall, now_cpu = _now()
        start_wall, start_cpu = self._started
        self._started = start_wall + now_wall - wall, start_cpu + now_cpu - cpu


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def measure(
    function: Callable[Concatenate[Stopwatch, P], Any], *args: P.args, **kwargs: P.kwargs
) -> Measurement:
    """Call ``function(stopwatch, ...)`` in a new process and hand back what its stopwatch saw.

    The function and its arguments must be picklable; what it returns comes back as ``result``.

    Raises:
        MeasuredFailure: it raised, its process died, or it measured nothing.
    """
    ours, theirs = _SPAWN.Pipe()
    child = _SPAWN.Process(target=_child, args=(theirs, function, args, kwargs))
    child.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        child.join()
        name = getattr(function, "__name__", function)
        raise MeasuredFailure(f"{name}: its process ended with {child.exitcode}") from None
    except BaseException:
        child.kill()
        raise
    child.join()
    if isinstance(answer, str):
        raise MeasuredFailure(answer)
    return answer


def in_child(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function in a new process, without measuring: preparations that take memory."""
    return measure(_unmeasured, function, args, kwargs).result


def interleave(
    repeats: int, contenders: Mapping[str, Callable[[], Measurement]]
) -> dict[str, Measurement]:
    """Measure each in turn, so that what else the machine does meets all of them alike."""
    found: dict[str, Measurement] = {}
    for _ in range(repeats):
        for name, contender in contenders.items():
            latest = contender()
            found[name] = found[name].merged(latest) if name in found else latest
    return found


def _unmeasured(
    stopwatch: Stopwatch,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    with stopwatch:
        return function(*args, **kwargs)


def _child(
    connection: Connection,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    stopwatch = Stopwatch()
    try:
        result = function(stopwatch, *args, **kwargs)
        if not stopwatch.laps:
            raise RuntimeError("the stopwatch was never used")
        connection.send(Measurement(tuple(stopwatch.laps), _peak_mb(), result))
    except BaseException:
        connection.send(traceback.format_exc())
    finally:
        connection.close()


def _forget_peak() -> None:
    """Count the peak from here, where the kernel allows it (Linux); else it is the process's."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def spent_by_children() -> tuple[float, float]:
    """CPU seconds of all processes that this one has started and waited for, and the peak memory of
    the largest (10^6 bytes)."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime, _megabytes(usage)


def _peak_mb() -> float:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return _megabytes(resource.getrusage(resource.RUSAGE_SELF))
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024 / _MEGABYTE


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / _MEGABYTE
