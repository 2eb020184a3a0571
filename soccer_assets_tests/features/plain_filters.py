"""The filters of ``plain``: what goals say of teams, and what the market says."""

from collections import defaultdict
from dataclasses import dataclass
from math import exp, log, nan, sqrt

from soccer_assets.features.params import FeatureParams
from soccer_assets_tests.features.matches import START, Row

DAY = 86_400
EPOCH = int(START.timestamp())


@dataclass(slots=True)
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
    form_fast: float = 0.0
    form_slow: float = 0.0


@dataclass(slots=True)
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

    def __init__(self, params: FeatureParams, name: str) -> None:
        self.params, self.name = params, name
        self.variant = params.strength.variants[name]
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
            there.form_fast,
            there.form_slow,
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
            team.form_fast += self.p.form_fast * (by - team.form_fast)
            team.form_slow += self.p.form_slow * (by - team.form_slow)
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

    def read(self, row: Row) -> dict[str, float]:
        home, away = self.coming(row.home, row), self.coming(row.away, row)
        of_home, of_away = self.log_rates(row, home, away)
        found = {
            f"supremacy_{self.name}": of_home - of_away,
            f"total_{self.name}": of_home + of_away,
        }
        if self.name != self.p.main:
            return found
        competition = self.competitions[row.tournament_id]
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
            "league_gap": self.gap(home, away),
            "form_fast_home": home.form_fast,
            "form_slow_home": home.form_slow,
            "form_fast_away": away.form_fast,
            "form_slow_away": away.form_slow,
            "steady_competition": competition.steady,
            "own_league_home": float(home.league == row.tournament_id),
            "own_league_away": float(away.league == row.tournament_id),
        }


class Market:
    """What the odds of past matches say of both teams."""

    def __init__(self, params: FeatureParams) -> None:
        self.p = params.market
        # Strength, its variance, bent for draws, its variance, day.
        self.teams: dict[int, list[float]] = {}
        self.advantage: dict[int, float] = defaultdict(lambda: 0.4)
        self.level: dict[int, float] = defaultdict(lambda: -0.25)
        self.mean: dict[int, float] = defaultdict(float)
        self.priced: dict[int, int] = defaultdict(int)

    def coming(self, team: int, row: Row) -> list[float]:
        day = (row.seconds + EPOCH) / DAY
        if team not in self.teams:
            is_known = self.priced[row.tournament_id] > 20
            start = self.mean[row.tournament_id] if is_known else 0.0
            return [start, self.p.start_variance, 0.0, self.p.draws_start_variance, day]
        strength, variance, bent, bent_variance, then = self.teams[team]
        years = max(day - then, 0) / 365
        return [
            strength,
            min(variance + self.p.volatility * years, self.p.start_variance),
            bent,
            min(bent_variance + self.p.draws_volatility * years, self.p.draws_start_variance),
            day,
        ]

    def expected(self, row: Row, home: list[float], away: list[float]) -> tuple[float, float]:
        here = 0.0 if row.is_neutral else 1.0
        return (
            here * self.advantage[row.tournament_id] + home[0] - away[0],
            self.level[row.tournament_id] + home[2] + away[2],
        )

    def learn(self, row: Row) -> None:
        if row.odds is None:
            return
        kind = row.tournament_id
        home_p, draw_p, away_p = fair(row.odds)
        home, away = self.coming(row.home, row), self.coming(row.away, row)
        errors = [
            seen - thought
            for seen, thought in zip(
                (log(home_p / away_p), log(draw_p / sqrt(home_p * away_p))),
                self.expected(row, home, away),
                strict=True,
            )
        ]
        spread = self.p.noise + home[1] + away[1]
        draws_spread = self.p.draws_noise + home[3] + away[3]
        for team, sign in ((home, 1), (away, -1)):
            team[0] += sign * team[1] / spread * errors[0]
            team[1] *= 1 - team[1] / spread
            team[2] += team[3] / draws_spread * errors[1]
            team[3] *= 1 - team[3] / draws_spread
        self.priced[kind] += 1
        rate = max(self.p.competition_rate, 1 / (self.priced[kind] + 15))
        self.advantage[kind] += rate * (0.0 if row.is_neutral else errors[0])
        self.level[kind] += rate * errors[1]
        rate = max(0.01, 1 / (self.priced[kind] + 1))
        self.mean[kind] += rate * ((home[0] + away[0]) / 2 - self.mean[kind])
        self.teams[row.home], self.teams[row.away] = home, away

    def read(self, row: Row) -> dict[str, float]:
        home, away = self.coming(row.home, row), self.coming(row.away, row)
        supremacy, draws = self.expected(row, home, away)
        there = row.home in self.teams and row.away in self.teams
        return {
            "market_supremacy": supremacy if there else nan,
            "market_draws": draws if there else nan,
            "market_uncertainty": home[1] + away[1] if there else nan,
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
