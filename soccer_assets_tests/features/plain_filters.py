"""The filters of ``plain``: what goals say of teams, and what the market says."""

from collections import defaultdict
from dataclasses import dataclass
from math import exp, log, nan, sqrt

from soccer_assets.features.params import FeatureParams
from soccer_assets_tests.features.matches import START, Row

DAY = 86_400
EPOCH = int(START.timestamp())


#: What a league's block is of, beside (team, "attack") and (team, "defence").
LEVEL = (-1, "level")
State = tuple[int, str]


@dataclass(slots=True)
class Team:
    home_variance: float
    home: float = 0.0
    league: int = -1
    latest: int | None = None
    day: float = 0.0
    matches: int = 0
    form_fast: float = 0.0
    form_slow: float = 0.0
    #: Attack and defence, and their covariance, of a team that is in no block.
    alone: tuple[list[float], list[list[float]]] | None = None


@dataclass(slots=True)
class Competition:
    level: float
    advantage: float
    new_attack: float
    new_defence: float
    attack: float = 0.0
    defence: float = 0.0
    played: int = 0
    steady: float = 0.0


class Block:
    """Of a league: a mean of each state, and a covariance of each two."""

    def __init__(self, variance: float) -> None:
        self.mean: dict[State, float] = {LEVEL: 0.0}
        self.cov: dict[tuple[State, State], float] = {(LEVEL, LEVEL): variance}
        self.slots: list[int | None] = []
        self.seen: dict[int, float] = {}
        self.day: float | None = None

    def put(self, team: int, mean: list[float], cov: list[list[float]]) -> None:
        states = [(team, "attack"), (team, "defence")]
        for other in self.mean:
            for state in states:
                self.cov[state, other] = self.cov[other, state] = 0.0
        for i, state in enumerate(states):
            self.mean[state] = mean[i]
            for j, other in enumerate(states):
                self.cov[state, other] = cov[i][j]

    def take(self, team: int) -> tuple[list[float], list[list[float]]]:
        states = [(team, "attack"), (team, "defence")]
        alone = self.alone(team)
        for state in states:
            del self.mean[state]
        self.cov = {
            pair: value
            for pair, value in self.cov.items()
            if pair[0] not in states and pair[1] not in states
        }
        self.slots[self.slots.index(team)] = None
        return alone

    def alone(self, team: int) -> tuple[list[float], list[list[float]]]:
        """What is known of a team alone; its means with the league's level in them."""
        states = [(team, "attack"), (team, "defence")]
        return (
            [self.mean[state] + self.mean[LEVEL] for state in states],
            [[self.cov[state, other] for other in states] for state in states],
        )

    def along(self, parts: dict[State, float]) -> dict[State, float]:
        """Covariance of each state with a sum of some."""
        return {
            state: sum(weight * self.cov[state, part] for part, weight in parts.items())
            for state in self.mean
        }

    def learn(self, told: dict[State, float], spread: float, news: float) -> None:
        for state in self.mean:
            self.mean[state] += told[state] * news
        for one in self.mean:
            for other in self.mean:
                self.cov[one, other] -= told[one] * told[other] / spread


