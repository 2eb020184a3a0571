"""The snapshot that a worker serves, and the only code that replaces it."""

import asyncio
import logging
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from soccer_assets.serving.snapshot import NoChampion, Snapshot

log = logging.getLogger(__name__)

#: How long the champion before is kept: as long as a roll over all workers may take.
KEPT_SECONDS = 900.0


class LoadFailed(RuntimeError):
    """No new snapshot could be read; the message is fit for any caller to see."""


class NothingToRestore(RuntimeError):
    """There is no earlier champion to go back to; the message is fit for any caller to see."""


class SnapshotStore:
    """Loads one snapshot at a time, off the event loop, and swaps it in with one assignment."""

    def __init__(
        self,
        load: Callable[[], Snapshot],
        load_seconds: float = 60.0,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self._load = load
        self._load_seconds = load_seconds
        self._kept_seconds = kept_seconds
        self._lock = asyncio.Lock()
        self._before: Snapshot | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        self.snapshot: Snapshot | None = None
        self.last_error: str | None = None

    async def reload(self) -> tuple[Snapshot | None, Snapshot]:
        """Return the snapshots before and after.

        Raises:
            LoadFailed: and what was served before still is.
        """
        async with self._lock:
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
            self._keep(before, after)
            self.snapshot, self.last_error = after, None
            return before, after

    async def restore(self) -> tuple[Snapshot, Snapshot]:
        """Serve again what was served before the champion changed; returns the snapshots before and
        after.

        Raises:
            NothingToRestore: the champion has not changed, or too long ago.
        """
        async with self._lock:
            current, kept = self.snapshot, self._before
            if current is None or kept is None:
                raise NothingToRestore("no other champion was served here lately")
            self._forget()
            self.snapshot = kept
            return current, kept

    def _keep(self, before: Snapshot | None, after: Snapshot) -> None:
        """Hold on to the snapshot of another champion for a while: it is memory, twice."""
        if before is None or before.model.run_id == after.model.run_id:
            return  # the one that is kept, if any, is still the way back
        self._forget()
        self._before = before
        loop = asyncio.get_running_loop()
        self._forgetting = loop.call_later(self._kept_seconds, self._forget)

    def _forget(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
        self._before = self._forgetting = None

    async def load_first(self, retry_seconds: float, tried: asyncio.Event) -> None:
        """Try until a snapshot is loaded, by this or by a reload; ``tried`` is set after one try."""
        while self.snapshot is None:
            try:
                await self.reload()
            except LoadFailed:
                tried.set()
                await asyncio.sleep(retry_seconds)
        tried.set()


async def _in_thread(load: Callable[[], Snapshot]) -> Snapshot:
    """Not ``asyncio.to_thread``: nobody waits for the thread at the end, should it hang."""
    loop = asyncio.get_running_loop()
    loaded: asyncio.Future[Snapshot] = loop.create_future()

    def settle(snapshot: Snapshot | None, error: Exception | None) -> None:
        if loaded.done():  # too late
            return
        if error is not None:
            loaded.set_exception(error)
        elif snapshot is not None:
            loaded.set_result(snapshot)

    def run() -> None:
        snapshot = error = None
        try:
            snapshot = load()
        except Exception as failure:
            error = failure
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(settle, snapshot, error)

    threading.Thread(target=run, name="load", daemon=True).start()
    return await loaded


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
