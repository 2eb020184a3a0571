"""Team ratings before each match, in one pass over time.

Three systems: Elo with a margin of victory (World Football Elo), the pi-rating (Constantinou &
Fenton 2013, J. Quant. Anal. Sports 9(1)) and online attack/defence strengths of a Poisson goals
model. A match reads the ratings as they stand at its kick-off: only results that became known
before it have moved them.
"""

from dataclasses import dataclass
from math import exp, log10

import numpy as np
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


def rate(log: MatchLog, params: RatingParams, result_delay: int) -> pd.DataFrame:
    """Ratings of both teams at each kick-off, columns RATING_COLUMNS, float64, in ``log``'s order.

    Args:
        log: matches sorted by kick-off.
        params: learning rates and the home advantage.
        result_delay: seconds after kick-off when a result is known; above zero.
    """
    # Plain lists: element access in a Python loop is several times faster than on arrays.
    matches = _Matches(
        moments=_moments(log, result_delay),
        home=log.home.tolist(),
        away=log.away.tolist(),
        league=log.league.tolist(),
        home_goals=log.home_goals.tolist(),
        away_goals=log.away_goals.tolist(),
        teams=int(max(log.home.max(initial=-1), log.away.max(initial=-1))) + 1,
        leagues=int(log.league.max(initial=-1)) + 1,
    )
    frame = pd.DataFrame(index=range(len(log.seconds)), dtype="float64")
    frame["elo_home"], frame["elo_away"] = _elo(matches, params)
    frame["pi_home"], frame["pi_away"] = _pi(matches, params)
    frame["goals_expected_home"], frame["goals_expected_away"] = _goals(matches, params)
    frame["elo_difference"] = frame["elo_home"] + params.elo_home_advantage - frame["elo_away"]
    frame["pi_difference"] = frame["pi_home"] - frame["pi_away"]
    frame["goals_expected_difference"] = frame["goals_expected_home"] - frame["goals_expected_away"]
    return frame[list(RATING_COLUMNS)]


@dataclass(frozen=True)
class _Matches:
    """A ``MatchLog`` as lists; ``moments`` is the walk through time that every system takes."""

    moments: list[int]
    home: list[int]
    away: list[int]
    league: list[int]
    home_goals: list[int]
    away_goals: list[int]
    teams: int
    leagues: int

    def blank(self) -> tuple[list[float], list[float]]:
        """A number for each match, of the home and of the away team."""
        return [0.0] * len(self.home), [0.0] * len(self.home)


def _moments(log: MatchLog, result_delay: int) -> list[int]:
    """What happens, in order: ``i`` is the kick-off of match ``i``, when its ratings are read;
    ``~i`` is when its result has become known, and is learnt from."""
    kickoffs = np.arange(len(log.seconds))
    results = np.flatnonzero(log.played)
    # A result is learnt just before the first match that kicks off when it is known.
    before = np.searchsorted(log.seconds, log.seconds[results] + result_delay)
    results, before = results[before < len(kickoffs)], before[before < len(kickoffs)]
    order = np.argsort(np.concatenate([2 * before, 2 * kickoffs + 1]), kind="stable")
    moments: list[int] = np.concatenate([~results, kickoffs])[order].tolist()
    return moments


def _elo(matches: _Matches, params: RatingParams) -> tuple[list[float], list[float]]:
    """Elo; a newcomer starts at the level of the league it joins."""
    home, away, league = matches.home, matches.away, matches.league
    home_goals, away_goals = matches.home_goals, matches.away_goals
    advantage, k = params.elo_home_advantage, params.elo_k
    elo = [UNRATED] * matches.teams
    league_mean = [ELO_START] * matches.leagues
    at_home, on_road = matches.blank()
    for i in matches.moments:
        if i >= 0:
            h, a = home[i], away[i]
            if elo[h] == UNRATED:
                elo[h] = league_mean[league[i]]
            if elo[a] == UNRATED:
                elo[a] = league_mean[league[i]]
            at_home[i], on_road[i] = elo[h], elo[a]
            continue
        i = ~i
        h, a = home[i], away[i]
        margin = home_goals[i] - away_goals[i]
        gap = at_home[i] + advantage - on_road[i]
        expected = 1.0 / (1.0 + 10.0 ** (-gap / 400.0))
        score = 1.0 if margin > 0 else 0.5 if margin == 0 else 0.0
        step = k * _margin_factor(abs(margin)) * (score - expected)
        elo[h] += step
        elo[a] -= step
        mean = league_mean[league[i]]
        pair = (elo[h] + elo[a]) / 2.0
        league_mean[league[i]] = mean + LEAGUE_MEAN_STEP * (pair - mean)
    return at_home, on_road


def _margin_factor(margin: int) -> float:
    """World Football Elo: 1, 1.5, 1.75, then an eighth a goal."""
    if margin <= 1:
        return 1.0
    return 1.5 if margin == 2 else (11.0 + margin) / 8.0


def _pi(matches: _Matches, params: RatingParams) -> tuple[list[float], list[float]]:
    """The pi-rating: one rating at home and one on the road."""
    home, away = matches.home, matches.away
    home_goals, away_goals = matches.home_goals, matches.away_goals
    rate, transfer = params.pi_learning_rate, params.pi_venue_transfer
    at_home, on_road = [0.0] * matches.teams, [0.0] * matches.teams
    read_home, read_away = matches.blank()
    for i in matches.moments:
        if i >= 0:
            read_home[i], read_away[i] = at_home[home[i]], on_road[away[i]]
            continue
        i = ~i
        h, a = home[i], away[i]
        margin = home_goals[i] - away_goals[i]
        error = margin - (_pi_goals(read_home[i]) - _pi_goals(read_away[i]))
        size = 3.0 * log10(1.0 + abs(error)) * rate
        move = size if error > 0 else -size
        at_home[h] += move
        on_road[h] += move * transfer
        on_road[a] -= move
        at_home[a] -= move * transfer
    return read_home, read_away


def _pi_goals(rating: float) -> float:
    """Goal difference that a pi-rating stands for against an average team."""
    size = 10.0 ** (abs(rating) / 3.0) - 1.0
    return size if rating >= 0 else -size


def _goals(matches: _Matches, params: RatingParams) -> tuple[list[float], list[float]]:
    """Expected goals by attack and defence, moved along the Poisson log-likelihood's gradient."""
    home, away = matches.home, matches.away
    home_goals, away_goals = matches.home_goals, matches.away_goals
    rate = params.goals_learning_rate
    attack, defence = [0.0] * matches.teams, [0.0] * matches.teams
    expected_home, expected_away = matches.blank()
    for i in matches.moments:
        if i >= 0:
            h, a = home[i], away[i]
            log_home = MEAN_LOG_GOALS + HOME_LOG_GOALS + attack[h] - defence[a]
            log_away = MEAN_LOG_GOALS + attack[a] - defence[h]
            expected_home[i] = exp(min(log_home, 2.0))
            expected_away[i] = exp(min(log_away, 2.0))
            continue
        i = ~i
        h, a = home[i], away[i]
        # Goals are capped so that routs do not dominate.
        surprise_home = min(home_goals[i], 6) - expected_home[i]
        surprise_away = min(away_goals[i], 6) - expected_away[i]
        attack[h] += rate * surprise_home
        defence[a] -= rate * surprise_home
        attack[a] += rate * surprise_away
        defence[h] -= rate * surprise_away
    return expected_home, expected_away
