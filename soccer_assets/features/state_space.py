"""Attack and defence of every team as hidden states that results tell of: an extended Kalman filter.

The model is the dynamic Poisson model of Koopman & Lit (2015, J. R. Stat. Soc. A 178(1), 167-186), the
filter the extended Kalman filter for counts of Fahrmeir (1992, J. Am. Stat. Assoc. 87(418), 501-509),
with independent states, which makes a result one cheap step. All competitions of a team move one
state, whose variance grows with time and shrinks with each result. The logarithms of the goals to be
expected, with f = 1, or 0 on neutral ground:

    home:  mu + f ha/2 + A_h - D_a + f H_h/2 + (L_h - L_a)
    away:  mu - f ha/2 + A_a - D_h - f H_h/2 - (L_h - L_a)

``A``, ``D``: a team's attack and defence; ``H``: what it has more of the home advantage than others;
``L``: the drift of the league it plays in, moved by matches between leagues alone; ``mu``, ``ha``: the
competition's level and home advantage.
"""

from math import exp, sqrt
from typing import NamedTuple

import numpy as np

from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.features.compiled import compiled
from soccer_assets.features.log import COMPETITION, TEAM, MatchLog
from soccer_assets.features.params import StrengthParams, StrengthVariant
from soccer_assets.features.rating import State

# A team's row. ``LEAGUE`` and ``LATEST`` are codes of competitions, -1 for none.
ATTACK, DEFENCE, HOME, VAR_ATTACK, VAR_DEFENCE, VAR_HOME = range(6)
LEAGUE, LATEST, DAY, MATCHES, FORM_FAST, FORM_SLOW = range(6, 12)
# A competition's row. The new are the teams that no competition has seen before.
LEVEL, ADVANTAGE, MEAN_ATTACK, MEAN_DEFENCE, NEW_ATTACK, NEW_DEFENCE = range(6)
DRIFT, PLAYED, STEADY = range(6, 9)

#: What a reading gives, in this order.
READ = (
    *(
        "log_rate_home",
        "log_rate_away",
        "attack_home",
        "defence_home",
        "attack_away",
        "defence_away",
    ),
    *("variance_home", "variance_away", "home_advantage", "level", "league_gap"),
    *("form_fast_home", "form_slow_home", "form_fast_away", "form_slow_away"),
    *("steady", "own_league_home", "own_league_away"),
)
# Log rates are kept within what goals can be told by.
LOWEST, HIGHEST = -2.5, 3.5
#: A competition is a league if more than this share of the teams that come to it came from it.
IS_LEAGUE = 0.4
#: Matches from which on a team belongs to the league it is in.
SETTLED = 3
#: Matches from which on a competition knows how its newcomers do.
KNOWN_COMPETITION = 20
YEAR_DAYS = 365.0


class _Settings(NamedTuple):
    """Of a filter: ``StrengthParams``, with what a variant has of its own."""

    volatility: float
    break_volatility: float
    break_days: float
    start_variance: float
    dispersion: float
    chances_dispersion: float
    home_variance: float
    home_variance_floor: float
    level_rate: float
    advantage_rate: float
    drift_rate: float
    newcomer_rate: float
    newcomer_matches: float
    mean_rate: float
    max_surprise: float
    max_goals: float
    form_fast: float
    form_slow: float


