"""A league season, its final table, and who goes up and down by it."""

from collections import defaultdict
from datetime import date

import numpy as np

from soccer_assets.simulator.leagues.clubs import Squad
from soccer_assets.simulator.leagues.competitions import Tournament
from soccer_assets.simulator.leagues.fixtures import league_fixtures
from soccer_assets.simulator.leagues.irregularities import disturb
from soccer_assets.simulator.leagues.match import Match
from soccer_assets.simulator.leagues.results import goal_rates, play
from soccer_assets.simulator.leagues.season_calendar import SeasonCalendar


def play_league(
    tournament: Tournament,
    calendar: SeasonCalendar,
    squad: Squad,
    division: list[int],
    path: np.ndarray,
    cup_tuesdays: list[date],
    rng: np.random.Generator,
) -> list[Match]:
    """All matches of one season of a double round robin.

    Args:
        path: the squad's strengths by week.
        cup_tuesdays: of the midweeks to keep free.
    """
    year = calendar.year
    fixtures = league_fixtures(division, calendar, tournament.sex, cup_tuesdays, rng)
    rates = goal_rates(fixtures, path, calendar.first_day.toordinal(), tournament.level)
    matches = play(
        tournament.stage(year),
        tournament.first_match_id(year),
        squad,
        fixtures,
        rates,
        calendar.published_at,
        rng,
    )
    # Monday to Thursday: some ties are on Wednesday, and nobody plays on two days running.
    cup_days = {tuesday.toordinal() + k for tuesday in cup_tuesdays for k in range(-1, 3)}
    disturb(matches, fixtures, calendar, cup_days, rng)
    return matches


def final_table(matches: list[Match], squad: Squad, division: list[int]) -> list[int]:
    """Best first, by points, goal difference, goals for, then the lower id."""
    tally: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for match in matches:
        result = match.result
        if result is None:
            continue
        for team, scored, conceded in ((match.home, *result), (match.away, *result[::-1])):
            points = 3 if scored > conceded else int(scored == conceded)
            total = tally[team.id]
            total[0] += points
            total[1] += scored - conceded
            total[2] += scored
    return sorted(division, key=lambda i: ([-x for x in tally[squad.teams[i].id]], i))


def promote_and_relegate(first: list[int], second: list[int], exchanged: int) -> list[list[int]]:
    """Next season's divisions, from this one's final tables."""
    return [
        first[:-exchanged] + second[:exchanged],
        first[-exchanged:] + second[exchanged:],
    ]
