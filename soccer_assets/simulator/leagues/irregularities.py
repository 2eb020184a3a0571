"""What goes wrong with league matches, as it does in a real feed: a few are postponed, reported
wrongly, cancelled, abandoned or awarded."""

from datetime import date

import numpy as np

from soccer_assets.simulator.leagues.fixtures import Fixtures
from soccer_assets.simulator.leagues.match import Kind, Match
from soccer_assets.simulator.leagues.season_calendar import SeasonCalendar
from soccer_assets.simulator.leagues.units import HOUR

#: Of the kinds after NORMAL, in their order.
KIND_SHARES = (0.017, 0.005, 0.001, 0.001, 0.0015)


def disturb(
    matches: list[Match],
    fixtures: Fixtures,
    calendar: SeasonCalendar,
    cup_days: set[int],
    rng: np.random.Generator,
) -> None:
    """Draw what becomes of each of a season's league matches, in place.

    ``matches`` are those of ``fixtures``, in the same order; no match moves to one of ``cup_days``
    (ordinals).
    """
    kinds = np.searchsorted(np.cumsum(KIND_SHARES), rng.random(len(matches)), side="right")
    for i in np.flatnonzero(kinds < len(KIND_SHARES)):
        matches[i].kind = Kind(int(kinds[i]) + 1)
    for match in matches:
        if match.kind is Kind.CORRECTED:
            match.misreported = _misreport(match.score, rng)
    _reschedule(matches, fixtures, calendar, cup_days, rng)


def _misreport(score: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    side, less = int(rng.integers(2)), rng.random() < 0.5
    wrong = list(score)
    wrong[side] += -1 if less and wrong[side] else 1
    return wrong[0], wrong[1]


def _reschedule(
    matches: list[Match],
    fixtures: Fixtures,
    calendar: SeasonCalendar,
    cup_days: set[int],
    rng: np.random.Generator,
) -> None:
    """Give postponed matches a new midweek day on which neither club plays."""
    busy: set[tuple[int, int]] = set()
    for team_ids in (fixtures.home, fixtures.away):
        for team, day in zip(team_ids.tolist(), fixtures.day.tolist(), strict=True):
            busy.update((team, day + k) for k in (-1, 0, 1))
    latest = calendar.last_day.toordinal() - 3
    evening = 19 * HOUR + 60 * calendar.country.minutes_later
    postponed = [i for i, match in enumerate(matches) if match.kind is Kind.POSTPONED]
    for i in sorted(postponed, key=lambda i: (matches[i].kickoff, i)):
        pair = (int(fixtures.home[i]), int(fixtures.away[i]))
        day = int(fixtures.day[i]) + int(rng.integers(9, 40))
        while day < latest and (day in cup_days or not _is_free(pair, day, busy)):
            day += 1
        if day >= latest:  # too late in the season: played as planned
            matches[i].kind = Kind.NORMAL
            continue
        busy.update((team, day + k) for team in pair for k in (-1, 0, 1))
        matches[i].moved_to = matches[i].stage.moment(day, evening)


def _is_free(pair: tuple[int, int], day: int, busy: set[tuple[int, int]]) -> bool:
    is_midweek = date.fromordinal(day).weekday() in (1, 2, 3)
    return is_midweek and not any((team, day) in busy for team in pair)
