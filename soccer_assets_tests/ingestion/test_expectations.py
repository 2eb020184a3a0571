"""What a day usually holds, and how old the newest result may get."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.ingestion.expectations import (
    YEAR,
    Recency,
    UnusualDay,
    expected_matches,
    recency,
    unusual_days,
)
from soccer_assets.params import IngestionParams
from soccer_assets.simulator.leagues import LeagueSimulator

SATURDAY, TUESDAY = 5, 1
FIRST, LAST = date(2022, 7, 1), date(2025, 12, 31)


def league_day(day: date) -> int:
    """A season from August to May with full Saturdays and a few matches on Tuesdays."""
    if day.month in (6, 7):
        return 0
    return {SATURDAY: 60, TUESDAY: 4}.get(day.weekday(), 12)


HISTORY = {
    day: league_day(day)
    for day in (FIRST + timedelta(days=k) for k in range((LAST - FIRST).days + 1))
}


def judge(day: date, matches: int) -> list[UnusualDay]:
    return unusual_days({**HISTORY, day: matches}, [day], min_share=0.25, min_expected=10)


def test_an_empty_saturday_in_october_is_unusual() -> None:
    (found,) = judge(date(2025, 10, 11), 0)
    assert str(found) == "2025-10-11 (Saturday): 0 matches, usually 60"


def test_an_empty_tuesday_in_june_is_not() -> None:
    assert judge(date(2025, 6, 10), 0) == []


@pytest.mark.parametrize("day", [date(2025, 6, 7), date(2025, 6, 28), date(2025, 7, 26)])
def test_the_season_break_is_foreseen(day: date) -> None:
    assert day.weekday() == SATURDAY
    assert judge(day, 0) == []


def test_a_thin_saturday_is_judged_by_its_share_of_the_usual() -> None:
    assert judge(date(2025, 10, 11), 14)
    assert judge(date(2025, 10, 11), 15) == []


def test_a_day_that_never_came_counts_as_empty() -> None:
    day = date(2025, 10, 11)
    without = {d: n for d, n in HISTORY.items() if d != day}
    assert unusual_days(without, [day], min_share=0.25, min_expected=10)


def test_a_league_that_folded_is_missed_for_a_while_only() -> None:
    counts = dict(HISTORY)
    first_empty = date(2025, 10, 18)
    saturdays = [first_empty + timedelta(weeks=k) for k in range(8)]
    for day in saturdays:
        counts[day] = 0
    missed = unusual_days(counts, saturdays, min_share=0.25, min_expected=10)
    assert [found.day for found in missed] == saturdays[:2]


def test_a_break_at_another_date_than_in_earlier_years_is_seen_by_the_days_around() -> None:
    week = [date(2025, 10, 8) + timedelta(days=k) for k in range(7)]
    assert date(2025, 10, 11) in week
    paused = {**HISTORY, **dict.fromkeys(week, 1)}
    assert unusual_days(paused, week, min_share=0.25, min_expected=10) == []


def test_a_round_that_is_not_played_every_week_is_not_missed() -> None:
    wednesdays = [LAST - timedelta(weeks=k) for k in range(180)]
    counts = {**HISTORY, **{day: 20 * (k % 3 == 0) for k, day in enumerate(wednesdays)}}
    judged = wednesdays[:40]
    assert unusual_days(counts, judged, min_share=0.25, min_expected=10) == []


def test_in_a_first_season_nothing_is_expected_yet() -> None:
    day = date(2023, 3, 4)
    assert HISTORY[day] == 60
    assert expected_matches(HISTORY, day) is None
    assert unusual_days({**HISTORY, day: 0}, [day], min_share=0.25, min_expected=10) == []


def test_matches_that_a_day_has_held_before_are_missed_in_any_season_and_any_week() -> None:
    day = date(2023, 3, 4)
    week = [day + timedelta(days=k) for k in range(-3, 4)]
    counts = {**HISTORY, **dict.fromkeys(week, 0), day: 2}
    (found,) = unusual_days(counts, week, min_share=0.25, min_expected=10, gone={day: 58})
    assert str(found) == "2023-03-04 (Saturday): 2 matches, 60 before"
    assert unusual_days(counts, [day], min_share=0.25, min_expected=10, gone={day: 6}) == []


def test_without_history_nothing_is_expected() -> None:
    assert expected_matches({}, date(2025, 10, 11)) is None
    assert unusual_days({}, [date(2025, 10, 11)], min_share=0.25, min_expected=1) == []


@given(st.dictionaries(st.dates(FIRST, LAST), st.integers(0, 99)), st.dates(FIRST, LAST))
def test_what_comes_later_does_not_matter(counts: dict[date, int], day: date) -> None:
    before = {d: n for d, n in counts.items() if d < day}
    assert expected_matches(counts, day) == expected_matches(before, day)


# The simulated leagues, as the demo sees them first

TODAY = date(2025, 3, 1)


@pytest.fixture(scope="module")
def simulated() -> dict[date, int]:
    """Matches by day of three years up to ``TODAY``, and of the fixtures after it."""
    world = LeagueSimulator(seed=20)
    days = (TODAY + timedelta(days=k) for k in range(-3 * 365, 16))
    now = datetime(2025, 3, 1, 12, tzinfo=UTC)
    return {
        day: sum(len(t["matches"]) for t in world.payload(day, now)["tournaments"]) for day in days
    }


def judge_simulated(counts: dict[date, int], days: list[date]) -> list[UnusualDay]:
    params = IngestionParams()
    return unusual_days(
        counts,
        days,
        min_share=params.volume_min_share,
        min_expected=params.volume_min_expected,
    )


@pytest.mark.parametrize("weeks_ago", [0, 17, 33, 50])
def test_two_undisturbed_years_of_the_simulator_hold_no_unusual_day(
    simulated: dict[date, int], weeks_ago: int
) -> None:
    today = TODAY - timedelta(weeks=weeks_ago)
    first, last = today - timedelta(days=730), today + timedelta(days=15)
    counts = {day: n for day, n in simulated.items() if first <= day <= last}
    assert judge_simulated(counts, [day for day in counts if day < today]) == []


def test_a_large_day_of_the_simulator_that_loses_its_matches_is_found(
    simulated: dict[date, int],
) -> None:
    large = [d for d, n in simulated.items() if n >= 40 and TODAY - YEAR < d < TODAY]
    assert len(large) > 50
    found = [day for day in large if judge_simulated({**simulated, day: 0}, [day])]
    assert len(found) >= 0.85 * len(large)


RESULT_DAYS = [day for day, matches in HISTORY.items() if matches]


def test_a_result_two_days_old_is_young_enough_and_a_week_is_not_in_season() -> None:
    days = [d for d in RESULT_DAYS if d <= date(2025, 10, 11)]
    assert recency(days, date(2025, 10, 13)) == Recency(age=2, allowed=2)
    assert not recency(days, date(2025, 10, 18)).holds


def test_a_summer_without_results_is_no_fault() -> None:
    days = [d for d in RESULT_DAYS if d <= date(2025, 5, 31)]
    judged = recency(days, date(2025, 7, 20))
    assert judged is not None
    assert judged.age == 50
    assert judged.holds


def test_without_enough_history_any_age_holds() -> None:
    judged = recency([date(2025, 10, 1)], date(2025, 12, 1))
    assert judged == Recency(age=61, allowed=None)
    assert judged.holds


def test_without_results_there_is_nothing_to_judge() -> None:
    assert recency([], date(2025, 10, 1)) is None
    assert recency([date(2025, 10, 2)], date(2025, 10, 1)) is None
