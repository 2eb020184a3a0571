"""The simulated world as a feed backend."""

import threading
from collections import defaultdict
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any

from soccer_assets.feed.payload import day_feed, epoch
from soccer_assets.simulator.leagues.countries import COUNTRIES
from soccer_assets.simulator.leagues.country_world import CountryWorld
from soccer_assets.simulator.leagues.match import Match
from soccer_assets.simulator.leagues.match_view import view


class LeagueSimulator:
    """A feed backend; seasons are played when first needed, because each costs a while."""

    def __init__(self, seed: int = 20, first_season: int = 2022) -> None:
        self.seed = seed
        self.first_season = first_season
        self._countries = [CountryWorld(country, seed) for country in COUNTRIES]
        self._days: dict[int, list[tuple[Match, bool]]] = defaultdict(list)
        self._next_season = first_season
        self._lock = threading.Lock()

    def payload(self, day: date, as_of: datetime) -> dict[str, Any]:
        """The feed of ``day`` as shown at ``as_of``."""
        now = epoch(as_of)
        # A calendar appears at most a year ahead, so later seasons need not be played yet.
        self._play_through(min(day.year, as_of.year + 1))
        shown = (
            (match.stage, row)
            for match, on_new_day in self._days.get(day.toordinal(), ())
            if (row := view(match, now, on_new_day)) is not None
        )
        return day_feed(
            (stage_rows[0][0].header, [row for _, row in stage_rows])
            for _, group in groupby(shown, key=lambda item: item[0].id)
            if (stage_rows := list(group))
        )

    def _play_through(self, year: int) -> None:
        if year < self._next_season:
            return
        with self._lock:
            while self._next_season <= year:
                self._play(self._next_season)
                self._next_season += 1

    def _play(self, year: int) -> None:
        touched = set()
        for world in self._countries:
            for match in world.season(year):
                for kickoff, on_new_day in ((match.kickoff, False), (match.moved_to, True)):
                    if kickoff is not None:
                        day = datetime.fromtimestamp(kickoff, UTC).toordinal()
                        self._days[day].append((match, on_new_day))
                        touched.add(day)
        for day in touched:
            self._days[day].sort(key=_shown_order)


def _shown_order(entry: tuple[Match, bool]) -> tuple[int, int, int]:
    match, on_new_day = entry
    kickoff = match.moved_to if on_new_day and match.moved_to is not None else match.kickoff
    return match.stage.id, kickoff, match.id
