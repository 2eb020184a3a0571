"""Commands and servers as plain processes on loopback, each with all that it starts."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

#: Of this environment's commands.
BIN = Path(sys.executable).parent
#: A server that is not ready by then has failed.
READY_SECONDS = 300.0


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def end(process: subprocess.Popen[bytes], how: int = signal.SIGTERM, seconds: float = 20) -> None:
    """A process with all that it has started, which is its group."""
    for number in (how, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            break
    with suppress(ProcessLookupError):  # what it has left behind
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    is_ready: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
    how: int = signal.SIGTERM,
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ready, as long as the block; ``environment`` is added to this one's.

    Raises:
        RuntimeError: it ended, or is not ready in time; with the end of what it printed.
    """
    with log.open("ab") as printed:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=printed,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + READY_SECONDS
        while not is_ready():
            told = log.read_text(errors="replace")[-3000:]
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended: {told}")
            if time.monotonic() > until:
                raise RuntimeError(f"{command[0]} is not ready: {told}")
            time.sleep(0.2)
        yield process
    finally:
        end(process, how)


def family(pids: Iterable[int]) -> list[psutil.Process]:
    """Processes, with all of theirs that live."""
    found = []
    for pid in pids:
        with suppress(psutil.Error):
            found += [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return found


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Of these, and of the children of theirs that have ended."""
    total = 0.0
    for one in processes:
        with suppress(psutil.Error):
            times = one.cpu_times()
            total += times.user + times.system
            total += times.children_user + times.children_system
    return total


def peak_mb(process: psutil.Process) -> float:
    """Largest resident memory so far (10^6 bytes), where the kernel tells it (Linux), or now; nothing
    of a process that has ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        try:
            return process.memory_info().rss / 1e6
        except psutil.Error:
            return 0.0
    # One that has ended and was not waited for has no such line.
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 / 1e6 if lines else 0.0
