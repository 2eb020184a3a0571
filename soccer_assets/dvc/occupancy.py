"""One at a time in a workspace, whatever became of those who were in it before."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from soccer_assets.dvc.command import WORKSPACE_VARIABLE, Occupied

#: How long whoever is in a workspace is waited for.
PATIENCE_SECONDS = 60.0

log = logging.getLogger(__name__)


@contextmanager
def alone_in(root: Path, lock: Path) -> Iterator[int]:
    """Holds the workspace's lock, which is that of the file ``lock``, when nobody else is at work there and no stage of a run that was
    killed goes on. Yields its descriptor: children that inherit it keep the lock until they end.

    Raises:
        Occupied: somebody is, and does not come to an end.
    """
    handle = os.open(lock, os.O_CREAT | os.O_RDONLY, 0o666)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        told = ""
        while somebody := _occupant(root, handle):
            if somebody != told:
                log.info("waiting: %s is at work in %s", told := somebody, root)
            if time.monotonic() > deadline:
                raise Occupied(f"{somebody} is at work in {root}: try again when it has ended")
            time.sleep(0.2)
        _end_orphans(root)
        yield handle
    finally:
        os.close(handle)


def _occupant(root: Path, handle: int) -> str | None:
    """Who is in the workspace: another run of ours, or somebody who uses DVC by hand."""
    if not _take(handle):
        return "another run"
    by_hand = next((p for p in psutil.process_iter() if _is_dvc_by_hand(p, root)), None)
    if by_hand:
        return f"dvc (PID {by_hand.pid}), started by hand,"
    # The same, in another container.
    return "another dvc" if _is_taken(root / ".dvc" / "tmp" / "lock") else None


def _take(handle: int) -> bool:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_taken(lock: Path) -> bool:
    try:
        handle = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _take(handle)
    finally:
        os.close(handle)


def _is_dvc_by_hand(process: psutil.Process, root: Path) -> bool:
    try:
        if Path(process.cwd()) != root or WORKSPACE_VARIABLE in process.environ():
            return False
        return "dvc" in {Path(word).name for word in process.cmdline()[:4]}
    except (psutil.Error, OSError):
        return False


def _end_orphans(root: Path) -> None:
    """Who holds the workspace's lock has started nothing yet: what runs for it belongs to a run
    that was killed together with the process that should have ended it."""
    orphans = [process for process in psutil.process_iter() if _runs_for(process, root)]
    for process in orphans:
        log.warning("ended what a killed run had left running: PID %s", process.pid)
        process.kill()
    psutil.wait_procs(orphans, timeout=10)


def _runs_for(process: psutil.Process, root: Path) -> bool:
    try:
        mine = process.pid == os.getpid()
        return not mine and process.environ().get(WORKSPACE_VARIABLE) == str(root)
    except (psutil.Error, OSError):
        return False
