"""Team ratings before each match, in one pass over time.

Three systems: Elo with a margin of victory (World Football Elo), the pi-rating (Constantinou &
Fenton 2013, J. Quant. Anal. Sports 9(1)) and online attack/defence strengths of a Poisson goals
model. A match reads the ratings as they stand at its kick-off: only results that became known
before it have moved them.
"""

from dataclasses import dataclass
from math import exp, log10

import pandas as pd

from soccer_assets.arrays import BoolArray, IntArray
from soccer_assets.features.params import RatingParams

ELO_START = 1500.0
UNRATED = float("-inf")
LEAGUE_MEAN_STEP = 0.02
MEAN_LOG_GOALS = 0.15
HOME_LOG_GOALS = 0.25
RATING_COLUMNS = (
    "elo_home",
    "elo_away",
    "elo_difference",
    "pi_home",
    "pi_away",
    "pi_difference",
    "goals_expected_home",
    "goals_expected_away",
    "goals_expected_difference",
)


@dataclass(frozen=True)
class MatchLog:
    """Matches in order of kick-off, as arrays of one length.

    ``seconds``: kick-off, int64 since 1970. ``home``, ``away``, ``league``: dense codes from 0.
    ``home_goals``, ``away_goals``: -1 where the match has no result yet.
    """

    seconds: IntArray
    home: IntArray
    away: IntArray
    league: IntArray
    home_goals: IntArray
    away_goals: IntArray

    @property
    def played(self) -> BoolArray:
        return self.home_goals >= 0


def _margin_factor(margin: int) -> float:
    """World Football Elo: 1, 1.5, 1.75, then an eighth a goal."""
    if margin <= 1:
        return 1.0
    return 1.5 if margin == 2 else (11.0 + margin) / 8.0


def rate(log: MatchLog, params: RatingParams, result_delay: int) -> pd.DataFrame:
    """Ratings of both teams at each kick-off, columns RATING_COLUMNS, float64, in ``log``'s order.

    Args:
        log: matches sorted by kick-off.
        params: learning rates and the home advantage.
        result_delay: seconds after kick-off when a result is known.
    """
    teams = int(max(log.home.max(initial=-1), log.away.max(initial=-1))) + 1
    leagues = int(log.league.max(initial=-1)) + 1
    count = len(log.seconds)
    # Plain lists: element access in a Python loop is several times faster than on arrays.
    seconds, home, away = log.seconds.tolist(), log.home.tolist(), log.away.tolist()
    league = log.league.tolist()
    home_goals, away_goals = log.home_goals.tolist(), log.away_goals.tolist()

    elo = [UNRATED] * teams
    league_mean = [ELO_START] * leagues
    pi_at_home, pi_on_road = [0.0] * teams, [0.0] * teams
    attack, defence = [0.0] * teams, [0.0] * teams
    elo_home, elo_away = [0.0] * count, [0.0] * count
    pi_home, pi_away = [0.0] * count, [0.0] * count
    goals_home, goals_away = [0.0] * count, [0.0] * count

    advantage, elo_k = params.elo_home_advantage, params.elo_k
    pi_rate, pi_transfer = params.pi_learning_rate, params.pi_venue_transfer
    goals_rate = params.goals_learning_rate

    def learn(i: int) -> None:
        """Move the ratings by the result of match ``i``, against what was expected of it."""
        h, a = home[i], away[i]
        margin = home_goals[i] - away_goals[i]

        gap = elo_home[i] + advantage - elo_away[i]
        expected = 1.0 / (1.0 + 10.0 ** (-gap / 400.0))
        score = 1.0 if margin > 0 else 0.5 if margin == 0 else 0.0
        step = elo_k * _margin_factor(abs(margin)) * (score - expected)
        elo[h] += step
        elo[a] -= step
        mean = league_mean[league[i]]
        pair = (elo[h] + elo[a]) / 2.0
        league_mean[league[i]] = mean + LEAGUE_MEAN_STEP * (pair - mean)

        error = margin - (_pi_goals(pi_home[i]) - _pi_goals(pi_away[i]))
        size = 3.0 * log10(1.0 + abs(error)) * pi_rate
        move = size if error > 0 else -size
        pi_at_home[h] += move
        pi_on_road[h] += move * pi_transfer
        pi_on_road[a] -= move
        pi_at_home[a] -= move * pi_transfer

        # Gradient of the Poisson log-likelihood; goals are capped so that routs do not dominate.
        surprise_home = min(home_goals[i], 6) - goals_home[i]
        surprise_away = min(away_goals[i], 6) - goals_away[i]
        attack[h] += goals_rate * surprise_home
        defence[a] -= goals_rate * surprise_home
        attack[a] += goals_rate * surprise_away
        defence[h] -= goals_rate * surprise_away

    known = 0
    for i in range(count):
        horizon = seconds[i] - result_delay
        while known < i and seconds[known] <= horizon:
            if home_goals[known] >= 0:
                learn(known)
            known += 1
        h, a = home[i], away[i]
        # A newcomer starts at the level of the league it joins.
        if elo[h] == UNRATED:
            elo[h] = league_mean[league[i]]
        if elo[a] == UNRATED:
            elo[a] = league_mean[league[i]]
        elo_home[i], elo_away[i] = elo[h], elo[a]
        pi_home[i], pi_away[i] = pi_at_home[h], pi_on_road[a]
        log_home = MEAN_LOG_GOALS + HOME_LOG_GOALS + attack[h] - defence[a]
        log_away = MEAN_LOG_GOALS + attack[a] - defence[h]
        goals_home[i] = exp(min(log_home, 2.0))
        goals_away[i] = exp(min(log_away, 2.0))

    frame = pd.DataFrame(
        {
            "elo_home": elo_home,
            "elo_away": elo_away,
            "pi_home": pi_home,
            "pi_away": pi_away,
            "goals_expected_home": goals_home,
            "goals_expected_away": goals_away,
        },
        dtype="float64",
    )
    frame["elo_difference"] = frame["elo_home"] + advantage - frame["elo_away"]
    frame["pi_difference"] = frame["pi_home"] - frame["pi_away"]
    frame["goals_expected_difference"] = frame["goals_expected_home"] - frame["goals_expected_away"]
    return frame[list(RATING_COLUMNS)]


def _pi_goals(rating: float) -> float:
    """Goal difference that a pi-rating stands for against an average team."""
    size = 10.0 ** (abs(rating) / 3.0) - 1.0
    return size if rating >= 0 else -size
