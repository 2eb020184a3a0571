"""Attack and defence of every team as hidden states that results tell of: an extended Kalman filter.

The model is the dynamic Poisson model of Koopman & Lit (2015, J. R. Stat. Soc. A 178(1), 167-186), the
filter the extended Kalman filter for counts of Fahrmeir (1992, J. Am. Stat. Assoc. 87(418), 501-509),
one measurement after the other: the home team's goals, then those of the away team. All competitions
of a team move one state, whose variance grows with time and shrinks with each result. The logarithms
of the goals to be expected, with f = 1, or 0 on neutral ground:

    home:  mu + f ha/2 + A_h - D_a + f H_h/2 + (L_h - L_a)
    away:  mu - f ha/2 + A_a - D_h - f H_h/2 - (L_h - L_a)

``A``, ``D``: a team's attack and defence against the level ``L`` of the league it plays in; ``H``: what
it has more of the home advantage than others; ``mu``, ``ha``: the competition's level and home
advantage. The states of the teams of one league and its level have one covariance (``blocks``): a
result tells of whoever they have played, and a match between leagues moves a whole league, by as much
as is not known of it.
"""

from math import exp, sqrt
from typing import NamedTuple

import numpy as np

from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.features import blocks
from soccer_assets.features.blocks import along, attack_in, covariance, grown
from soccer_assets.features.compiled import compiled
from soccer_assets.features.log import COMPETITION, TEAM, MatchLog
from soccer_assets.features.params import StrengthParams, StrengthVariant
from soccer_assets.features.rating import State

# A team's row. ``LEAGUE`` and ``LATEST`` are codes of competitions, -1 for none. ``SLOT`` is its place in
# the block of its league, -1 for none; of a team without one, the states beside it are here, with the
# league's level in them.
HOME, VAR_HOME, LEAGUE, LATEST, DAY, MATCHES, FORM_FAST, FORM_SLOW = range(8)
SLOT, ATTACK, DEFENCE, VAR_ATTACK, VAR_DEFENCE, BETWEEN = range(8, 14)
# A competition's row. The new are the teams that no competition has seen before.
LEVEL, ADVANTAGE, MEAN_ATTACK, MEAN_DEFENCE, NEW_ATTACK, NEW_DEFENCE, PLAYED, STEADY = range(8)
#: Of each competition, what ``blocks`` has of a league.
SLOTS, MEANS, COVARIANCE = (f"{COMPETITION}: {name}" for name in ("slots", "means", "covariance"))

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
    *("variance_home", "variance_away", "variance", "home_advantage", "level", "league_gap"),
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
    league_volatility: float
    forgotten_days: float
    newcomer_rate: float
    newcomer_matches: float
    mean_rate: float
    max_surprise: float
    max_goals: float
    form_fast: float
    form_slow: float


class _Known(NamedTuple):
    """All that the filter knows: a row for each team, and of each competition."""

    teams: FloatArray
    comps: FloatArray
    slots: FloatArray
    means: FloatArray
    cov: FloatArray
    """(competitions, STATES, STATES)"""


class _Side(NamedTuple):
    """A team as it comes to a match."""

    attack: float
    """Against the level of its league."""
    defence: float
    level: float
    """Of its league."""
    var_attack: float
    var_defence: float
    between: float
    """Covariance of attack and defence."""
    league: int


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
            league_volatility=params.league_volatility,
            forgotten_days=params.forgotten_days,
            newcomer_rate=params.newcomer_rate,
            newcomer_matches=params.newcomer_matches,
            mean_rate=params.mean_rate,
            max_surprise=variant.max_surprise,
            max_goals=variant.max_goals,
            form_fast=params.form_fast,
            form_slow=params.form_slow,
        )
        team = np.zeros(14)
        team[VAR_HOME] = params.home_variance
        team[[LEAGUE, LATEST, SLOT]] = -1.0
        competition = np.zeros(8)
        competition[LEVEL], competition[ADVANTAGE] = params.start_level, params.start_advantage
        competition[NEW_ATTACK] = params.start_attack
        competition[NEW_DEFENCE] = params.start_defence
        slots = np.zeros(blocks.SLOTS_WIDTH)
        slots[blocks.LEVEL_DAY] = blocks.NEVER
        cov = np.zeros(blocks.STATES**2)
        cov[0] = params.league_variance
        self.fresh: State = {
            TEAM: team,
            COMPETITION: competition,
            SLOTS: slots,
            MEANS: np.zeros(blocks.STATES),
            COVARIANCE: cov,
        }

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
            _Known(
                state[TEAM],
                state[COMPETITION],
                state[SLOTS],
                state[MEANS],
                state[COVARIANCE].reshape(-1, blocks.STATES, blocks.STATES),
            ),
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
    known: _Known,
    s: _Settings,
    out: FloatArray,
) -> None:
    told_h, told_a = np.empty(blocks.STATES), np.empty(blocks.STATES)
    for moment in moments:
        i = moment if moment >= 0 else ~moment
        h, a, c, f = home[i], away[i], competition[i], 1.0 - is_neutral[i]
        if moment >= 0:
            _read(h, a, c, days[i], f, known, s, out[i])
        else:
            goals_h, goals_a = min(home_goals[i], s.max_goals), min(away_goals[i], s.max_goals)
            dispersion = s.chances_dispersion if is_blend[i] else s.dispersion
            _learn(h, a, c, days[i], f, goals_h, goals_a, dispersion, known, s, told_h, told_a)


