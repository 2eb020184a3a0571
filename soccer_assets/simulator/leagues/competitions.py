"""Tournaments and their stages: the ids and headers under which the feed shows matches."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from soccer_assets.feed.fields import Sex
from soccer_assets.feed.payload import Row, header_row
from soccer_assets.simulator.leagues.countries import Country
from soccer_assets.simulator.leagues.season_calendar import SeasonCalendar
from soccer_assets.simulator.leagues.strengths import LEVELS, WOMEN_LEVEL, Level
from soccer_assets.simulator.leagues.units import DAY, HOUR

_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(slots=True)
class Stage:
    """One stage of one season of a tournament."""

    id: int
    utc_offset: int
    header: Row

    def moment(self, day: int, seconds: int) -> int:
        """Seconds since 1970 of a local day (an ordinal) and time of day."""
        return (day - _EPOCH) * DAY + seconds - self.utc_offset


@dataclass
class Tournament:
    """A competition over all its seasons."""

    id: int
    name: str
    country: Country
    sex: Sex
    level: Level

    def stage(self, year: int, number: int = 1, name: str | None = None) -> Stage:
        season_id = self.id * 10000 + year
        header = header_row(
            {
                "regionId": self.country.id,
                "regionName": self.country.name,
                "regionCode": self.country.code,
                "tournamentId": self.id,
                "tournamentName": self.name,
                "seasonId": season_id,
                "seasonName": SeasonCalendar(self.country, year).season_name,
                "stageId": season_id * 10 + number,
                "stageName": name or self.name,
                "sex": int(self.sex),
            }
        )
        return Stage(season_id * 10 + number, self.country.utc_offset * HOUR, header)

    def first_match_id(self, year: int) -> int:
        """Ids are dealt out by season, so that playing one more never renumbers another."""
        return ((year - 1900) * 200 + self.id) * 1000 + 1


def make_tournaments(country: Country, rng: np.random.Generator) -> dict[str, Tournament]:
    """``first``, ``second``, ``cup`` and, where women play, ``women``: each a little different."""
    plan = {
        "first": (1, country.leagues[0], Sex.MEN, LEVELS[0]),
        "second": (2, country.leagues[1], Sex.MEN, LEVELS[1]),
        "cup": (3, country.cup, Sex.MEN, LEVELS[0]),
    }
    if country.women:
        plan["women"] = (4, f"{country.leagues[0]} Women", Sex.WOMEN, WOMEN_LEVEL)
    made = {}
    for key, (number, name, sex, base) in plan.items():
        goals, home = rng.normal((base.goals, base.home), (0.07, 0.06))
        level = Level(float(goals), max(0.05, float(home)), base.spread, base.centre)
        made[key] = Tournament(country.id * 10 + number, name, country, sex, level)
    return made
