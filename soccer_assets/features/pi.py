"""The pi-rating: one rating of a team at home, one on the road.

Constantinou & Fenton (2013), "Determining the level of ability of football teams by dynamic ratings
based on the relative discrepancies in scores between adversaries", J. Quant. Anal. Sports 9(1).
"""

from math import log10

import numpy as np

from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.features.compiled import compiled
from soccer_assets.features.log import TEAM, MatchLog
from soccer_assets.features.params import RatingParams
from soccer_assets.features.rating import State


class Pi:
    """Of the home team at home and of the away team on the road."""

    name = "pi"
    columns = ("pi_home", "pi_away")

    def __init__(self, params: RatingParams) -> None:
        self._rate, self._transfer = params.pi_learning_rate, params.pi_venue_transfer
        self.fresh: State = {TEAM: np.zeros(2)}  # at home, on the road

    def walk(self, log: MatchLog, moments: IntArray, state: State, out: FloatArray) -> None:
        """See ``Rating``."""
        _walk(
            moments,
            log.home,
            log.away,
            log.home_goals,
            log.away_goals,
            state[TEAM],
            self._rate,
            self._transfer,
            out,
        )


@compiled
def _walk(
    moments: IntArray,
    home: IntArray,
    away: IntArray,
    home_goals: FloatArray,
    away_goals: FloatArray,
    teams: FloatArray,
    rate: float,
    transfer: float,
    out: FloatArray,
) -> None:
    for moment in moments:
        i = moment if moment >= 0 else ~moment
        h, a = home[i], away[i]
        if moment >= 0:
            out[i, 0], out[i, 1] = teams[h, 0], teams[a, 1]
            continue
        error = home_goals[i] - away_goals[i] - (_goals(teams[h, 0]) - _goals(teams[a, 1]))
        size = 3.0 * log10(1.0 + abs(error)) * rate
        move = size if error > 0 else -size
        teams[h, 0] += move
        teams[h, 1] += move * transfer
        teams[a, 1] -= move
        teams[a, 0] -= move * transfer


@compiled
def _goals(
    rating: float,
) -> float:
    """Goal difference that a rating stands for against an average team."""
    size = 10.0 ** (abs(rating) / 3.0) - 1.0
    return size if rating >= 0 else -size