@compiled
def _read(
    h: int,
    a: int,
    c: int,
    day: float,
    f: float,
    known: _Known,
    s: _Settings,
    out: FloatArray,
) -> None:
    team_h, team_a, comp = known.teams[h], known.teams[a], known.comps[c]
    one, other = _now(team_h, c, day, known, s), _now(team_a, c, day, known, s)
    gap = one.level - other.level
    edge = 0.5 * f * (comp[ADVANTAGE] + team_h[HOME]) + gap
    out[0] = comp[LEVEL] + edge + one.attack - other.defence
    out[1] = comp[LEVEL] - edge + other.attack - one.defence
    out[2], out[3], out[4], out[5] = one.attack, one.defence, other.attack, other.defence
    out[6] = one.var_attack + one.var_defence + 2.0 * one.between
    out[7] = other.var_attack + other.var_defence + 2.0 * other.between
    shared = 0.0
    if one.league == other.league and team_h[SLOT] >= 0.0 and team_a[SLOT] >= 0.0:
        own, its = attack_in(int(team_h[SLOT])), attack_in(int(team_a[SLOT]))
        for i in (own, own + 1):
            for j in (its, its + 1):
                shared += covariance(known.cov[one.league], i, j)
    out[8] = out[6] + out[7] - 2.0 * shared
    out[9], out[10], out[11] = f * comp[ADVANTAGE], comp[LEVEL], gap
    out[12], out[13] = team_h[FORM_FAST], team_h[FORM_SLOW]
    out[14], out[15] = team_a[FORM_FAST], team_a[FORM_SLOW]
    out[16] = comp[STEADY]
    out[17] = 1.0 if one.league == c else 0.0
    out[18] = 1.0 if other.league == c else 0.0


@compiled
def _learn(
    h: int,
    a: int,
    c: int,
    day: float,
    f: float,
    goals_h: float,
    goals_a: float,
    dispersion: float,
    known: _Known,
    s: _Settings,
    told_h: FloatArray,
    told_a: FloatArray,
) -> None:
    team_h, team_a, comp = known.teams[h], known.teams[a], known.comps[c]
    b = _admit(h, c, day, -1, known, s)
    spared = int(team_h[SLOT]) if _league(team_a, c) == b else -1
    d = _admit(a, c, day, spared, known, s)
    attack_h, attack_a = attack_in(int(team_h[SLOT])), attack_in(int(team_a[SLOT]))
    defence_h, defence_a = attack_h + 1, attack_a + 1
    own, its = known.means[b], known.means[d]
    before_h = own[attack_h], own[defence_h]
    before_a = its[attack_a], its[defence_a]
    var_home = team_h[VAR_HOME] * f
    if b != d:
        _let_wander(b, day, known, s)
        _let_wander(d, day, known, s)

    edge = 0.5 * f * (comp[ADVANTAGE] + team_h[HOME])
    gap = own[blocks.LEVEL] - its[blocks.LEVEL]
    rate_h = _rate(comp[LEVEL] + edge + gap + own[attack_h] - its[defence_a])
    rate_a = _rate(comp[LEVEL] - edge - gap + its[attack_a] - own[defence_h])
    news_h, spread_h = _score(
        b, attack_h, d, defence_a, rate_h, goals_h, dispersion, var_home, known, s, told_h, told_a
    )
    edge += 0.25 * var_home * news_h
    gap = own[blocks.LEVEL] - its[blocks.LEVEL]
    later_a = _rate(comp[LEVEL] - edge - gap + its[attack_a] - own[defence_h])
    news_a, spread_a = _score(
        d, attack_a, b, defence_h, later_a, goals_a, dispersion, var_home, known, s, told_a, told_h
    )

    team_h[HOME] += 0.5 * var_home * (news_h - news_a)
    team_h[VAR_HOME] = max(
        s.home_variance_floor,
        team_h[VAR_HOME] * (1.0 - 0.25 * var_home * (1.0 / spread_h + 1.0 / spread_a)),
    )
    if team_h[MATCHES] < s.newcomer_matches:
        comp[NEW_ATTACK] += s.newcomer_rate * (own[attack_h] - before_h[0])
        comp[NEW_DEFENCE] += s.newcomer_rate * (own[defence_h] - before_h[1])
    if team_a[MATCHES] < s.newcomer_matches:
        comp[NEW_ATTACK] += s.newcomer_rate * (its[attack_a] - before_a[0])
        comp[NEW_DEFENCE] += s.newcomer_rate * (its[defence_a] - before_a[1])
    attack = 0.5 * (own[attack_h] + its[attack_a])
    defence = 0.5 * (own[defence_h] + its[defence_a])
    total = rate_h + rate_a
    better = goals_h - goals_a - (rate_h - rate_a)
    _go_on(h, c, day, better / sqrt(total), known, s)
    _go_on(a, c, day, -better / sqrt(total), known, s)
    comp[PLAYED] += 1.0
    step = 1.0 / (comp[PLAYED] + 15.0)
    comp[LEVEL] += max(s.level_rate, step) * (goals_h + goals_a - total) / total
    comp[ADVANTAGE] += 2.0 * max(s.advantage_rate, step) * f * better / total
    step = max(s.mean_rate, 1.0 / (comp[PLAYED] + 1.0))
    comp[MEAN_ATTACK] += step * (attack - comp[MEAN_ATTACK])
    comp[MEAN_DEFENCE] += step * (defence - comp[MEAN_DEFENCE])


