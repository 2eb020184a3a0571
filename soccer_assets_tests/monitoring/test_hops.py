"""How far results have come is judged hop by hop, and by the matches that were to be played."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.monitoring.hops import ALLOWED, MIN_MATCHES, Hop, Pending, lags, troubles

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOTHING_DUE = Pending(0, 0, None)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2025, 2, 1), timezones=st.just(UTC))


@given(moments)
def test_in_a_break_nothing_lags_however_old_the_newest_result_is(newest: datetime) -> None:
    hops = [Hop(name, newest) for name in ("feed", "warehouse", "lake", "workers")]
    assert troubles(lags(hops, NOW), NOTHING_DUE) == []


def test_the_first_result_after_a_break_lags_by_minutes_not_by_the_break() -> None:
    before, after = NOW - 80 * 24 * HOUR, NOW - 3 * HOUR
    hops = [Hop("feed", after), Hop("warehouse", after), Hop("lake", before, NOW - HOUR / 6)]
    assert lags(hops, NOW)[-1].waits == HOUR / 6
    assert troubles(lags(hops, NOW), NOTHING_DUE) == []


def test_only_the_hop_that_stands_still_is_named() -> None:
    """Those after it lack the same results, for its sake."""
    old, new, since = NOW - 9 * HOUR, NOW - 7 * HOUR, NOW - ALLOWED - HOUR
    hops = [
        Hop("feed", new),
        Hop("warehouse", new),
        Hop("lake", old, since),
        Hop("features", old, since),
        Hop("predictions", old, since),
    ]
    assert [lag.hop.name for lag in lags(hops, NOW) if not lag.is_level] == ["lake"]
    [told] = troubles(lags(hops, NOW), NOTHING_DUE)
    assert told == "lake lacks results for 4.0 hours, allowed are 3.0 hours"


def test_a_hop_that_was_never_made_is_passed_over() -> None:
    """And the next one is judged by the one before."""
    old, new, since = NOW - 9 * HOUR, NOW - 7 * HOUR, NOW - 5 * HOUR
    hops = [Hop("warehouse", new), Hop("lake", None), Hop("features", old, since)]
    assert [lag.hop.name for lag in lags(hops, NOW) if not lag.is_level] == ["features"]


@pytest.mark.parametrize("waits", [ALLOWED, ALLOWED + timedelta(seconds=1), -HOUR])
def test_what_is_allowed_is_not_told_nor_what_a_clock_ahead_says(waits: timedelta) -> None:
    hops = [Hop("warehouse", NOW), Hop("lake", NOW - HOUR, NOW - waits)]
    assert bool(troubles(lags(hops, NOW), NOTHING_DUE)) is (waits > ALLOWED)


@pytest.mark.parametrize(
    ("due", "lacking", "told"),
    [
        (100, 100, True),
        (100, 51, True),
        (100, 50, False),
        (100, 3, False),
        (MIN_MATCHES - 1, MIN_MATCHES - 1, False),  # a break
        (0, 0, False),
    ],
)
def test_results_are_missed_only_where_matches_were_to_be_played(
    due: int, lacking: int, told: bool
) -> None:
    found = troubles([], Pending(due, lacking, None))
    assert bool(found) is told
    assert not told or f"{lacking} of {due} matches" in found[0]
