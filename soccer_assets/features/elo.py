"""Elo with a margin of victory: World Football Elo (eloratings.net), with one K for all matches.

A newcomer starts at the level of the competition it joins.
"""

import numpy as np

from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.features.compiled import compiled
from soccer_assets.features.log import COMPETITION, TEAM, MatchLog
from soccer_assets.features.params import RatingParams
from soccer_assets.features.rating import State

START = 1500.0
#: How much of the difference to the latest two teams a competition's level moves.
LEVEL_STEP = 0.02


class Elo:
    """Elo points of both teams."""

    name = "elo"
    columns = ("elo_home", "elo_away")

    def __init__(self, params: RatingParams) -> None:
        self._k, self._advantage = params.elo_k, params.elo_home_advantage
        # A team's points, NaN before its first result; a competition's level.
        self.fresh: State = {TEAM: np.array([np.nan]), COMPETITION: np.array([START])}

    def walk(self, log: MatchLog, moments: IntArray, state: State, out: FloatArray) -> None:
        """See ``Rating``."""
        _walk(
            moments,
            log.home,
            log.away,
            log.competition,
            log.home_goals,
            log.away_goals,
            state[TEAM][:, 0],
            state[COMPETITION][:, 0],
            self._k,
            self._advantage,
            out,
        )


@compiled
def _walk(
    moments: IntArray,
    home: IntArray,
    away: IntArray,
    competition: IntArray,
    home_goals: FloatArray,
    away_goals: FloatArray,
    points: FloatArray,
    level: FloatArray,
    k: float,
    advantage: float,
    out: FloatArray,
) -> None:
    for moment in moments:
        i = moment if moment >= 0 else ~moment
        h, a, c = home[i], away[i], competition[i]
        of_home = level[c] if np.isnan(points[h]) else points[h]
        of_away = level[c] if np.isnan(points[a]) else points[a]
        if moment >= 0:
            out[i, 0], out[i, 1] = of_home, of_away
            continue
        margin = home_goals[i] - away_goals[i]
        expected = 1.0 / (1.0 + 10.0 ** (-(of_home + advantage - of_away) / 400.0))
        score = 1.0 if margin > 0 else 0.5 if margin == 0 else 0.0
        size = abs(margin)
        factor = 1.0 if size <= 1 else 1.5 if size == 2 else (11.0 + size) / 8.0
        step = k * factor * (score - expected)
        points[h], points[a] = of_home + step, of_away - step
        level[c] += LEVEL_STEP * ((points[h] + points[a]) / 2.0 - level[c])
