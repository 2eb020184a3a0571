"""The snapshot that a worker serves, and the only code that replaces it."""

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from soccer_assets.serving.snapshot import NoChampion, Snapshot

log = logging.getLogger(__name__)


class LoadFailed(RuntimeError):
    """No new snapshot could be read; the message is fit for any caller to see."""


class SnapshotStore:
    """Loads one snapshot at a time, off the event loop, and swaps it in with one assignment."""

    def __init__(self, load: Callable[[], Snapshot]) -> None:
        self._load = load
        self._lock = asyncio.Lock()
        self.snapshot: Snapshot | None = None
        self.last_error: str | None = None

    async def reload(self) -> tuple[Snapshot | None, Snapshot]:
        """Return the snapshots before and after.

        :raises LoadFailed: and what was served before still is.
        """
        async with self._lock:
            before = self.snapshot
            try:
                after = await asyncio.to_thread(self._load)
            except Exception as error:
                reason = _public_reason(error)
                if reason != self.last_error:  # a retry every few seconds need not repeat itself
                    log.warning("snapshot not loaded: %s", reason, exc_info=_details(error))
                self.last_error = reason
                raise LoadFailed(reason) from error
            self.snapshot, self.last_error = after, None
            return before, after

    async def load_first(self, retry_seconds: float, tried: asyncio.Event) -> None:
        """Try until a snapshot is loaded, by this or by a reload; ``tried`` is set after one try."""
        while self.snapshot is None:
            try:
                await self.reload()
            except LoadFailed:
                tried.set()
                await asyncio.sleep(retry_seconds)
        tried.set()


def _public_reason(error: Exception) -> str:
    """Readiness needs no password: no host, user or SQL may show in it."""
    if isinstance(error, NoChampion):
        return str(error)
    if isinstance(error, SQLAlchemyError):
        return f"the database could not be read ({type(error).__name__})"
    return f"the predictions could not be loaded ({type(error).__name__})"


def _details(error: Exception) -> Exception | None:
    return None if isinstance(error, NoChampion) else error
