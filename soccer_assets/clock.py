"""The pipeline's idea of now, read from one clock by all of its processes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from soccer_assets.files import write_atomically
from soccer_assets.settings import SettingsError, moment

#: Clocks of several machines disagree by less; what is further ahead was stamped by a wrong one.
CLOCKS_DISAGREE_BY = timedelta(minutes=5)

#: Names the file of a clock that somebody else moves.
CLOCK_VARIABLE = "SOCCER_CLOCK"


def utc_now() -> datetime:
    """The present, or the moment that ``SOCCER_AS_OF`` freezes it at, so that the past can be
    replayed as if it were today."""
    frozen = os.environ.get("SOCCER_AS_OF")
    try:
        return moment(frozen) if frozen else stamped_now()
    except ValueError as error:
        raise SettingsError(f"SOCCER_AS_OF: {error}") from None


def stamped_now() -> datetime:
    """When something happens: what is fetched, archived and promoted is stamped with it.

    A frozen present does not change it: a payload that is fetched today, of whatever day, is fetched
    today. A virtual clock does: all that happens then happens by it.
    """
    file = os.environ.get(CLOCK_VARIABLE)
    return VirtualClock(Path(file)).now() if file else datetime.now(UTC)


class VirtualClock:
    """A clock that one process moves and that all which are given ``SOCCER_CLOCK`` read.

    Args:
        file: holds the moment, so that processes share it and it outlives them.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def now(self) -> datetime:
        """Raises SettingsError: the file is not there, or holds no moment."""
        try:
            return moment(self.file.read_text())
        except (OSError, ValueError) as error:
            raise SettingsError(f"{CLOCK_VARIABLE}: {self.file}: {error}") from None

    def set(self, now: datetime) -> None:
        """Raises ValueError: it would go back, which no clock that stamps things may do."""
        if self.file.exists() and now < (before := self.now()):
            raise ValueError(f"the clock stands at {before.isoformat()}: it does not go back")
        write_atomically(self.file, now.astimezone(UTC).isoformat().encode())

    def advance(self, by: timedelta) -> datetime:
        """Move it on; returns the new now."""
        now = self.now() + by
        self.set(now)
        return now

    @contextmanager
    def in_charge(self) -> Iterator[None]:
        """This process, and those that it starts meanwhile, go by this clock."""
        before = os.environ.get(CLOCK_VARIABLE)
        os.environ[CLOCK_VARIABLE] = str(self.file)
        try:
            yield
        finally:
            if before is None:
                del os.environ[CLOCK_VARIABLE]
            else:
                os.environ[CLOCK_VARIABLE] = before
