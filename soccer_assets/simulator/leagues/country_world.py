"""A country's football, season after season: clubs, leagues, cup, and what each leaves behind."""

from collections.abc import Iterator
from enum import IntEnum

import numpy as np

from soccer_assets.simulator.leagues.clubs import Squad, club_names, make_team
from soccer_assets.simulator.leagues.competitions import make_tournaments
from soccer_assets.simulator.leagues.countries import Country
from soccer_assets.simulator.leagues.cup import play_cup
from soccer_assets.simulator.leagues.league import (
    final_table,
    play_league,
    promote_and_relegate,
)
from soccer_assets.simulator.leagues.match import Match
from soccer_assets.simulator.leagues.season_calendar import SeasonCalendar
from soccer_assets.simulator.leagues.strengths import (
    LEVELS,
    WOMEN_LEVEL,
    first_strengths,
    next_strengths,
    strength_path,
)


class Stream(IntEnum):
    """A random stream each, so that more draws in one place move nothing in another."""

    CLUBS = 0
    LEAGUES = 1
    CUP = 2
    NEXT_SEASON = 3
    WOMEN_LEAGUE = 4
    WOMEN_NEXT_SEASON = 5


class CountryWorld:
    """A country's clubs, advanced by one season at a time."""

    def __init__(self, country: Country, seed: int) -> None:
        self.country = country
        self.seed = seed
        rng = self._rng(Stream.CLUBS, 0)
        names = club_names(country, rng)
        size_1, size_2 = country.sizes
        first_id = country.id * 1000 + 1
        teams = [make_team(first_id + i, name, country) for i, name in enumerate(names)]
        divisions = [list(range(size_1)), list(range(size_1, size_1 + size_2))]
        self.men = Squad(teams, divisions, first_strengths(divisions, LEVELS, rng))
        self.women: Squad | None = None
        if country.women:
            ids = range(first_id + 500, first_id + 500 + country.women)
            sides = [
                make_team(i, f"{name} Women", country) for i, name in zip(ids, names, strict=False)
            ]
            league = [list(range(len(sides)))]
            self.women = Squad(sides, league, first_strengths(league, (WOMEN_LEVEL,), rng))
        self.tournaments = make_tournaments(country, rng)

    def _rng(self, stream: Stream, year: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.country.id, int(stream), year])

    def season(self, year: int) -> Iterator[Match]:
        """Play one season and move on: promotion, relegation, changed strengths."""
        calendar = SeasonCalendar(self.country, year)
        yield from self._men_season(calendar, self.men)
        if self.women is not None:
            yield from self._women_season(calendar, self.women)

    def _men_season(self, calendar: SeasonCalendar, squad: Squad) -> Iterator[Match]:
        rng = self._rng(Stream.LEAGUES, calendar.year)
        path = strength_path(squad.strength, rng)
        tables = []
        for key, division in zip(("first", "second"), squad.divisions, strict=True):
            tournament, cup = self.tournaments[key], calendar.cup_tuesdays
            matches = play_league(tournament, calendar, squad, division, path, cup, rng)
            yield from matches
            tables.append(final_table(matches, squad, division))
        cup_rng = self._rng(Stream.CUP, calendar.year)
        yield from play_cup(self.tournaments["cup"], calendar, squad, path, cup_rng)
        first, second = tables
        squad.divisions = promote_and_relegate(first, second, self.country.exchanged)
        next_rng = self._rng(Stream.NEXT_SEASON, calendar.year)
        squad.strength = next_strengths(squad.strength, path, squad.divisions, LEVELS, next_rng)

    def _women_season(self, calendar: SeasonCalendar, squad: Squad) -> Iterator[Match]:
        rng = self._rng(Stream.WOMEN_LEAGUE, calendar.year)
        path = strength_path(squad.strength, rng)
        (division,) = squad.divisions
        matches = play_league(
            self.tournaments["women"], calendar, squad, division, path, cup_tuesdays=[], rng=rng
        )
        yield from matches
        squad.divisions = [final_table(matches, squad, division)]
        next_rng = self._rng(Stream.WOMEN_NEXT_SEASON, calendar.year)
        squad.strength = next_strengths(
            squad.strength, path, squad.divisions, (WOMEN_LEVEL,), next_rng
        )
