"""When the seasons of a competition change, for sources that do not say."""

import numpy as np

from soccer_assets.arrays import IntArray

YEAR_DAYS = 366
#: To each side of a day: so wide a stretch of the year is looked at for how quiet it is.
AROUND = 45


def quietest_day(days: IntArray) -> int:
    """The day of the year, 0 to 365, about which a competition plays least: the middle of the longest
    run of days whose surroundings hold the fewest of its matches.

    Args:
        days: days of the year, 0 to 365, of all of its matches.
    """
    year = np.bincount(days, minlength=YEAR_DAYS)
    total = np.concatenate([[0], np.cumsum(np.tile(year, 3))])
    middle = np.arange(YEAR_DAYS) + YEAR_DAYS
    near = total[middle + AROUND + 1] - total[middle - AROUND]
    is_quiet = np.tile(near == near.min(), 2)  # the year is a circle
    longest, best, length = 0, 0, 0
    for day, quiet in enumerate(is_quiet.tolist()):
        length = min(length + 1, YEAR_DAYS) if quiet else 0
        if length > longest:
            longest, best = length, day
    return (best - longest // 2) % YEAR_DAYS


def season_name(start: int, change: int) -> str:
    """``2023/2024``, or ``2023`` where seasons change about the turn of the year.

    Args:
        start: the year that the season begins in.
        change: day of the year on which seasons change.
    """
    if change < AROUND:
        return str(start)
    if change >= YEAR_DAYS - AROUND:
        return str(start + 1)
    return f"{start}/{start + 1}"
