"""A long range of days in several."""

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.spread import ranges_of_months

DAYS = st.dates(date(1998, 1, 1), date(2030, 12, 31))


@pytest.mark.parametrize(
    ("first", "last", "months", "ranges"),
    [
        ("2024-08-01", "2024-08-31", 1, ["2024-08-01 2024-08-31"]),
        ("2024-08-15", "2024-08-15", 12, ["2024-08-15 2024-08-15"]),
        ("2024-11-15", "2025-02-03", 2, ["2024-11-15 2024-12-31", "2025-01-01 2025-02-03"]),
        ("2024-12-31", "2025-01-01", 1, ["2024-12-31 2024-12-31", "2025-01-01 2025-01-01"]),
        ("2023-01-01", "2024-12-31", 12, ["2023-01-01 2023-12-31", "2024-01-01 2024-12-31"]),
    ],
)
def test_ranges_begin_with_months(first: str, last: str, months: int, ranges: list[str]) -> None:
    found = ranges_of_months(date.fromisoformat(first), date.fromisoformat(last), months)
    assert [f"{begins} {ends}" for begins, ends in found] == ranges


@given(DAYS, DAYS, st.integers(1, 40))
def test_every_day_is_in_one_range_alone(one: date, other: date, months: int) -> None:
    first, last = sorted((one, other))
    ranges = ranges_of_months(first, last, months)
    assert (ranges[0][0], ranges[-1][1]) == (first, last)
    for (_, ends), (begins, _) in itertools.pairwise(ranges):
        assert begins == ends + timedelta(days=1)
        assert begins.day == 1
    assert all(begins <= ends for begins, ends in ranges)
