"""The state machine of a match."""

import pytest

from soccer_assets.feed.fields import FeedStatus
from soccer_assets.feed.states import Decision, MatchState, decision, match_state

CODES = {status: MatchState[status.name] for status in FeedStatus}


@pytest.mark.parametrize("status", FeedStatus)
@pytest.mark.parametrize(("period", "elapsed"), [(None, None), (0, ""), (0, None)])
def test_without_further_signs_the_code_is_the_state(
    status: FeedStatus, period: int | None, elapsed: str | None
) -> None:
    assert match_state(status, period, elapsed, has_score=True) is CODES[status]


@pytest.mark.parametrize(
    ("status", "period", "elapsed", "has_score", "state"),
    [
        (FeedStatus.SCHEDULED, 1, "12'", True, MatchState.IN_PLAY),
        (FeedStatus.SCHEDULED, None, "45+2'", False, MatchState.IN_PLAY),
        (FeedStatus.SCHEDULED, None, "HT", True, MatchState.IN_PLAY),
        (FeedStatus.SCHEDULED, 7, None, True, MatchState.UNKNOWN),
        (FeedStatus.SCHEDULED, 0, "FT", True, MatchState.UNKNOWN),
        (FeedStatus.SCHEDULED, 0, "Post", False, MatchState.POSTPONED),
        (FeedStatus.SCHEDULED, 0, "Canc", False, MatchState.CANCELLED),
        (FeedStatus.SCHEDULED, 0, " Abd ", False, MatchState.ABANDONED),
        (FeedStatus.IN_PLAY, 2, "Susp", True, MatchState.ABANDONED),
        (FeedStatus.IN_PLAY, 2, "FT", True, MatchState.IN_PLAY),
        (FeedStatus.FINISHED, 7, "FT", True, MatchState.FINISHED),
        (FeedStatus.FINISHED, 7, "FT", False, MatchState.UNKNOWN),
        (FeedStatus.FINISHED, 7, "Awd", True, MatchState.AWARDED),
        (FeedStatus.FINISHED, 7, "W.O.", False, MatchState.AWARDED),
        (FeedStatus.POSTPONED, 7, "FT", True, MatchState.POSTPONED),
        (FeedStatus.ABANDONED, 2, "Abd", True, MatchState.ABANDONED),
        (FeedStatus.AWARDED, 7, "FT", False, MatchState.AWARDED),
    ],
)
def test_signs_refine_the_code(
    status: FeedStatus, period: int | None, elapsed: str, has_score: bool, state: MatchState
) -> None:
    assert match_state(status, period, elapsed, has_score=has_score) is state


def test_a_code_that_the_feed_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError):
        match_state(99, None, None, has_score=True)


@pytest.mark.parametrize(
    ("elapsed", "extra_time", "penalties", "decided_in"),
    [
        ("FT", False, False, Decision.REGULAR_TIME),
        (None, False, False, Decision.REGULAR_TIME),
        ("AET", False, False, Decision.EXTRA_TIME),
        (None, True, False, Decision.EXTRA_TIME),
        ("PEN", False, False, Decision.PENALTIES),
        ("AET", True, True, Decision.PENALTIES),
    ],
)
def test_what_a_match_was_decided_in(
    elapsed: str | None, extra_time: bool, penalties: bool, decided_in: Decision
) -> None:
    given = {"extra_time": extra_time, "penalties": penalties}
    assert decision(MatchState.FINISHED, elapsed, **given) is decided_in
    assert decision(MatchState.IN_PLAY, elapsed, **given) is None
