"""What state a match is in, read from the feed's status, period, elapsed and scores.

The status code leads; ``elapsed`` and ``period`` refine it, and a contradiction is told as
``unknown`` rather than guessed at. A code outside ``FeedStatus`` never gets here: the parser
refuses the payload. ``docs/match-states.md`` shows it as a diagram.
"""

import re
from enum import StrEnum

from soccer_assets.feed.fields import FeedStatus


class MatchState(StrEnum):
    """States of a match, from the one that says least to the one that says most.

    A match that several day feeds show has the record whose state comes later here.
    """

    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    POSTPONED = "postponed"
    ABANDONED = "abandoned"
    SCHEDULED = "scheduled"
    IN_PLAY = "in_play"
    AWARDED = "awarded"
    FINISHED = "finished"


class Decision(StrEnum):
    """What a finished match was decided in."""

    REGULAR_TIME = "regular_time"
    EXTRA_TIME = "extra_time"
    PENALTIES = "penalties"


_BY_CODE = {status.value: MatchState[status.name] for status in FeedStatus}
#: Abbreviations that ``elapsed`` holds instead of a minute when a match did not run its course.
_BY_WORD = (
    (re.compile(r"post", re.I), MatchState.POSTPONED),
    (re.compile(r"canc?", re.I), MatchState.CANCELLED),
    (re.compile(r"aban|abd|susp|int", re.I), MatchState.ABANDONED),
    (re.compile(r"aw[ad]|w\.?o", re.I), MatchState.AWARDED),
)
_RUNNING = re.compile(r"\d+(\+\d+)?'?|HT|ET|BT", re.I)
_ENDED = re.compile(r"FT|AET|AP|PEN", re.I)
#: ``period``: 0 before kick-off, 1 to 5 the halves, extra time and the shoot-out, 7 over.
_RUNNING_PERIODS, _ENDED_PERIOD = range(1, 6), 7


def match_state(
    status: int, period: int | None, elapsed: str | None, *, has_score: bool
) -> MatchState:
    """The state of one record of the feed.

    Args:
        status: a code of ``FeedStatus``.
        period, elapsed: as the feed spells them.
        has_score: some score is given, of 90 minutes or beyond.

    Raises:
        KeyError: the status is not one of the feed's.
    """
    state = _BY_CODE[status]
    text = (elapsed or "").strip()
    if state in (MatchState.SCHEDULED, MatchState.IN_PLAY, MatchState.FINISHED):
        for word, meant in _BY_WORD:
            if word.match(text):
                return meant
    if state is MatchState.SCHEDULED:
        if period == _ENDED_PERIOD or _ENDED.fullmatch(text):
            return MatchState.UNKNOWN
        if period in _RUNNING_PERIODS or _RUNNING.fullmatch(text):
            return MatchState.IN_PLAY
    if state is MatchState.FINISHED and not has_score:
        return MatchState.UNKNOWN
    return state


def decision(
    state: MatchState, elapsed: str | None, *, extra_time: bool, penalties: bool
) -> Decision | None:
    """What a match was decided in; None unless it is finished.

    Args:
        elapsed: as the feed spells it: ``AET`` and ``PEN`` tell it too.
        extra_time, penalties: whether the feed gives such a score.
    """
    if state is not MatchState.FINISHED:
        return None
    text = (elapsed or "").strip().upper()
    if penalties or text in ("PEN", "AP"):
        return Decision.PENALTIES
    return Decision.EXTRA_TIME if extra_time or text == "AET" else Decision.REGULAR_TIME
