"""What a day of the feed usually holds, learnt from the days before it.

Leagues play by the week and by the season, so a day is compared with days of the same weekday: the
recent ones, and those around the same date of earlier years. The lower of the two medians is what
may be expected: a season break is foreseen by earlier years, a league that folded by recent weeks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import median

WEEK = timedelta(days=7)
#: 52 weeks: the same weekday a year before, a day or two off the date.
YEAR = timedelta(days=364)
RECENT_WEEKS = 5
YEARS = 5
#: With fewer comparable days there is no expectation.
MIN_DAYS = 3


@dataclass(frozen=True)
class UnusualDay:
    """A day that holds far fewer matches than such days do."""

    day: date
    matches: int
    expected: float

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d (%A)}: {self.matches} matches, usually {self.expected:g}"


def expected_matches(counts: Mapping[date, int], day: date) -> float | None:
    """How many matches a day may be expected to hold, at the least.

    Args:
        counts: matches of ingested days, 0 for empty ones; days after ``day`` are not looked at.

    Returns:
        The lower median of recent and of seasonal days; None without enough of either.
    """
    recent = [day - k * WEEK for k in range(1, RECENT_WEEKS + 1)]
    seasonal = [day - k * YEAR + j * WEEK for k in range(1, YEARS + 1) for j in (-1, 0, 1)]
    medians = [
        median(known)
        for days in (recent, seasonal)
        if len(known := [counts[d] for d in days if d in counts]) >= MIN_DAYS
    ]
    return min(medians) if medians else None


def unusual_days(
    counts: Mapping[date, int], days: Iterable[date], *, min_share: float, min_expected: float
) -> list[UnusualDay]:
    """Those of ``days`` with fewer than ``min_share`` of the matches expected of them.

    Days of which fewer than ``min_expected`` matches are expected are not judged: leagues that
    play a handful of matches a day play none often enough.
    """
    found = []
    for day in sorted(days):
        expected = expected_matches(counts, day)
        if expected is None or expected < min_expected:
            continue
        if counts.get(day, 0) < min_share * expected:
            found.append(UnusualDay(day, counts.get(day, 0), expected))
    return found


@dataclass(frozen=True)
class Recency:
    """How old the newest result is, in days, and how old it may get at this time of the year."""

    age: int
    allowed: int | None
    """None without enough history to tell."""

    @property
    def holds(self) -> bool:
        return self.allowed is None or self.age <= self.allowed


def recency(result_days: Iterable[date], today: date) -> Recency | None:
    """Judge the newest result by the gaps between days with results that history shows.

    Allowed is the longest such gap that touched the six weeks around today's date in earlier
    years, or else the last six weeks, and a day on top, for results come in late.

    Args:
        result_days: days with at least one finished match, none after ``today``.

    Returns:
        None when there is no result at all.
    """
    days = sorted({day for day in result_days if day <= today})
    if not days:
        return None
    around = timedelta(weeks=3)
    windows = [(today - k * YEAR - around, today - k * YEAR + around) for k in range(1, YEARS + 1)]
    windows = [window for window in windows if window[0] >= days[0]]
    windows = windows or [(max(today - 2 * around, days[0]), days[-1])]
    gaps = [
        (after - before).days
        for before, after in pairwise(days)
        if any(after >= first and before <= last for first, last in windows)
    ]
    allowed = max(gaps) + 1 if len(gaps) >= MIN_DAYS else None
    return Recency((today - days[-1]).days, allowed)
