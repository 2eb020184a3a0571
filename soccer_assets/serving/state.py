"""The snapshot that a worker serves, and the only code that replaces it."""

import asyncio
import logging
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from soccer_assets.serving.kept import KeptSnapshot
from soccer_assets.serving.loading import NoChampion
from soccer_assets.serving.snapshot import Origin, Snapshot

log = logging.getLogger(__name__)
T = TypeVar("T")
Swap = tuple[Snapshot | None, Snapshot]


class LoadFailed(RuntimeError):
    """No new snapshot could be read; the message is fit for any caller to see."""


class SnapshotStore:
    """Loads one snapshot at a time, off the event loop, and swaps it in with one assignment.

    However many ask while one is loaded, one more load answers all of them: it begins after they
    have asked, so it sees what they want to be seen.
    """

    def __init__(
        self,
        load: Callable[[], Snapshot],
        load_seconds: float = 60.0,
        kept: KeptSnapshot | None = None,
    ) -> None:
        self._load = load
        self._load_seconds = load_seconds
        self._kept = kept
        self._running: asyncio.Task[Swap] | None = None
        self._next: asyncio.Task[Swap] | None = None
        self.snapshot: Snapshot | None = None
        self.last_error: str | None = None
        self._recalled = False

    async def reload(self) -> Swap:
        """Return the snapshots before and after.

        Raises:
            LoadFailed: and what was served before still is.
        """
        if self._running is None:
            self._running = asyncio.create_task(self._swap_after(None))
            task = self._running
        else:
            if self._next is None:
                self._next = asyncio.create_task(self._swap_after(self._running))
            task = self._next
        # Who goes away takes nothing from those who wait for the same.
        return await asyncio.shield(task)

    async def _swap_after(self, one_before: "asyncio.Task[Swap] | None") -> Swap:
        if one_before is not None:
            await asyncio.wait([one_before])
            self._running, self._next = self._next, None
        try:
            return await self._swap()
        finally:
            if self._next is None:
                self._running = None

    async def _swap(self) -> Swap:
        before = self.snapshot
        try:
            # Not ``asyncio.wait_for``, which forgets (up to Python 3.11) that it was canceled
            # when what it waits for ends at that moment.
            async with asyncio.timeout(self._load_seconds):
                after = await _in_thread(self._load)
        except Exception as error:
            reason = _public_reason(error)
            if reason != self.last_error:  # a retry every few seconds need not repeat itself
                log.warning("snapshot not loaded: %s%s", reason, _details(error))
            self.last_error = reason
            raise LoadFailed(reason) from error
        self.snapshot, self.last_error = after, None
        if before is not None and before.origin is Origin.DISK:
            log.warning("the database is back: version %d is served from it", after.model.version)
        if self._kept is not None:
            threading.Thread(
                target=self._kept.keep,
                args=(after, lambda: self.snapshot is after),
                name="keep",
                daemon=True,
            ).start()
        return before, after

    async def load_first(self, retry_seconds: float, tried: asyncio.Event) -> None:
        """Try until a snapshot is loaded from the database, by this or by a reload; ``tried`` is
        set after one try. Meanwhile the one that was kept is served, if the database is away."""
        while self.snapshot is None or self.snapshot.origin is Origin.DISK:
            try:
                await self.reload()
            except LoadFailed as failure:
                if not isinstance(failure.__cause__, NoChampion):  # else the database has answered
                    await self.recall()
                tried.set()
                await asyncio.sleep(retry_seconds)
        tried.set()

    async def recall(self) -> None:
        """Serve the snapshot that was kept on disk, if there is one and nothing is served."""
        if self._kept is None or self.snapshot is not None or self._recalled:
            return
        self._recalled = True
        recalled = await _in_thread(self._kept.recall)
        if recalled is not None and self.snapshot is None:
            self.snapshot = recalled
            log.warning(
                "the database is away: version %d is served from disk, as of %s",
                recalled.model.version,
                recalled.as_of.isoformat(),
            )


async def _in_thread(work: Callable[[], T]) -> T:
    """Not ``asyncio.to_thread``: nobody waits for the thread at the end, should it hang."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(outcome: Callable[[asyncio.Future[T]], None]) -> None:
        if not done.done():  # else too late
            outcome(done)

    def run() -> None:
        try:
            found = work()
        except Exception as failure:
            error = failure
            outcome = lambda future: future.set_exception(error)  # noqa: E731
        else:
            outcome = lambda future: future.set_result(found)  # noqa: E731
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=run, name="load", daemon=True).start()
    return await done


def _public_reason(error: Exception) -> str:
    """Readiness needs no password: no host, user or SQL may show in it."""
    if isinstance(error, NoChampion):
        return str(error)
    if isinstance(error, TimeoutError):
        return "the database does not answer in time"
    if isinstance(error, SQLAlchemyError):
        return f"the database could not be read ({type(error).__name__})"
    return f"the predictions could not be loaded ({type(error).__name__})"


def _details(error: Exception) -> str:
    """For the log: what the database said, or where a bug is."""
    if isinstance(error, NoChampion | TimeoutError):
        return ""
    if isinstance(error, DBAPIError):
        return f": {str(error.orig).strip().splitlines()[0]}"
    return "\n" + "".join(traceback.format_exception(error))
