"""How far results have come: the newest that each hop knows, and how long it has lacked a newer one.

A hop is compared with the one before it, never with the calendar: in a season break no hop lacks
anything, however old the newest result is. And what lags is told by how long a newer result has been
waiting, not by how far apart the kick-offs are: the first result after a break is days newer than the
last one before it, and lags by minutes. Whether results come in at all is judged by the matches that
were to be played.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

#: An hour until the feed is asked again, and an hour in which what failed is tried again; and one
#: more, for the hop that is last.
ALLOWED = timedelta(hours=3)
#: After kick-off: extra time, penalties, and the feed's own delay are over.
OVER_AFTER = timedelta(hours=6)
#: Matches that were over in so long a time before now say whether results come in,
JUDGED_FOR = timedelta(hours=48)
#: if there are so many of them; of which more than this share may not lack a result.
MIN_MATCHES, MAX_PENDING = 10, 0.5


@dataclass(frozen=True)
class Hop:
    """What one hop knows."""

    name: str
    newest: datetime | None
    """The kick-off of the newest result it knows; None where it was never made, or does not say."""
    waits_since: datetime | None = None
    """When the first result newer than that came to be known; None where there is none."""


@dataclass(frozen=True)
class Pending:
    """Matches that should be over by now, of those that kicked off in the last ``JUDGED_FOR``."""

    due: int
    """All of them."""
    lacking: int
    """Those without a result."""
    oldest: datetime | None
    """The earliest kick-off, however long ago, of a match that lacks its result."""

    @property
    def too_many(self) -> bool:
        """Results do not come in, although matches are played."""
        return self.due >= MIN_MATCHES and self.lacking > MAX_PENDING * self.due


@dataclass(frozen=True)
class Lag:
    """A hop beside the one before it."""

    hop: Hop
    waits: timedelta
    """How long a result has waited that the hop before knows; zero where none does."""
    allowed: timedelta = ALLOWED

    @property
    def is_level(self) -> bool:
        return self.waits <= self.allowed


def lags(hops: Sequence[Hop], now: datetime) -> list[Lag]:
    """Judge each hop by the one before it, in the order of the data's way.

    A hop that lacks what the one before it lacks as well does not lag: the one before it does. What
    was never made is not judged.
    """
    found, before = [], None
    for hop in hops:
        behind = (
            before is not None
            and hop.newest is not None
            and hop.newest < before
            and hop.waits_since is not None
        )
        waits = max(now - hop.waits_since, timedelta(0)) if behind and hop.waits_since else None
        found.append(Lag(hop, waits or timedelta(0)))
        before = hop.newest if hop.newest is not None else before
    return found


def troubles(found: Sequence[Lag], pending: Pending) -> list[str]:
    """What is wrong, a line each; none when all hops are level and results come in."""
    told = [
        f"{lag.hop.name} lacks results for {_hours(lag.waits)}, allowed are {_hours(lag.allowed)}"
        for lag in found
        if not lag.is_level
    ]
    if pending.too_many:
        told.append(
            f"{pending.lacking} of {pending.due} matches that were over in the last "
            f"{_hours(JUDGED_FOR)} have no result"
        )
    return told


def _hours(time: timedelta) -> str:
    return f"{time.total_seconds() / 3600:.1f} hours"
