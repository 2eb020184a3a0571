"""When seasons change: where a competition's year is quietest."""

import numpy as np
import pytest

from soccer_assets.sources.seasons import quietest_day, season_name


def days(*stretches: tuple[int, int]) -> np.ndarray:
    return np.concatenate([np.arange(first, last) % 366 for first, last in stretches])


@pytest.mark.parametrize(
    ("played", "change"),
    [
        (days((220, 366 + 145)), 182),  # August to May
        (days((90, 310)), 17),  # April to November
        (days((220, 345), (366 + 50, 366 + 145)), 182),  # with a winter break
        (days((100, 101)), 283),  # one match a year
    ],
)
def test_seasons_change_in_the_middle_of_the_longest_break(played: np.ndarray, change: int) -> None:
    assert abs(quietest_day(played) - change) <= 2


def test_a_competition_without_a_break_has_a_change_all_the_same() -> None:
    assert 0 <= quietest_day(np.arange(366)) < 366


@pytest.mark.parametrize(
    ("start", "change", "name"),
    [(2023, 182, "2023/2024"), (2023, 10, "2023"), (2023, 350, "2024")],
)
def test_a_season_has_the_name_of_its_years(start: int, change: int, name: str) -> None:
    assert season_name(start, change) == name
