"""What results of a competition are like, and how much is known of it and of its teams."""

import numpy as np

from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.features.compiled import compiled
from soccer_assets.features.log import COMPETITION, TEAM, MatchLog
from soccer_assets.features.params import LeagueParams
from soccer_assets.features.rating import State

# A competition's row.
HOME_WINS, DRAWS, GOALS, STATISTICS, MATCHES = range(5)


class League:
    """Averages of a competition, which fade with its matches and begin at those of all football; and
    how many matches are known of it and of both teams."""

    name = "league"
    columns = (
        *("league_home_wins", "league_draws", "league_goals", "league_statistics"),
        *("league_known_matches", "home_known_matches", "away_known_matches"),
    )

    def __init__(self, params: LeagueParams) -> None:
        self._memory, self._prior = params.memory_matches, params.prior_matches
        self.fresh: State = {
            TEAM: np.zeros(1),
            COMPETITION: np.array([params.home_wins, params.draws, params.goals, 0.0, 0.0]),
        }

    def walk(self, log: MatchLog, moments: IntArray, state: State, out: FloatArray) -> None:
        """See ``Rating``."""
        _walk(
            moments,
            log.home,
            log.away,
            log.competition,
            log.home_goals,
            log.away_goals,
            log.has_statistics,
            state[TEAM][:, 0],
            state[COMPETITION],
            self._memory,
            self._prior,
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
    has_statistics: FloatArray,
    known: FloatArray,
    comps: FloatArray,
    memory: float,
    prior: float,
    out: FloatArray,
) -> None:
    for moment in moments:
        i = moment if moment >= 0 else ~moment
        h, a, c = home[i], away[i], competition[i]
        if moment >= 0:
            out[i, 0], out[i, 1] = comps[c, HOME_WINS], comps[c, DRAWS]
            out[i, 2], out[i, 3] = comps[c, GOALS], comps[c, STATISTICS]
            out[i, 4] = comps[c, MATCHES]
            out[i, 5], out[i, 6] = known[h], known[a]
            continue
        known[h] += 1.0
        known[a] += 1.0
        comps[c, MATCHES] += 1.0
        step = max(1.0 / memory, 1.0 / (comps[c, MATCHES] + prior))
        margin = home_goals[i] - away_goals[i]
        comps[c, HOME_WINS] += step * ((1.0 if margin > 0 else 0.0) - comps[c, HOME_WINS])
        comps[c, DRAWS] += step * ((1.0 if margin == 0 else 0.0) - comps[c, DRAWS])
        comps[c, GOALS] += step * (home_goals[i] + away_goals[i] - comps[c, GOALS])
        comps[c, STATISTICS] += step * (has_statistics[i] - comps[c, STATISTICS])
