"""The knockout cup: a round is drawn, and so appears, only once the one before is decided."""

from collections.abc import Iterator

import numpy as np

from soccer_assets.simulator.leagues.clubs import Squad
from soccer_assets.simulator.leagues.competitions import Tournament
from soccer_assets.simulator.leagues.fixtures import Fixtures
from soccer_assets.simulator.leagues.match import FINAL_WHISTLE, Match
from soccer_assets.simulator.leagues.results import decide, goal_rates, play
from soccer_assets.simulator.leagues.season_calendar import MIDWEEK, SeasonCalendar
from soccer_assets.simulator.leagues.units import HOUR

CUP_TEAMS = 32
CUP_STAGES = ("Round of 32", "Round of 16", "Quarter-finals", "Semi-finals", "Final")
DRAWN_AFTER = 15 * HOUR  # after a round's last final whistle: the morning of the next day


def play_cup(
    tournament: Tournament,
    calendar: SeasonCalendar,
    squad: Squad,
    path: np.ndarray,
    rng: np.random.Generator,
) -> Iterator[Match]:
    """All rounds of one season, between the best of both divisions."""
    year, known_at = calendar.year, calendar.published_at
    alive = np.array([*squad.divisions[0], *squad.divisions[1]][:CUP_TEAMS])
    match_id = tournament.first_match_id(year)
    start = calendar.first_day.toordinal()
    for number, (name, tuesday) in enumerate(
        zip(CUP_STAGES, calendar.cup_tuesdays, strict=True), 1
    ):
        home, away = rng.permutation(alive).reshape(-1, 2).T
        days, times = calendar.kickoffs(MIDWEEK, tuesday, len(home), rng)
        draw = Fixtures(home, away, days, times)
        rates = goal_rates(draw, path, start, tournament.level)
        stage = tournament.stage(year, number, name)
        matches = play(stage, match_id, squad, draw, rates, known_at, rng)
        winners = [
            (h, a)[decide(match, lam, mu, rng)]
            for match, h, a, lam, mu in zip(matches, home, away, *rates, strict=True)
        ]
        yield from matches
        alive, match_id = np.array(winners), match_id + len(matches)
        known_at = max(match.kickoff for match in matches) + FINAL_WHISTLE + DRAWN_AFTER
