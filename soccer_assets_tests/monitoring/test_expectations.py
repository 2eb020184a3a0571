"""What a day usually holds, and how old the newest result may get."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.monitoring.expectations import (
    Recency,
    UnusualDay,
    expected_matches,
    recency,
    unusual_days,
)

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
    first_empty = date(2025, 9, 6)
    saturdays = [first_empty + timedelta(weeks=k) for k in range(8)]
    for day in saturdays:
        counts[day] = 0
    missed = unusual_days(counts, saturdays, min_share=0.25, min_expected=10)
    assert [found.day for found in missed] == saturdays[:3]


def test_without_history_nothing_is_expected() -> None:
    assert expected_matches({}, date(2025, 10, 11)) is None
    assert unusual_days({}, [date(2025, 10, 11)], min_share=0.25, min_expected=1) == []


@given(st.dictionaries(st.dates(FIRST, LAST), st.integers(0, 99)), st.dates(FIRST, LAST))
def test_what_comes_later_does_not_matter(counts: dict[date, int], day: date) -> None:
    before = {d: n for d, n in counts.items() if d < day}
    assert expected_matches(counts, day) == expected_matches(before, day)


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
