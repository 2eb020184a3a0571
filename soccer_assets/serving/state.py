"""The snapshot that a worker serves, and the only code that replaces it."""

import asyncio
import logging
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from soccer_assets.serving.kept import KeptSnapshot
from soccer_assets.serving.loading import NoChampion
from soccer_assets.serving.snapshot import Snapshot
from soccer_assets.text import one_line

log = logging.getLogger(__name__)
T = TypeVar("T")
Swap = tuple[Snapshot | None, Snapshot]

#: How long the champion before is kept: as long as a roll over all workers may take.
KEPT_SECONDS = 900.0
#: What is told when a worker that began from disk has read its first snapshot.
_BACK = "the database is back: version %d is served from it"
_MENDED = "the predictions can be loaded: version %d is served from the database"


class LoadFailed(RuntimeError):
    """No new snapshot could be read; the message is fit for any caller to see."""


class NothingToRestore(RuntimeError):
    """There is no earlier champion to go back to; the message is fit for any caller to see."""


class SnapshotStore:
    """Loads one snapshot at a time, off the event loop, and swaps it in with one assignment.

    However many ask while one is loaded, one more load answers all of them: it begins after they
    have asked, so it sees what they want to be seen. Loads and restorations come in the order in
    which they were asked for.
    """

    def __init__(
        self,
        load: Callable[[], Snapshot],
        load_seconds: float = 60.0,
        kept: KeptSnapshot | None = None,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        """``kept``: where what is served is kept on disk; ``kept_seconds``: how long the champion
        before is kept in memory."""
        self._load = load
        self._load_seconds = load_seconds
        self._kept = kept
        self._kept_seconds = kept_seconds
        self._turn = asyncio.Lock()  # which is fair
        self._waiting: asyncio.Task[Swap] | None = None
        self._before: Snapshot | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        self.snapshot: Snapshot | None = None
        self.last_error: str | None = None
        #: How often which came of an attempt; each is there before its first time.
        self.loads = dict.fromkeys(("loaded", "failed", "restored"), 0)
        self._loaded = self._recalled = False
        self._back = _BACK

    async def reload(self) -> Swap:
        """Return the snapshots before and after.

        Raises:
            LoadFailed: and what was served before still is.
        """
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._load_in_turn())
        # Who goes away takes nothing from those who wait for the same.
        return await asyncio.shield(self._waiting)

    async def restore(self) -> tuple[Snapshot, Snapshot]:
        """Serve again what was served before the champion changed; returns the snapshots before and
        after.

        Raises:
            NothingToRestore: the champion has not changed, or too long ago.
        """
        self._waiting = None  # a reload that is asked for from now on comes after this
        # A task, as every load is: they come to the lock in the order in which they were made.
        return await asyncio.create_task(self._restore_in_turn())

    async def _restore_in_turn(self) -> tuple[Snapshot, Snapshot]:
        async with self._turn:
            current, before = self.snapshot, self._before
            if current is None or before is None:
                raise NothingToRestore("no other champion was served here lately")
            self._forget()
            self._serve(before)
            self.loads["restored"] += 1
            return current, before

    async def _load_in_turn(self) -> Swap:
        async with self._turn:
            if self._waiting is asyncio.current_task():
                self._waiting = None  # who asks from now on has to see what is written from now on
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
                self.loads["failed"] += 1
                raise LoadFailed(reason) from error
            if before is not None and not self._loaded:
                log.warning(self._back, after.model.version)
            self._loaded, self.last_error = True, None
            self._remember(before, after)
            self._serve(after)
            self.loads["loaded"] += 1
            return before, after

    def _serve(self, snapshot: Snapshot) -> None:
        """From now on, and from the next start on if the database is away by then."""
        self.snapshot = snapshot
        if self._kept is not None:
            threading.Thread(
                target=self._kept.keep,
                args=(snapshot, lambda: self.snapshot is snapshot),
                name="keep",
                daemon=True,
            ).start()

    def _remember(self, before: Snapshot | None, after: Snapshot) -> None:
        """Hold on to the snapshot of another champion for a while: it is memory, twice."""
        if before is None or before.model.run_id == after.model.run_id:
            return  # the one that is remembered, if any, is still the way back
        self._forget()
        self._before = before
        loop = asyncio.get_running_loop()
        self._forgetting = loop.call_later(self._kept_seconds, self._forget)

    def _forget(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
        self._before = self._forgetting = None

    async def load_first(self, retry_seconds: float, tried: asyncio.Event) -> None:
        """Try until a snapshot is loaded from the database, by this or by a reload; ``tried`` is
        set after one try. Meanwhile the one that was kept is served, unless there is no champion."""
        while not self._loaded:
            try:
                await self.reload()
            except LoadFailed as failure:
                if not isinstance(failure.__cause__, NoChampion):  # else the database has answered
                    await self.recall(failure.__cause__)
                tried.set()
                await asyncio.sleep(retry_seconds)
        tried.set()

    async def recall(self, error: BaseException | None = None) -> None:
        """Serve the snapshot that was kept on disk, if there is one and nothing is served.

        ``error``: why none could be loaded; None: the database has not answered yet."""
        if self._kept is None or self.snapshot is not None or self._recalled:
            return
        self._recalled = True
        recalled = await _in_thread(self._kept.recall)
        if recalled is not None and self.snapshot is None:
            self.snapshot = recalled
            away = error is None or _is_away(error)
            self._back = _BACK if away else _MENDED
            log.warning(
                "%s: version %d is served from disk, as of %s",
                "the database is away" if error is None or away else _reason_in_full(error),
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


def _is_away(error: BaseException) -> bool:
    """Whether there was no way to the database, or none back: all else is a fault of what is here or
    there, and who is told that the database is away would look for it in the wrong place."""
    if isinstance(error, DBAPIError):
        # COPY's errors are told as the base class of all; what they are, the driver's own class says.
        kinds = {kind.__name__ for kind in (*type(error).__mro__, *type(error.orig).__mro__)}
        return bool(kinds & {"OperationalError", "InterfaceError"})
    return isinstance(error, TimeoutError | ConnectionError | PoolTimeout)


def _reason_in_full(error: BaseException) -> str:
    """For the log, with what the error itself says."""
    said = one_line(str(error.orig if isinstance(error, DBAPIError) else error))
    public = _public_reason(error)
    return f"{public.removesuffix(')')}: {said})" if said else public


def _public_reason(error: BaseException) -> str:
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
        return f": {one_line(str(error.orig))}"
    return "\n" + "".join(traceback.format_exception(error))