class StateSpace:
    """The filter, on goals or on chances."""

    def __init__(self, name: str, params: StrengthParams, variant: StrengthVariant) -> None:
        self.name = name
        self.columns = READ
        self._on = variant.told_by
        self._settings = _Settings(
            volatility=params.volatility * variant.volatility,
            break_volatility=params.break_volatility * variant.break_volatility,
            break_days=params.break_days,
            start_variance=params.start_variance,
            dispersion=params.dispersion,
            chances_dispersion=params.chances_dispersion,
            home_variance=params.home_variance,
            home_variance_floor=params.home_variance * params.home_variance_floor,
            level_rate=params.level_rate,
            advantage_rate=params.advantage_rate,
            drift_rate=params.drift_rate,
            newcomer_rate=params.newcomer_rate,
            newcomer_matches=params.newcomer_matches,
            mean_rate=params.mean_rate,
            max_surprise=variant.max_surprise,
            max_goals=variant.max_goals,
            form_fast=params.form_fast,
            form_slow=params.form_slow,
        )
        team = np.zeros(12)
        team[[VAR_ATTACK, VAR_DEFENCE]] = params.start_variance
        team[VAR_HOME] = params.home_variance
        team[[LEAGUE, LATEST]] = -1.0
        competition = np.zeros(9)
        competition[LEVEL], competition[ADVANTAGE] = params.start_level, params.start_advantage
        competition[NEW_ATTACK] = params.start_attack
        competition[NEW_DEFENCE] = params.start_defence
        self.fresh: State = {TEAM: team, COMPETITION: competition}

    def walk(self, log: MatchLog, moments: IntArray, state: State, out: FloatArray) -> None:
        """See ``Rating``."""
        of_goals = self._on == "goals"
        _walk(
            moments,
            log.home,
            log.away,
            log.competition,
            log.days,
            log.is_neutral,
            log.home_goals if of_goals else log.home_chances,
            log.away_goals if of_goals else log.away_chances,
            np.zeros(len(log)) if of_goals else log.has_statistics,
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
    home_goals: FloatArray,
    away_goals: FloatArray,
    is_blend: FloatArray,
    teams: FloatArray,
    comps: FloatArray,
    s: _Settings,
    out: FloatArray,
) -> None:
    for moment in moments:
        i = moment if moment >= 0 else ~moment
        h, a, c, f = home[i], away[i], competition[i], 1.0 - is_neutral[i]
        attack_h, defence_h, own_h, va_h, vd_h, vo_h, league_h = _now(
            teams[h], comps, c, days[i], s
        )
        attack_a, defence_a, own_a, va_a, vd_a, vo_a, league_a = _now(
            teams[a], comps, c, days[i], s
        )
        gap = comps[league_h, DRIFT] - comps[league_a, DRIFT]
        edge = 0.5 * f * (comps[c, ADVANTAGE] + own_h) + gap
        log_h = comps[c, LEVEL] + edge + attack_h - defence_a
        log_a = comps[c, LEVEL] - edge + attack_a - defence_h
        if moment >= 0:
            out[i, 0], out[i, 1] = log_h, log_a
            out[i, 2], out[i, 3], out[i, 4], out[i, 5] = attack_h, defence_h, attack_a, defence_a
            out[i, 6], out[i, 7] = va_h + vd_h, va_a + vd_a
            out[i, 8], out[i, 9], out[i, 10] = f * comps[c, ADVANTAGE], comps[c, LEVEL], gap
            out[i, 11], out[i, 12] = teams[h, FORM_FAST], teams[h, FORM_SLOW]
            out[i, 13], out[i, 14] = teams[a, FORM_FAST], teams[a, FORM_SLOW]
            out[i, 15] = comps[c, STEADY]
            out[i, 16] = 1.0 if league_h == c else 0.0
            out[i, 17] = 1.0 if league_a == c else 0.0
            continue
        rate_h = exp(min(HIGHEST, max(LOWEST, log_h)))
        rate_a = exp(min(HIGHEST, max(LOWEST, log_a)))
        goals_h, goals_a = min(home_goals[i], s.max_goals), min(away_goals[i], s.max_goals)
        surprise_h = min(s.max_surprise, (goals_h - rate_h) / rate_h)
        surprise_a = min(s.max_surprise, (goals_a - rate_a) / rate_a)
        vo = vo_h * f
        dispersion = s.chances_dispersion if is_blend[i] else s.dispersion
        spread_h = dispersion / rate_h + va_h + vd_a + 0.25 * vo
        spread_a = dispersion / rate_a + va_a + vd_h + 0.25 * vo
        news_h, news_a = surprise_h / spread_h, surprise_a / spread_a
        if teams[h, MATCHES] < s.newcomer_matches:
            comps[c, NEW_ATTACK] += s.newcomer_rate * va_h * news_h
            comps[c, NEW_DEFENCE] -= s.newcomer_rate * vd_h * news_a
        if teams[a, MATCHES] < s.newcomer_matches:
            comps[c, NEW_ATTACK] += s.newcomer_rate * va_a * news_a
            comps[c, NEW_DEFENCE] -= s.newcomer_rate * vd_a * news_h
        teams[h, ATTACK] = attack_h + va_h * news_h
        teams[h, DEFENCE] = defence_h - vd_h * news_a
        teams[h, HOME] = own_h + 0.5 * vo * (news_h - news_a)
        teams[h, VAR_ATTACK] = va_h * (1.0 - va_h / spread_h)
        teams[h, VAR_DEFENCE] = vd_h * (1.0 - vd_h / spread_a)
        teams[h, VAR_HOME] = max(
            s.home_variance_floor, vo_h * (1.0 - 0.25 * vo * (1.0 / spread_h + 1.0 / spread_a))
        )
        teams[a, ATTACK] = attack_a + va_a * news_a
        teams[a, DEFENCE] = defence_a - vd_a * news_h
        teams[a, HOME], teams[a, VAR_HOME] = own_a, vo_a
        teams[a, VAR_ATTACK] = va_a * (1.0 - va_a / spread_a)
        teams[a, VAR_DEFENCE] = vd_a * (1.0 - vd_a / spread_h)
        if league_h != league_a:
            drift = 0.5 * s.drift_rate * (news_h - news_a)
            comps[league_h, DRIFT] += drift
            comps[league_a, DRIFT] -= drift
        total = rate_h + rate_a
        better = (goals_h - goals_a - (rate_h - rate_a)) / sqrt(total)
        _go_on(teams[h], comps[c], c, league_h, days[i], better, s)
        _go_on(teams[a], comps[c], c, league_a, days[i], -better, s)
        comps[c, PLAYED] += 1.0
        step = 1.0 / (comps[c, PLAYED] + 15.0)
        comps[c, LEVEL] += max(s.level_rate, step) * (goals_h + goals_a - total) / total
        comps[c, ADVANTAGE] += (
            2.0 * max(s.advantage_rate, step) * f * (goals_h - goals_a - (rate_h - rate_a)) / total
        )
        step = max(s.mean_rate, 1.0 / (comps[c, PLAYED] + 1.0))
        attack = 0.5 * (teams[h, ATTACK] + teams[a, ATTACK])
        defence = 0.5 * (teams[h, DEFENCE] + teams[a, DEFENCE])
        comps[c, MEAN_ATTACK] += step * (attack - comps[c, MEAN_ATTACK])
        comps[c, MEAN_DEFENCE] += step * (defence - comps[c, MEAN_DEFENCE])