@compiled
def _score(
    b: int,
    attack: int,
    d: int,
    defence: int,
    rate: float,
    goals: float,
    dispersion: float,
    var_home: float,
    known: _Known,
    s: _Settings,
    told_b: FloatArray,
    told_d: FloatArray,
) -> tuple[float, float]:
    """Learn from the goals of one team, whose attack is a state of block ``b``, against another's
    defence in block ``d``; the news and their spread."""
    spread = dispersion / rate + 0.25 * var_home
    cov, n = known.cov[b], _states(known.slots[b])
    if b == d:
        along(cov, n, attack, defence, -1.0, told_b)
        spread += told_b[attack] - told_b[defence]
    else:
        along(cov, n, attack, blocks.LEVEL, 1.0, told_b)
        along(known.cov[d], _states(known.slots[d]), defence, blocks.LEVEL, 1.0, told_d)
        spread += told_b[attack] + told_b[blocks.LEVEL]
        spread += told_d[defence] + told_d[blocks.LEVEL]
    news = min(s.max_surprise, (goals - rate) / rate) / spread
    blocks.learn(known.means[b], cov, n, told_b, spread, news)
    if b != d:
        m = _states(known.slots[d])
        blocks.learn(known.means[d], known.cov[d], m, told_d, spread, -news)
    return news, spread


@compiled
def _rate(log_rate: float) -> float:
    return exp(min(HIGHEST, max(LOWEST, log_rate)))


@compiled
def _states(slots: FloatArray) -> int:
    return attack_in(int(slots[blocks.USED]))


@compiled
def _league(team: FloatArray, c: int) -> int:
    """Where a team belongs; one that is new, to the competition of its first match."""
    return int(team[LEAGUE]) if team[MATCHES] > 0.0 else c


@compiled
def _growth(team: FloatArray, day: float, s: _Settings) -> float:
    """By how much each variance of a team has grown since its last match."""
    away = day - team[DAY]
    if team[MATCHES] == 0.0 or away <= 0.0:
        return 0.0
    by = s.volatility * min(away, YEAR_DAYS) / YEAR_DAYS
    return by + s.break_volatility if away > s.break_days else by


@compiled
def _start(comp: FloatArray) -> tuple[float, float]:
    """Attack and defence of a team that is new to all competitions."""
    known = 1.0 if comp[PLAYED] > KNOWN_COMPETITION else 0.0
    return (
        comp[MEAN_ATTACK] + known * comp[NEW_ATTACK],
        comp[MEAN_DEFENCE] + known * comp[NEW_DEFENCE],
    )


