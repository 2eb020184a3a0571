"""The clubs: who they are, what they are called, and which divisions they play in."""

from dataclasses import dataclass

import numpy as np

from soccer_assets.feed.payload import Row
from soccer_assets.simulator.leagues.countries import Country


@dataclass(slots=True)
class Team:
    """A club's team, with its part of a match row for either side."""

    id: int
    home: Row
    away: Row


@dataclass
class Squad:
    """Teams playing in the same leagues and cup, with their attack and defence."""

    teams: list[Team]
    divisions: list[list[int]]
    """Indices of teams, best of last season first."""
    strength: np.ndarray
    """(teams, 2): attack, defence."""


def make_team(team_id: int, name: str, country: Country) -> Team:
    """A team with its rows rendered once: they are part of every match it plays."""
    values = (team_id, name, country.code, country.name)
    names = ("TeamId", "TeamName", "TeamCountryCode", "TeamCountryName")
    home, away = (
        {side + key: value for key, value in zip(names, values, strict=True)}
        for side in ("home", "away")
    )
    return Team(team_id, home, away)


def club_names(country: Country, rng: np.random.Generator) -> list[str]:
    """A name for each club of both divisions, no town twice."""
    towns = [stem + ending for stem in country.stems.split() for ending in country.endings.split()]
    count = sum(country.sizes)
    chosen = rng.choice(len(towns), count, replace=False)
    forms = rng.integers(0, len(country.forms), count)
    return [country.forms[f].format(towns[t]) for t, f in zip(chosen, forms, strict=True)]
