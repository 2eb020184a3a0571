"""Processes: whether the one that does some work still lives, and how one ends when it is asked to.

A process that works takes a lease: a lock on a file, which the kernel lifts whenever and however
the process dies. So nothing hangs on process numbers, which are given again, differ between
containers and mean nothing after a restart of the machine.
"""

import fcntl
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

#: After a signal, what the process does by itself has this many seconds,
ORDERLY_SECONDS = 2.5
#: and the whole process this many: containers are killed after 10.
LAST_SECONDS = 4.5
AGAIN_SECONDS = 0.3


class Leases:
    """The leases below one folder, which the processes that judge each other share.

    Args:
        folder: on a file system with ``flock``; created on first use.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, name: str) -> None:
        """Take a lease for as long as this process lives, or until it is given back."""
        path = self._folder / name
        if path in _held:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise
        _held[path] = file

    def give_back(self, name: str) -> None:
        """The work is done; nothing happens where this process has no lease of that name."""
        path = self._folder / name
        if file := _held.pop(path, None):
            path.unlink(missing_ok=True)
            os.close(file)

    def abandon(self, name: str) -> bool:
        """The work is not done and this process does no more for it, as if it had died; returns
        whether it had the lease."""
        file = _held.pop(self._folder / name, None)
        if file:
            os.close(file)
        return file is not None

    def is_alive(self, name: str) -> bool | None:
        """Whether the process that took a lease lives; None where this folder does not tell,
        because it was given back, or was taken on another machine."""
        try:
            file = os.open(self._folder / name, os.O_RDONLY)
        except OSError:
            return None
        try:
            # Shared: two that judge at once do not take each other for the process.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return None
        finally:
            os.close(file)
        return False

    def dead(self) -> list[str]:
        """The leases whose process died, or abandoned them."""
        if not self._folder.is_dir():
            return []
        return [file.name for file in self._folder.iterdir() if self.is_alive(file.name) is False]

    def bury(self, name: str) -> None:
        """Remove what a dead process left."""
        (self._folder / name).unlink(missing_ok=True)


_held: dict[Path, int] = {}


def _leave_leases_to_parent() -> None:
    """A fork that outlives this process must not pass for it."""
    for file in _held.values():
        os.close(file)
    _held.clear()


os.register_at_fork(after_in_child=_leave_leases_to_parent)


def this_process() -> str:
    """This process, for people."""
    return f"process {os.getpid()} on {socket.gethostname()}"


_last_acts: list[Callable[[], None]] = []
_asked = threading.Event()
#: Signals that ask a process to end.
_ends: set[int] = {signal.SIGTERM, signal.SIGINT}


def is_asked_to_end() -> bool:
    """Whether a signal came, of a process that ends soon when asked."""
    return _asked.is_set()


def before_the_end(act: Callable[[], None]) -> None:
    """Have ``act`` called, by another thread, if the process does not end in time by itself; again
    and again, for what the process still does may undo it."""
    _last_acts.append(act)


def no_longer(act: Callable[[], None]) -> None:
    """Undo ``before_the_end``."""
    with suppress(ValueError):
        _last_acts.remove(act)


def end_soon_when_asked() -> None:
    """SIGTERM or SIGINT ends this process within ``LAST_SECONDS``, whatever it is doing then; SIGTERM
    alone, if whoever started it has SIGINT ignored.

    Whoever handles the signal in the main thread has ``ORDERLY_SECONDS`` for it. But a thread that
    waits for a server, or code that does not come back to the interpreter, is not waited for.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    # Ignored: so it was handed down by whoever started this process, who hardly meant it.
    if signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, signal.SIG_IGN):
        signal.signal(signal.SIGTERM, _exit_on_sigterm)
    # This may be meant: a shell does so to what a script starts in the background. After each run
    # Dagster has SIGTERM do what SIGINT does, so it must not be nothing.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, _exit_on_sigterm)
        _ends.discard(signal.SIGINT)
    # The interpreter writes each signal's number here as it arrives, not when the main thread is
    # ready for it.
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    threading.Thread(target=_end_when_asked, args=(told,), daemon=True).start()


def _exit_on_sigterm(number: int, _: object) -> None:
    if number == signal.SIGTERM:
        sys.exit(128 + number)


def _end_when_asked(told: int) -> None:
    while (number := os.read(told, 1)[0]) not in _ends:
        pass
    end = threading.Timer(LAST_SECONDS, os._exit, [128 + number])
    end.daemon = True
    end.start()
    _asked.set()
    time.sleep(ORDERLY_SECONDS)
    while True:
        for act in list(_last_acts):
            with suppress(Exception):
                act()
        time.sleep(AGAIN_SECONDS)
