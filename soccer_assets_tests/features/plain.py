"""Every feature from its definition: of each match by itself, from what was known before it.

Slow, with dictionaries, and written apart from the compiled loops: for each match, all results that
were known at its kick-off are gone through from the first, in the order in which they became known.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from math import exp, log, log10, sqrt

from soccer_assets.features.params import FeatureParams, StrengthVariant
from soccer_assets_tests.features.matches import START, Row, in_order

DAY = 86_400
EPOCH = int(START.timestamp())


def plain_features(rows: list[Row], row: Row, params: FeatureParams) -> dict[str, float]:
    """The features of one match of ``rows``; NaN where there is none."""
    known = known_at(rows, row, params)
    found: dict[str, float] = {}
    found |= elo(known, row, params)
    found |= pi(known, row, params)
    for name, variant in params.strength.variants.items():
        found |= strength(known, row, params, name, variant)
    found |= table(known, row)
    found |= league(known, row, params)
    if params.market.is_used:
        found |= market(known, row, params)
    found["women"] = float(row.tournament_id % 2)
    found["neutral_ground"] = float(bool(row.is_neutral))
    return found


def known_at(rows: list[Row], row: Row, params: FeatureParams) -> list[Row]:
    """Results in the order in which they became known; at one moment in that of kick-off and id."""
    delay = params.result_delay_minutes * 60
    return [one for one in in_order(rows) if one.score and one.seconds + delay <= row.seconds]


def elo(known: list[Row], row: Row, params: FeatureParams) -> dict[str, float]:
    points: dict[int, float] = {}
    level: dict[int, float] = defaultdict(lambda: 1500.0)
    advantage = params.ratings.elo_home_advantage
    for one in known:
        assert one.score
        home = points.get(one.home, level[one.tournament_id])
        away = points.get(one.away, level[one.tournament_id])
        margin = one.score[0] - one.score[1]
        won = (margin > 0) + 0.5 * (margin == 0)
        expected = 1 / (1 + 10 ** (-(home + advantage - away) / 400))
        weight = {0: 1.0, 1: 1.0, 2: 1.5}.get(abs(margin), (11 + abs(margin)) / 8)
        moved = params.ratings.elo_k * weight * (won - expected)
        points[one.home], points[one.away] = home + moved, away - moved
        level[one.tournament_id] += 0.02 * ((home + away) / 2 - level[one.tournament_id])
    home = points.get(row.home, level[row.tournament_id])
    away = points.get(row.away, level[row.tournament_id])
    return {"elo_home": home, "elo_away": away, "elo_difference": home + advantage - away}


def pi(known: list[Row], row: Row, params: FeatureParams) -> dict[str, float]:
    at_home: dict[int, float] = defaultdict(float)
    on_road: dict[int, float] = defaultdict(float)
    for one in known:
        assert one.score
        expected = _pi_goals(at_home[one.home]) - _pi_goals(on_road[one.away])
        error = one.score[0] - one.score[1] - expected
        moved = 3 * log10(1 + abs(error)) * params.ratings.pi_learning_rate
        moved = moved if error > 0 else -moved
        at_home[one.home] += moved
        on_road[one.home] += params.ratings.pi_venue_transfer * moved
        on_road[one.away] -= moved
        at_home[one.away] -= params.ratings.pi_venue_transfer * moved
    home, away = at_home[row.home], on_road[row.away]
    return {"pi_home": home, "pi_away": away, "pi_difference": home - away}


def _pi_goals(rating: float) -> float:
    goals = 10 ** (abs(rating) / 3) - 1
    return goals if rating >= 0 else -goals


@dataclass
class Team:
    attack: float
    defence: float
    league: int
    attack_variance: float
    defence_variance: float
    home_variance: float
    home: float = 0.0
    latest: int | None = None
    day: float = 0.0
    matches: int = 0
    form: dict[str, float] = field(default_factory=lambda: {"fast": 0.0, "slow": 0.0})


@dataclass
class Competition:
    level: float
    advantage: float
    new_attack: float
    new_defence: float
    attack: float = 0.0
    defence: float = 0.0
    drift: float = 0.0
    played: int = 0
    steady: float = 0.0


class Filter:
    """One variant of the state-space filter."""

    def __init__(self, params: FeatureParams, variant: StrengthVariant) -> None:
        self.params, self.variant = params, variant
        self.p = params.strength
        self.teams: dict[int, Team] = {}
        self.competitions: dict[int, Competition] = defaultdict(
            lambda: Competition(
                self.p.start_level,
                self.p.start_advantage,
                self.p.start_attack,
                self.p.start_defence,
            )
        )

    def coming(self, team: int, row: Row) -> Team:
        """A team as it comes to a match, its variances grown by the time since its last one."""
        there = self.teams.get(team)
        competition = self.competitions[row.tournament_id]
        if there is None:
            is_known = competition.played > 20
            return Team(
                competition.attack + is_known * competition.new_attack,
                competition.defence + is_known * competition.new_defence,
                row.tournament_id,
                self.p.start_variance,
                self.p.start_variance,
                self.p.home_variance,
            )
        away = (row.seconds + EPOCH) / DAY - there.day
        grown = 0.0
        if away > 0:
            grown = self.p.volatility * self.variant.volatility * min(away, 365) / 365
            if away > self.p.break_days:
                grown += self.p.break_volatility * self.variant.break_volatility
        return Team(
            there.attack,
            there.defence,
            there.league,
            min(there.attack_variance + grown, self.p.start_variance),
            min(there.defence_variance + grown, self.p.start_variance),
            there.home_variance,
            there.home,
            there.latest,
            there.day,
            there.matches,
            dict(there.form),
        )

    def log_rates(self, row: Row, home: Team, away: Team) -> tuple[float, float]:
        competition = self.competitions[row.tournament_id]
        here = 0.0 if row.is_neutral else 1.0
        edge = here * (competition.advantage + home.home) / 2 + self.gap(home, away)
        return (
            competition.level + edge + home.attack - away.defence,
            competition.level - edge + away.attack - home.defence,
        )

    def gap(self, home: Team, away: Team) -> float:
        return self.competitions[home.league].drift - self.competitions[away.league].drift

    def learn(self, row: Row) -> None:
        home, away = self.coming(row.home, row), self.coming(row.away, row)
        competition = self.competitions[row.tournament_id]
        here = 0.0 if row.is_neutral else 1.0
        rates = [exp(min(3.5, max(-2.5, rate))) for rate in self.log_rates(row, home, away)]
        told, dispersion = self.told(row)
        told = [min(goals, self.variant.max_goals) for goals in told]
        surprises = [
            min(self.variant.max_surprise, (goals - rate) / rate)
            for goals, rate in zip(told, rates, strict=True)
        ]
        of_home = home.home_variance * here
        spreads = [
            dispersion / rates[0] + home.attack_variance + away.defence_variance + of_home / 4,
            dispersion / rates[1] + away.attack_variance + home.defence_variance + of_home / 4,
        ]
        news = [surprise / spread for surprise, spread in zip(surprises, spreads, strict=True)]
        for team, own, other in ((home, 0, 1), (away, 1, 0)):
            if team.matches < self.p.newcomer_matches:
                rate = self.p.newcomer_rate
                competition.new_attack += rate * team.attack_variance * news[own]
                competition.new_defence -= rate * team.defence_variance * news[other]
            team.attack += team.attack_variance * news[own]
            team.defence -= team.defence_variance * news[other]
            team.attack_variance *= 1 - team.attack_variance / spreads[own]
            team.defence_variance *= 1 - team.defence_variance / spreads[other]
        home.home += of_home / 2 * (news[0] - news[1])
        home.home_variance = max(
            self.p.home_variance * self.p.home_variance_floor,
            home.home_variance * (1 - of_home / 4 * (1 / spreads[0] + 1 / spreads[1])),
        )
        if home.league != away.league:
            drift = self.p.drift_rate * (news[0] - news[1]) / 2
            self.competitions[home.league].drift += drift
            self.competitions[away.league].drift -= drift
        total, better = sum(rates), told[0] - told[1] - (rates[0] - rates[1])
        for team, sign in ((home, 1), (away, -1)):
            came = team.latest == row.tournament_id
            rate = 0.5 * max(0.01, 1 / (competition.played + 5))
            competition.steady += rate * (came - competition.steady)
            team.latest = row.tournament_id
            if competition.steady > 0.4 and team.matches >= 3:
                team.league = row.tournament_id
            day = (row.seconds + EPOCH) / DAY
            team.day = max(team.day, day) if team.matches else day
            team.matches += 1
            by = min(3.0, max(-3.0, sign * better / sqrt(total)))
            team.form["fast"] += self.p.form_fast * (by - team.form["fast"])
            team.form["slow"] += self.p.form_slow * (by - team.form["slow"])
        competition.played += 1
        least = 1 / (competition.played + 15)
        competition.level += max(self.p.level_rate, least) * (sum(told) - total) / total
        competition.advantage += 2 * max(self.p.advantage_rate, least) * here * better / total
        rate = max(self.p.mean_rate, 1 / (competition.played + 1))
        competition.attack += rate * ((home.attack + away.attack) / 2 - competition.attack)
        competition.defence += rate * ((home.defence + away.defence) / 2 - competition.defence)
        self.teams[row.home], self.teams[row.away] = home, away

    def told(self, row: Row) -> tuple[list[float], float]:
        """Goals, or what stands for them, and their dispersion."""
        assert row.score
        if self.variant.told_by == "goals" or row.statistics is None:
            return [float(goals) for goals in row.score], self.p.dispersion
        w = self.params.chances
        shots, on_target, corners = row.statistics
        chances = [
            w.goals * row.score[side]
            + w.shots * shots[side]
            + w.shots_on_target * on_target[side]
            + w.corners * corners[side]
            for side in (0, 1)
        ]
        return chances, self.p.chances_dispersion


def strength(
    known: list[Row], row: Row, params: FeatureParams, name: str, variant: StrengthVariant
) -> dict[str, float]:
    system = Filter(params, variant)
    for one in known:
        system.learn(one)
    home, away = system.coming(row.home, row), system.coming(row.away, row)
    of_home, of_away = system.log_rates(row, home, away)
    found = {f"supremacy_{name}": of_home - of_away, f"total_{name}": of_home + of_away}
    if name != params.strength.main:
        return found
    competition = system.competitions[row.tournament_id]
    home_variance = home.attack_variance + home.defence_variance
    away_variance = away.attack_variance + away.defence_variance
    return found | {
        "expected_goals_home": exp(of_home),
        "expected_goals_away": exp(of_away),
        "attack_home": home.attack,
        "defence_home": home.defence,
        "attack_away": away.attack,
        "defence_away": away.defence,
        "uncertainty": home_variance + away_variance,
        "uncertainty_difference": home_variance - away_variance,
        "home_advantage": 0.0 if row.is_neutral else competition.advantage,
        "league_level": competition.level,
        "league_gap": system.gap(home, away),
        "form_fast_home": home.form["fast"],
        "form_slow_home": home.form["slow"],
        "form_fast_away": away.form["fast"],
        "form_slow_away": away.form["slow"],
        "steady_competition": competition.steady,
        "own_league_home": float(home.league == row.tournament_id),
        "own_league_away": float(away.league == row.tournament_id),
    }


def market(known: list[Row], row: Row, params: FeatureParams) -> dict[str, float]:
    p = params.market
    teams: dict[int, list[float]] = {}  # strength, its variance, bent for draws, its variance, day
    advantage: dict[int, float] = defaultdict(lambda: 0.4)
    level: dict[int, float] = defaultdict(lambda: -0.25)
    mean: dict[int, float] = defaultdict(float)
    priced: dict[int, int] = defaultdict(int)

    def coming(team: int, at: Row) -> list[float]:
        day = (at.seconds + EPOCH) / DAY
        if team not in teams:
            start = mean[at.tournament_id] if priced[at.tournament_id] > 20 else 0.0
            return [start, p.start_variance, 0.0, p.draws_start_variance, day]
        strength_, variance, bent, bent_variance, then = teams[team]
        years = max(day - then, 0) / 365
        return [
            strength_,
            min(variance + p.volatility * years, p.start_variance),
            bent,
            min(bent_variance + p.draws_volatility * years, p.draws_start_variance),
            day,
        ]

    def expected(at: Row, home: list[float], away: list[float]) -> tuple[float, float]:
        here = 0.0 if at.is_neutral else 1.0
        return (
            here * advantage[at.tournament_id] + home[0] - away[0],
            level[at.tournament_id] + home[2] + away[2],
        )

    for one in known:
        if one.odds is None:
            continue
        kind = one.tournament_id
        home_p, draw_p, away_p = fair(one.odds)
        home, away = coming(one.home, one), coming(one.away, one)
        errors = [
            seen - thought
            for seen, thought in zip(
                (log(home_p / away_p), log(draw_p / sqrt(home_p * away_p))),
                expected(one, home, away),
                strict=True,
            )
        ]
        spread = p.noise + home[1] + away[1]
        draws_spread = p.draws_noise + home[3] + away[3]
        for team, sign in ((home, 1), (away, -1)):
            team[0] += sign * team[1] / spread * errors[0]
            team[1] *= 1 - team[1] / spread
            team[2] += team[3] / draws_spread * errors[1]
            team[3] *= 1 - team[3] / draws_spread
        priced[kind] += 1
        rate = max(p.competition_rate, 1 / (priced[kind] + 15))
        advantage[kind] += rate * (0.0 if one.is_neutral else errors[0])
        level[kind] += rate * errors[1]
        rate = max(0.01, 1 / (priced[kind] + 1))
        mean[kind] += rate * ((home[0] + away[0]) / 2 - mean[kind])
        teams[one.home], teams[one.away] = home, away
    home, away = coming(row.home, row), coming(row.away, row)
    supremacy, draws = expected(row, home, away)
    there = row.home in teams and row.away in teams
    return {
        "market_supremacy": supremacy if there else float("nan"),
        "market_draws": draws if there else float("nan"),
        "market_uncertainty": home[1] + away[1] if there else float("nan"),
    }


def fair(odds: tuple[float, float, float]) -> list[float]:
    """Probabilities p_i = (1 / odds_i)^k that sum to 1, by bisection."""
    low, high = 1e-6, 60.0
    for _ in range(200):
        middle = (low + high) / 2
        if sum((1 / one) ** middle for one in odds) > 1:
            low = middle
        else:
            high = middle
    return [(1 / one) ** low for one in odds]


def table(known: list[Row], row: Row) -> dict[str, float]:
    this = [one for one in known if is_of(one, row) and one.season == row.season]
    standing: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])  # points, difference, played
    for one in this:
        assert one.score
        margin = one.score[0] - one.score[1]
        for team, by in ((one.home, margin), (one.away, -margin)):
            points = 3 * (by > 0) + (by == 0)
            standing[team] = [a + b for a, b in zip(standing[team], (points, by, 1), strict=True)]
    found: dict[str, float] = {}
    for side, team in (("home", row.home), ("away", row.away)):
        played = standing[team][2] if team in standing else 0
        nothing = float("nan")
        points, difference, rank, behind = nothing, nothing, nothing, nothing
        if played:
            own = standing[team]
            better = sum(other[:2] > own[:2] for other in standing.values())
            points, difference = own[0] / played, own[1] / played
            rank = better / max(len(standing) - 1, 1)
            behind = max(other[0] for other in standing.values()) - own[0]
        found[f"table_points_per_match_{side}"] = points
        found[f"table_goal_difference_per_match_{side}"] = difference
        found[f"table_rank_{side}"] = rank
        found[f"table_points_behind_{side}"] = behind
        found[f"season_matches_{side}"] = played
    # The length of a season is known when the first result of another one is.
    of_competition = [one for one in known if is_of(one, row)]
    ended = [a.season for a, b in pairwise(of_competition) if a.season != b.season]
    length = float("nan")
    if ended:
        until = max(k for k, (a, b) in enumerate(pairwise(of_competition)) if a.season != b.season)
        before = [one for one in of_competition[: until + 1] if one.season == ended[-1]]
        teams = {team for one in before for team in (one.home, one.away)}
        length = 2 * len(before) / len(teams)
    matches = (found["season_matches_home"] + found["season_matches_away"]) / 2
    found["season_progress"] = min(matches / length, 1.5) if ended else float("nan")
    found["season_length"] = length
    found["season_teams"] = len(standing)
    return found


def is_of(one: Row, row: Row) -> bool:
    return one.tournament_id == row.tournament_id


def league(known: list[Row], row: Row, params: FeatureParams) -> dict[str, float]:
    p = params.league
    means = {"home_wins": p.home_wins, "draws": p.draws, "goals": p.goals, "statistics": 0.0}
    of_competition = [one for one in known if is_of(one, row)]
    for number, one in enumerate(of_competition, start=1):
        assert one.score
        home, away = one.score
        rate = max(1 / p.memory_matches, 1 / (number + p.prior_matches))
        for name, value in (
            ("home_wins", home > away),
            ("draws", home == away),
            ("goals", home + away),
            ("statistics", one.statistics is not None),
        ):
            means[name] += rate * (value - means[name])
    found = {f"league_{name}": mean for name, mean in means.items()}
    found["league_experience"] = log(1 + min(len(of_competition), 2000))
    for side, team in (("home", row.home), ("away", row.away)):
        matches = sum(team in (one.home, one.away) for one in known)
        found[f"{side}_experience"] = log(1 + min(matches, 200))
    return found