@compiled
def _now(
    team: FloatArray,
    comps: FloatArray,
    c: int,
    day: float,
    s: _Settings,
) -> tuple[float, float, float, float, float, float, int]:
    """A team as it comes to a match: attack, defence, own home advantage, their variances, league."""
    if team[MATCHES] == 0.0:
        known = 1.0 if comps[c, PLAYED] > KNOWN_COMPETITION else 0.0
        attack = comps[c, MEAN_ATTACK] + known * comps[c, NEW_ATTACK]
        defence = comps[c, MEAN_DEFENCE] + known * comps[c, NEW_DEFENCE]
        return attack, defence, 0.0, s.start_variance, s.start_variance, s.home_variance, c
    away = day - team[DAY]
    va, vd = team[VAR_ATTACK], team[VAR_DEFENCE]
    if away > 0.0:
        grown = s.volatility * min(away, YEAR_DAYS) / YEAR_DAYS
        if away > s.break_days:
            grown += s.break_volatility
        va, vd = min(va + grown, s.start_variance), min(vd + grown, s.start_variance)
    return team[ATTACK], team[DEFENCE], team[HOME], va, vd, team[VAR_HOME], int(team[LEAGUE])


@compiled
def _go_on(
    team: FloatArray,
    comp: FloatArray,
    c: int,
    league: int,
    day: float,
    better: float,
    s: _Settings,
) -> None:
    """What a team takes along from a match beside its strength."""
    came_from_it = 1.0 if team[LATEST] == c else 0.0
    comp[STEADY] += 0.5 * max(0.01, 1.0 / (comp[PLAYED] + 5.0)) * (came_from_it - comp[STEADY])
    team[LATEST] = c
    team[LEAGUE] = c if comp[STEADY] > IS_LEAGUE and team[MATCHES] >= SETTLED else league
    team[DAY] = day if team[MATCHES] == 0.0 else max(team[DAY], day)
    team[MATCHES] += 1.0
    better = min(3.0, max(-3.0, better))
    team[FORM_FAST] += s.form_fast * (better - team[FORM_FAST])
    team[FORM_SLOW] += s.form_slow * (better - team[FORM_SLOW])