class Filter:
    """One variant of the state-space filter."""

    def __init__(self, params: FeatureParams, name: str) -> None:
        self.params, self.name = params, name
        self.variant = params.strength.variants[name]
        self.p = params.strength
        self.teams: dict[int, Team] = defaultdict(lambda: Team(self.p.home_variance))
        self.blocks: dict[int, Block] = defaultdict(lambda: Block(self.p.league_variance))
        self.competitions: dict[int, Competition] = defaultdict(
            lambda: Competition(
                self.p.start_level,
                self.p.start_advantage,
                self.p.start_attack,
                self.p.start_defence,
            )
        )

    def league(self, team: int, row: Row) -> int:
        there = self.teams[team]
        return there.league if there.matches else row.tournament_id

    def coming(self, team: int, row: Row) -> tuple[list[float], list[list[float]]]:
        """Attack and defence of a team as it comes to a match, against the level of its league, and
        their covariance, grown by the time since its last match."""
        there, competition = self.teams[team], self.competitions[row.tournament_id]
        if not there.matches:
            is_known = competition.played > 20
            mean = [
                competition.attack + is_known * competition.new_attack,
                competition.defence + is_known * competition.new_defence,
            ]
            return mean, [[self.p.start_variance, 0.0], [0.0, self.p.start_variance]]
        block = self.blocks[there.league]
        mean, cov = there.alone or block.alone(team)
        mean = [value - block.mean[LEVEL] for value in mean]
        cov = [list(line) for line in cov]
        away = (row.seconds + EPOCH) / DAY - there.day
        if away > 0:
            grown = self.p.volatility * self.variant.volatility * min(away, 365) / 365
            if away > self.p.break_days:
                grown += self.p.break_volatility * self.variant.break_volatility
            for i in (0, 1):
                cov[i][i] = max(cov[i][i], min(cov[i][i] + grown, self.p.start_variance))
        return mean, cov

    def log_rates(self, row: Row, home: list[float], away: list[float]) -> tuple[float, float]:
        competition = self.competitions[row.tournament_id]
        here = 0.0 if row.is_neutral else 1.0
        edge = here * (competition.advantage + self.teams[row.home].home) / 2 + self.gap(row)
        return (
            competition.level + edge + home[0] - away[1],
            competition.level - edge + away[0] - home[1],
        )

    def gap(self, row: Row) -> float:
        levels = [self.blocks[self.league(t, row)].mean[LEVEL] for t in (row.home, row.away)]
        return levels[0] - levels[1]

    def admit(self, team: int, row: Row, spared: int | None) -> None:
        """Have a team in its league's block, as it comes to a match."""
        there, block = self.teams[team], self.blocks[self.league(team, row)]
        mean, cov = self.coming(team, row)
        day = (row.seconds + EPOCH) / DAY
        if team in block.slots:
            for i, state in enumerate([(team, "attack"), (team, "defence")]):
                block.cov[state, state] = cov[i][i]
        else:
            self.make_room(block, team, day, spared)
            block.put(team, mean, cov)
            there.alone = None
        block.seen[team] = day

    def make_room(self, block: Block, team: int, day: float, spared: int | None) -> None:
        if None in block.slots:
            block.slots[block.slots.index(None)] = team
            return
        others = [one for one in block.slots if one is not None and one != spared]
        oldest = min(others, key=lambda one: block.seen[one], default=None)
        forgotten = oldest is not None and day - block.seen[oldest] > self.p.forgotten_days
        if oldest is None or (len(block.slots) < 40 and not forgotten):
            block.slots.append(team)
            return
        slot = block.slots.index(oldest)
        self.teams[oldest].alone = block.take(oldest)
        block.slots[slot] = team

    def learn(self, row: Row) -> None:
        homes, aways = self.teams[row.home], self.teams[row.away]
        b, d = self.league(row.home, row), self.league(row.away, row)
        self.admit(row.home, row, None)
        self.admit(row.away, row, row.home if b == d else None)
        competition = self.competitions[row.tournament_id]
        day = (row.seconds + EPOCH) / DAY
        if b != d:
            for league in (self.blocks[b], self.blocks[d]):
                years = min((day - league.day) / 365, 1) if league.day is not None else 1
                if years > 0:
                    league.cov[LEVEL, LEVEL] += self.p.league_volatility * years
                    league.day = day
        here = 0.0 if row.is_neutral else 1.0
        told, dispersion = self.told(row)
        told = [min(goals, self.variant.max_goals) for goals in told]
        of_home = homes.home_variance * here
        states = {team: ((team, "attack"), (team, "defence")) for team in (row.home, row.away)}
        before = {s: self.block_of(s, b, d, row).mean[s] for pair in states.values() for s in pair}
        rates = self.rates(row, b, d, 0.0)
        news, spreads = [0.0, 0.0], [0.0, 0.0]
        for side, (scorer, other) in enumerate([(row.home, row.away), (row.away, row.home)]):
            rate = rates[0] if side == 0 else self.rates(row, b, d, of_home / 2 * news[0])[1]
            attack, defence = states[scorer][0], states[other][1]
            own, its = (self.blocks[b], self.blocks[d])[:: 1 if side == 0 else -1]
            noise = dispersion / rate + of_home / 4
            if b == d:
                along = own.along({attack: 1, defence: -1})
                spread = noise + along[attack] - along[defence]
                step = min(self.variant.max_surprise, (told[side] - rate) / rate) / spread
                own.learn(along, spread, step)
            else:
                along = own.along({attack: 1, LEVEL: 1})
                against = its.along({defence: 1, LEVEL: 1})
                spread = noise + along[attack] + along[LEVEL] + against[defence] + against[LEVEL]
                step = min(self.variant.max_surprise, (told[side] - rate) / rate) / spread
                own.learn(along, spread, step)
                its.learn(against, spread, -step)
            news[side], spreads[side] = step, spread
        homes.home += of_home / 2 * (news[0] - news[1])
        homes.home_variance = max(
            self.p.home_variance * self.p.home_variance_floor,
            homes.home_variance * (1 - of_home / 4 * (1 / spreads[0] + 1 / spreads[1])),
        )
        after = {s: self.block_of(s, b, d, row).mean[s] for s in before}
        for team in (row.home, row.away):
            if self.teams[team].matches < self.p.newcomer_matches:
                attack, defence = states[team]
                competition.new_attack += self.p.newcomer_rate * (after[attack] - before[attack])
                competition.new_defence += self.p.newcomer_rate * (after[defence] - before[defence])
        total, better = sum(rates), told[0] - told[1] - (rates[0] - rates[1])
        for number, its_team, sign in ((row.home, homes, 1), (row.away, aways, -1)):
            came = its_team.latest == row.tournament_id
            rate = 0.5 * max(0.01, 1 / (competition.played + 5))
            competition.steady += rate * (came - competition.steady)
            its_team.latest = row.tournament_id
            league = self.league(number, row)
            is_settled = competition.steady > 0.4 and its_team.matches >= 3
            its_team.league = row.tournament_id if is_settled else league
            if its_team.league != league:
                its_team.alone = self.blocks[league].take(number)
            its_team.day = max(its_team.day, day) if its_team.matches else day
            its_team.matches += 1
            by = min(3.0, max(-3.0, sign * better / sqrt(total)))
            its_team.form_fast += self.p.form_fast * (by - its_team.form_fast)
            its_team.form_slow += self.p.form_slow * (by - its_team.form_slow)
        competition.played += 1
        least = 1 / (competition.played + 15)
        competition.level += max(self.p.level_rate, least) * (sum(told) - total) / total
        competition.advantage += 2 * max(self.p.advantage_rate, least) * here * better / total
        rate = max(self.p.mean_rate, 1 / (competition.played + 1))
        attacks, defences = (
            sum(after[states[team][i]] for team in (row.home, row.away)) / 2 for i in (0, 1)
        )
        competition.attack += rate * (attacks - competition.attack)
        competition.defence += rate * (defences - competition.defence)

    def block_of(self, state: State, b: int, d: int, row: Row) -> Block:
        return self.blocks[b if state[0] == row.home else d]

    def rates(self, row: Row, b: int, d: int, more_home: float) -> list[float]:
        """What is expected by what the blocks hold now; ``more_home``: that the first of two
        measurements has told of the home team's own advantage."""
        home, away = (
            [self.blocks[league].mean[team, what] for what in ("attack", "defence")]
            for league, team in ((b, row.home), (d, row.away))
        )
        of_home, of_away = self.log_rates(row, home, away)
        return [
            exp(min(3.5, max(-2.5, of_home))),
            exp(min(3.5, max(-2.5, of_away - more_home / 2))),
        ]

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
        (home, home_cov), (away, away_cov) = self.coming(row.home, row), self.coming(row.away, row)
        of_home, of_away = self.log_rates(row, home, away)
        found = {
            f"supremacy_{self.name}": of_home - of_away,
            f"total_{self.name}": of_home + of_away,
        }
        if self.name != self.p.main:
            return found
        competition = self.competitions[row.tournament_id]
        home_variance, away_variance = (sum(map(sum, cov)) for cov in (home_cov, away_cov))
        leagues = [self.league(team, row) for team in (row.home, row.away)]
        block, whats = self.blocks[leagues[0]], ("attack", "defence")
        together = leagues[0] == leagues[1] and {row.home, row.away} <= set(block.slots)
        shared = sum(
            block.cov[(row.home, one), (row.away, other)]
            for one in whats
            for other in whats
            if together
        )
        return found | {
            "expected_goals_home": exp(of_home),
            "expected_goals_away": exp(of_away),
            "attack_home": home[0],
            "defence_home": home[1],
            "attack_away": away[0],
            "defence_away": away[1],
            "uncertainty": home_variance + away_variance - 2 * shared,
            "uncertainty_difference": home_variance - away_variance,
            "home_advantage": 0.0 if row.is_neutral else competition.advantage,
            "league_level": competition.level,
            "league_gap": self.gap(row),
            "form_fast_home": self.teams[row.home].form_fast,
            "form_slow_home": self.teams[row.home].form_slow,
            "form_fast_away": self.teams[row.away].form_fast,
            "form_slow_away": self.teams[row.away].form_slow,
            "steady_competition": competition.steady,
            "own_league_home": float(leagues[0] == row.tournament_id),
            "own_league_away": float(leagues[1] == row.tournament_id),
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