@compiled
def _now(team: FloatArray, c: int, day: float, known: _Known, s: _Settings) -> _Side:
    """A team as it comes to a match; nothing is changed."""
    league = _league(team, c)
    level = known.means[league, blocks.LEVEL]
    if team[MATCHES] == 0.0:
        attack, defence = _start(known.comps[c])
        return _Side(attack, defence, level, s.start_variance, s.start_variance, 0.0, league)
    if team[SLOT] < 0.0:
        attack, defence = team[ATTACK] - level, team[DEFENCE] - level
        va, vd, between = team[VAR_ATTACK], team[VAR_DEFENCE], team[BETWEEN]
    else:
        k = attack_in(int(team[SLOT]))
        cov = known.cov[league]
        attack, defence = known.means[league, k], known.means[league, k + 1]
        va, vd, between = cov[k, k], cov[k + 1, k + 1], cov[k + 1, k]
    by = _growth(team, day, s)
    va, vd = grown(va, by, s.start_variance), grown(vd, by, s.start_variance)
    return _Side(attack, defence, level, va, vd, between, league)


@compiled
def _admit(t: int, c: int, day: float, spared: int, known: _Known, s: _Settings) -> int:
    """Have a team in the block of its league, as it comes to a match; returns the league."""
    team = known.teams[t]
    league = _league(team, c)
    slots, means, cov = known.slots[league], known.means[league], known.cov[league]
    if team[SLOT] < 0.0:
        slot = blocks.slot_for(slots, day, s.forgotten_days, spared)
        if slots[blocks.TAKEN + slot] > 0.0:
            _leave(int(slots[blocks.OWNERS + slot]), known)
        if team[MATCHES] == 0.0:
            attack, defence = _start(known.comps[c])
            blocks.place(means, cov, slot, attack, defence, s.start_variance, s.start_variance, 0.0)
        else:
            level = means[blocks.LEVEL]
            blocks.place(
                means,
                cov,
                slot,
                team[ATTACK] - level,
                team[DEFENCE] - level,
                team[VAR_ATTACK],
                team[VAR_DEFENCE],
                team[BETWEEN],
            )
        slots[blocks.OWNERS + slot] = t
        slots[blocks.TAKEN + slot] = 1.0
        team[SLOT] = slot
    slot = int(team[SLOT])
    by = _growth(team, day, s)
    for state in (attack_in(slot), attack_in(slot) + 1):
        cov[state, state] = grown(cov[state, state], by, s.start_variance)
    slots[blocks.SEEN + slot] = day
    return league


@compiled
def _leave(t: int, known: _Known) -> None:
    """Take a team out of its block; what is known of it alone goes with it."""
    team = known.teams[t]
    league, slot = int(team[LEAGUE]), int(team[SLOT])
    k, means, cov = attack_in(slot), known.means[league], known.cov[league]
    team[ATTACK] = means[k] + means[blocks.LEVEL]
    team[DEFENCE] = means[k + 1] + means[blocks.LEVEL]
    team[VAR_ATTACK], team[VAR_DEFENCE] = cov[k, k], cov[k + 1, k + 1]
    team[BETWEEN] = cov[k + 1, k]
    blocks.place(means, cov, slot, 0.0, 0.0, 0.0, 0.0, 0.0)
    team[SLOT] = -1.0
    known.slots[league, blocks.TAKEN + slot] = 0.0


@compiled
def _let_wander(league: int, day: float, known: _Known, s: _Settings) -> None:
    """Let the variance of a league's level grow since it was measured last."""
    latest = known.slots[league, blocks.LEVEL_DAY]
    if day > latest:
        away = min(day - latest, YEAR_DAYS)
        known.cov[league, blocks.LEVEL, blocks.LEVEL] += s.league_volatility * away / YEAR_DAYS
        known.slots[league, blocks.LEVEL_DAY] = day


@compiled
def _go_on(t: int, c: int, day: float, better: float, known: _Known, s: _Settings) -> None:
    """What a team takes along from a match beside its strength."""
    team, comp = known.teams[t], known.comps[c]
    came_from_it = 1.0 if team[LATEST] == c else 0.0
    comp[STEADY] += 0.5 * max(0.01, 1.0 / (comp[PLAYED] + 5.0)) * (came_from_it - comp[STEADY])
    before = _league(team, c)
    league = c if comp[STEADY] > IS_LEAGUE and team[MATCHES] >= SETTLED else before
    if league != before:
        _leave(t, known)
    team[LEAGUE], team[LATEST] = league, c
    team[DAY] = day if team[MATCHES] == 0.0 else max(team[DAY], day)
    team[MATCHES] += 1.0
    better = min(3.0, max(-3.0, better))
    team[FORM_FAST] += s.form_fast * (better - team[FORM_FAST])
    team[FORM_SLOW] += s.form_slow * (better - team[FORM_SLOW])
