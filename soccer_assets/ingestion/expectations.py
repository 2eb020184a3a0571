"""What a day of the feed usually holds, learnt from the days before it.

Leagues play by the week and by the season, so a day is compared with days of the same weekday: the
recent ones, and those around the same date of earlier years. What the thinner of them held is what
may be expected: a season break is foreseen by earlier years, a round that is played every other
week, or a league that folded, by recent weeks. A break that comes at another date than in earlier
years is seen by the days around: a day that lost its matches lost them alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import median
from types import MappingProxyType

DAY, WEEK = timedelta(days=1), timedelta(days=7)
#: 52 weeks: the same weekday a year before, a day or two off the date.
YEAR = timedelta(days=364)
RECENT_WEEKS = 8
YEARS = 5
#: Before and after today's date, what counts as this time of the year.
AROUND = timedelta(weeks=3)
#: With fewer comparable days there is no expectation.
MIN_DAYS = 3
#: Of the matches that the days around usually hold; with fewer it is a break.
PLAYED_AROUND = 0.5


@dataclass(frozen=True)
class UnusualDay:
    """A day that holds far fewer matches than such days do."""

    day: date
    matches: int
    expected: int
    """At the least; or as many as it has held before."""
    held_before: bool = False

    def __str__(self) -> str:
        expected = f"{self.expected} before" if self.held_before else f"usually {self.expected}"
        return f"{self.day:%Y-%m-%d (%A)}: {self.matches} matches, {expected}"


def expected_matches(counts: Mapping[date, int], day: date) -> int | None:
    """How many matches a day may be expected to hold, at the least.

    Args:
        counts: matches of ingested days, 0 for empty ones; days after ``day`` are not looked at.

    Returns:
        The lower of the first quartiles of recent and of seasonal days; None without enough of
        both, for a first season does not tell when leagues pause.
    """
    likes = list(_days_like(counts, day))
    return min(sorted(like)[(len(like) - 1) // 4] for like in likes) if all(likes) else None


def _days_like(counts: Mapping[date, int], day: date) -> Iterator[list[int]]:
    """Matches of recent and of seasonal days; none where they are too few."""
    recent = [day - k * WEEK for k in range(1, RECENT_WEEKS + 1)]
    seasonal = [day - k * YEAR + j * WEEK for k in range(1, YEARS + 1) for j in (-1, 0, 1)]
    for days in (recent, seasonal):
        known = [counts[d] for d in days if d in counts]
        yield known if len(known) >= MIN_DAYS else []


def unusual_days(
    counts: Mapping[date, int],
    days: Iterable[date],
    *,
    min_share: float,
    min_expected: float,
    gone: Mapping[date, int] = MappingProxyType({}),
) -> list[UnusualDay]:
    """Those of ``days`` with fewer than ``min_share`` of the matches that they have held before, or
    that are expected of them in a week that is played as usual.

    Days of which fewer than ``min_expected`` matches are expected are not judged: leagues that
    play a handful of matches a day play none often enough.

    Args:
        gone: matches that a day has held before and that no day holds now.
    """
    found = []
    for day in sorted(days):
        matches = counts.get(day, 0)
        before = matches + gone.get(day, 0)
        expected = expected_matches(counts, day) or 0
        if before >= min_expected and matches < min_share * before:
            found.append(UnusualDay(day, matches, before, held_before=True))
        elif (
            expected >= min_expected
            and matches < min_share * expected
            and not _in_a_break(counts, day)
        ):
            found.append(UnusualDay(day, matches, expected))
    return found


def _in_a_break(counts: Mapping[date, int], day: date) -> bool:
    """Whether the days around hold far fewer matches than they usually do, too."""
    played = usual = 0.0
    for around in (day + k * DAY for k in (-3, -2, -1, 1, 2, 3)):
        likes = [median(like) for like in _days_like(counts, around) if like]
        if around in counts and likes:
            usual += min(likes)
            played += min(counts[around], 2 * min(likes))
    return played < PLAYED_AROUND * usual


@dataclass(frozen=True)
class Recency:
    """How old the newest result is, in days, and how old it may get at this time of the year."""

    age: int
    allowed: int | None
    """None without enough history to tell."""

    @property
    def holds(self) -> bool:
        return self.allowed is None or self.age <= self.allowed


def looked_back_to(today: date) -> date:
    """The first day that ``recency`` asks for results of, beside the last one before it."""
    return today - YEARS * YEAR - AROUND


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
    windows = [(today - k * YEAR - AROUND, today - k * YEAR + AROUND) for k in range(1, YEARS + 1)]
    windows = [window for window in windows if window[0] >= days[0]]
    windows = windows or [(max(today - 2 * AROUND, days[0]), days[-1])]
    gaps = [
        (after - before).days
        for before, after in pairwise(days)
        if any(after >= first and before <= last for first, last in windows)
    ]
    allowed = max(gaps) + 1 if len(gaps) >= MIN_DAYS else None
    return Recency((today - days[-1]).days, allowed)
