"""What stands behind an embedded feed: the protocol and the building blocks of a payload."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any, Protocol

from soccer_assets.feed.fields import HEADER_FIELDS, MATCH_FIELDS

Row = dict[str, Any]

_BLANK_HEADER: Row = dict.fromkeys(HEADER_FIELDS)
_BLANK_MATCH: Row = dict.fromkeys(MATCH_FIELDS)


class FeedBackend(Protocol):
    """A source of day feeds that knows what the site would show at any moment."""

    def payload(self, day: date, as_of: datetime) -> dict[str, Any]:
        """The complete feed of ``day`` (by UTC kick-off) as shown at ``as_of`` (tz-aware)."""
        ...


def header_row(known: Row) -> Row:
    """A tournament header with every field of the feed, null where unknown."""
    return _complete(_BLANK_HEADER, known)


def match_row(*known: Row) -> Row:
    """A match with every field of the feed, null where unknown; later parts win."""
    return _complete(_BLANK_MATCH, *known)


def _complete(blank: Row, *parts: Row) -> Row:
    row = blank.copy()
    for part in parts:
        row.update(part)
    if len(row) != len(blank):
        raise KeyError(f"not fields of the feed: {sorted(row.keys() - blank.keys())}")
    return row


def day_feed(groups: Iterable[tuple[Row, list[Row]]]) -> dict[str, Any]:
    """The payload of (header, matches) pairs."""
    return {"tournaments": [{**header, "matches": matches} for header, matches in groups]}


def epoch(moment: datetime) -> float:
    """Seconds since 1970, refusing a naive datetime (it would mean another moment per machine)."""
    if moment.tzinfo is None:
        raise ValueError(f"a feed moment must be timezone-aware, got {moment.isoformat()}")
    return moment.timestamp()


def utc_text(seconds: int) -> str:
    """``2020-09-12T14:00:00Z``, as in ``startTimeUtc``."""
    return local_text(seconds) + "Z"


def local_text(seconds: int) -> str:
    """``2020-09-12T15:00:00``, as in ``startTime``; ``seconds`` already shifted to local time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def winner(home: int, away: int) -> int | None:
    """``winnerField``: 0 home, 1 away, null for a draw."""
    return None if home == away else int(away > home)
