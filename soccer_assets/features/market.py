"""What the market thought of a team, from the odds of its past matches: a Kalman filter.

Not made of results alone, so it is an option. Odds are freed of the bookmaker's margin (power method;
Clarke, Kovalchik & Ingram 2017, Am. J. Sports Sci. 5(6)) and become two numbers: how much likelier a
home win is than an away win, ``ln(p_home / p_away)``, and how likely a draw is beside them,
``ln(p_draw / sqrt(p_home p_away))``. The first is what the home team is stronger by, and the home
advantage; the second is the sum of what both teams are given to. Strength and bent for draws wander
with time and are observed with little noise, so the market's view of a match to come is known well
from its views of the matches before.
"""

from typing import NamedTuple

import numpy as np

from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.features.compiled import compiled
from soccer_assets.features.log import COMPETITION, TEAM, MatchLog
from soccer_assets.features.params import MarketParams
from soccer_assets.features.rating import State

# A team's row.
STRENGTH, VAR_STRENGTH, DRAWS, VAR_DRAWS, DAY, MATCHES = range(6)
# A competition's row.
ADVANTAGE, DRAW_LEVEL, MEAN_STRENGTH, PRICED = range(4)

YEAR_DAYS = 365.0
#: Matches from which on a competition's mean is where its newcomers start.
KNOWN_COMPETITION = 20


class _Settings(NamedTuple):
    volatility: float
    noise: float
    start_variance: float
    draws_volatility: float
    draws_noise: float
    draws_start_variance: float
    rate: float


class Market:
    """The market's view of a match, as its past views of both teams have it."""

    name = "market"
    columns = ("market_supremacy", "market_draws", "market_uncertainty")

    def __init__(self, params: MarketParams) -> None:
        self._settings = _Settings(
            params.volatility,
            params.noise,
            params.start_variance,
            params.draws_volatility,
            params.draws_noise,
            params.draws_start_variance,
            params.competition_rate,
        )
        team = np.zeros(6)
        team[VAR_STRENGTH], team[VAR_DRAWS] = params.start_variance, params.draws_start_variance
        self.fresh: State = {TEAM: team, COMPETITION: np.array([0.4, -0.25, 0.0, 0.0])}

    def walk(self, log: MatchLog, moments: IntArray, state: State, out: FloatArray) -> None:
        """See ``Rating``. NaN where of one of the teams no odds are known."""
        _walk(
            moments,
            log.home,
            log.away,
            log.competition,
            log.days,
            log.is_neutral,
            log.market_supremacy,
            log.market_draws,
            state[TEAM],
            state[COMPETITION],
            self._settings,
            out,
        )


@compiled
def _walk(
    moments: IntArray,
    home: IntArray,
    away: IntArray,
    competition: IntArray,
    days: FloatArray,
    is_neutral: FloatArray,
    supremacy: FloatArray,
    draws: FloatArray,
    teams: FloatArray,
    comps: FloatArray,
    s: _Settings,
    out: FloatArray,
) -> None:
    for moment in moments:
        i = moment if moment >= 0 else ~moment
        if moment < 0 and np.isnan(supremacy[i]):
            continue
        h, a, c, f = home[i], away[i], competition[i], 1.0 - is_neutral[i]
        strength_h, vs_h, draws_h, vd_h = _now(teams[h], comps, c, days[i], s)
        strength_a, vs_a, draws_a, vd_a = _now(teams[a], comps, c, days[i], s)
        expected = f * comps[c, ADVANTAGE] + strength_h - strength_a
        expected_draws = comps[c, DRAW_LEVEL] + draws_h + draws_a
        if moment >= 0:
            if teams[h, MATCHES] > 0.0 and teams[a, MATCHES] > 0.0:
                out[i, 0], out[i, 1], out[i, 2] = expected, expected_draws, vs_h + vs_a
            else:
                out[i, 0], out[i, 1], out[i, 2] = np.nan, np.nan, np.nan
            continue
        error = supremacy[i] - expected
        spread = s.noise + vs_h + vs_a
        teams[h, STRENGTH] = strength_h + vs_h / spread * error
        teams[a, STRENGTH] = strength_a - vs_a / spread * error
        teams[h, VAR_STRENGTH] = vs_h * (1.0 - vs_h / spread)
        teams[a, VAR_STRENGTH] = vs_a * (1.0 - vs_a / spread)
        draws_error = draws[i] - expected_draws
        draws_spread = s.draws_noise + vd_h + vd_a
        teams[h, DRAWS] = draws_h + vd_h / draws_spread * draws_error
        teams[a, DRAWS] = draws_a + vd_a / draws_spread * draws_error
        teams[h, VAR_DRAWS] = vd_h * (1.0 - vd_h / draws_spread)
        teams[a, VAR_DRAWS] = vd_a * (1.0 - vd_a / draws_spread)
        comps[c, PRICED] += 1.0
        step = max(s.rate, 1.0 / (comps[c, PRICED] + 15.0))
        comps[c, ADVANTAGE] += step * f * error
        comps[c, DRAW_LEVEL] += step * draws_error
        mean = 0.5 * (teams[h, STRENGTH] + teams[a, STRENGTH])
        comps[c, MEAN_STRENGTH] += max(0.01, 1.0 / (comps[c, PRICED] + 1.0)) * (
            mean - comps[c, MEAN_STRENGTH]
        )
        for team in (h, a):
            teams[team, DAY] = days[i]
            teams[team, MATCHES] += 1.0


@compiled
def _now(
    team: FloatArray, comps: FloatArray, c: int, day: float, s: _Settings
) -> tuple[float, float, float, float]:
    """Strength and bent for draws of a team as it comes to a match, each with its variance."""
    if team[MATCHES] == 0.0:
        start = comps[c, MEAN_STRENGTH] if comps[c, PRICED] > KNOWN_COMPETITION else 0.0
        return start, s.start_variance, 0.0, s.draws_start_variance
    years = max(day - team[DAY], 0.0) / YEAR_DAYS
    return (
        team[STRENGTH],
        min(team[VAR_STRENGTH] + s.volatility * years, s.start_variance),
        team[DRAWS],
        min(team[VAR_DRAWS] + s.draws_volatility * years, s.draws_start_variance),
    )
