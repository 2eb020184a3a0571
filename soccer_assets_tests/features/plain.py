"""Every feature from its definition: of each match by itself, from what was known before it.

Slow, with dictionaries, and written apart from the compiled loops: a system learns one result after
the other, in the order in which they became known, and is read at a kick-off.
"""

from collections import defaultdict
from math import isnan, log, log10, nan
from typing import Protocol

from soccer_assets.features.params import FeatureParams
from soccer_assets_tests.features.matches import Row, in_order
from soccer_assets_tests.features.plain_filters import Filter, Market


class System(Protocol):
    """What some features come from."""

    def learn(self, row: Row) -> None:
        """A result that has become known."""
        ...

    def read(self, row: Row) -> dict[str, float]:
        """Features of a match; NaN where there is none."""
        ...


def plain_features(rows: list[Row], row: Row, params: FeatureParams) -> dict[str, float]:
    """The features of one match of ``rows``, by systems that have learnt nothing else."""
    known = known_at(rows, row, params)
    found = {"women": float(row.tournament_id % 2), "neutral_ground": float(bool(row.is_neutral))}
    for system in systems(params):
        for one in known:
            system.learn(one)
        found |= system.read(row)
    return found


def known_at(rows: list[Row], row: Row, params: FeatureParams) -> list[Row]:
    """Results in the order in which they became known; at one moment in that of kick-off and id."""
    delay = params.result_delay_minutes * 60
    return [one for one in in_order(rows) if one.score and one.seconds + delay <= row.seconds]


def systems(params: FeatureParams) -> list[System]:
    """New ones, which together give all features that are not told of the match itself."""
    return [
        Elo(params),
        Pi(params),
        *(Filter(params, name) for name in params.strength.variants),
        Table(),
        League(params),
        *([Market(params)] if params.market.is_used else []),
    ]


class Elo:
    def __init__(self, params: FeatureParams) -> None:
        self.p = params.ratings
        self.points: dict[int, float] = {}
        self.level: dict[int, float] = defaultdict(lambda: 1500.0)

    def of_both(self, row: Row) -> tuple[float, float]:
        level = self.level[row.tournament_id]
        return self.points.get(row.home, level), self.points.get(row.away, level)

    def learn(self, row: Row) -> None:
        assert row.score
        home, away = self.of_both(row)
        margin = row.score[0] - row.score[1]
        won = (margin > 0) + 0.5 * (margin == 0)
        expected = 1 / (1 + 10 ** (-(home + self.p.elo_home_advantage - away) / 400))
        weight = {0: 1.0, 1: 1.0, 2: 1.5}.get(abs(margin), (11 + abs(margin)) / 8)
        moved = self.p.elo_k * weight * (won - expected)
        self.points[row.home], self.points[row.away] = home + moved, away - moved
        level = self.level[row.tournament_id]
        self.level[row.tournament_id] += 0.02 * ((home + away) / 2 - level)

    def read(self, row: Row) -> dict[str, float]:
        home, away = self.of_both(row)
        difference = home + self.p.elo_home_advantage - away
        return {"elo_home": home, "elo_away": away, "elo_difference": difference}


class Pi:
    def __init__(self, params: FeatureParams) -> None:
        self.p = params.ratings
        self.at_home: dict[int, float] = defaultdict(float)
        self.on_road: dict[int, float] = defaultdict(float)

    def learn(self, row: Row) -> None:
        assert row.score
        expected = self.goals(self.at_home[row.home]) - self.goals(self.on_road[row.away])
        error = row.score[0] - row.score[1] - expected
        moved = 3 * log10(1 + abs(error)) * self.p.pi_learning_rate
        moved = moved if error > 0 else -moved
        self.at_home[row.home] += moved
        self.on_road[row.home] += self.p.pi_venue_transfer * moved
        self.on_road[row.away] -= moved
        self.at_home[row.away] -= self.p.pi_venue_transfer * moved

    def read(self, row: Row) -> dict[str, float]:
        home, away = self.at_home[row.home], self.on_road[row.away]
        return {"pi_home": home, "pi_away": away, "pi_difference": home - away}

    @staticmethod
    def goals(rating: float) -> float:
        goals = 10 ** (abs(rating) / 3) - 1
        return goals if rating >= 0 else -goals


class Table:
    """Of an edition: one season of a competition."""

    def __init__(self) -> None:
        # Edition -> team -> its points and goal difference; how many matches it has played.
        self.standings: dict[tuple[int, int], dict[int, tuple[int, int]]] = defaultdict(dict)
        self.played: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
        # Of a competition, the season of its latest result, and how long the one before was: that
        # is known when the first result of another one is.
        self.latest: dict[int, int] = {}
        self.length: dict[int, float] = {}

    def learn(self, row: Row) -> None:
        assert row.score
        kind, edition = row.tournament_id, (row.tournament_id, row.season)
        latest = self.latest.get(kind, row.season)
        if latest != row.season:
            before = self.played[kind, latest]
            self.length[kind] = sum(before.values()) / len(before)
        self.latest[kind] = row.season
        standing, played = self.standings[edition], self.played[edition]
        margin = row.score[0] - row.score[1]
        for team, by in ((row.home, margin), (row.away, -margin)):
            points, difference = standing.get(team, (0, 0))
            standing[team] = points + 3 * (by > 0) + (by == 0), difference + by
            played[team] = played.get(team, 0) + 1

    def read(self, row: Row) -> dict[str, float]:
        edition = (row.tournament_id, row.season)
        standing, played = self.standings[edition], self.played[edition]
        found: dict[str, float] = {}
        for side, team in (("home", row.home), ("away", row.away)):
            matches = played.get(team, 0)
            points, difference, rank, behind = nan, nan, nan, nan
            if matches:
                own = standing[team]
                points, difference = own[0] / matches, own[1] / matches
                better = sum(other > own for other in standing.values())
                rank = better / max(len(standing) - 1, 1)
                behind = max(standing.values())[0] - own[0]
            found[f"table_points_per_match_{side}"] = points
            found[f"table_goal_difference_per_match_{side}"] = difference
            found[f"table_rank_{side}"] = rank
            found[f"table_points_behind_{side}"] = behind
            found[f"season_matches_{side}"] = matches
        length = self.length.get(row.tournament_id, nan)
        so_far = (found["season_matches_home"] + found["season_matches_away"]) / 2
        found["season_progress"] = nan if isnan(length) else min(so_far / length, 1.5)
        found["season_length"] = length
        found["season_teams"] = len(standing)
        return found


class League:
    def __init__(self, params: FeatureParams) -> None:
        self.p = params.league
        self.means: dict[int, dict[str, float]] = defaultdict(
            lambda: {
                "home_wins": self.p.home_wins,
                "draws": self.p.draws,
                "goals": self.p.goals,
                "statistics": 0.0,
            }
        )
        self.of_competition: dict[int, int] = defaultdict(int)
        self.of_team: dict[int, int] = defaultdict(int)

    def learn(self, row: Row) -> None:
        assert row.score
        home, away = row.score
        self.of_competition[row.tournament_id] += 1
        for team in (row.home, row.away):
            self.of_team[team] += 1
        number, means = self.of_competition[row.tournament_id], self.means[row.tournament_id]
        rate = max(1 / self.p.memory_matches, 1 / (number + self.p.prior_matches))
        for name, value in (
            ("home_wins", home > away),
            ("draws", home == away),
            ("goals", home + away),
            ("statistics", row.statistics is not None),
        ):
            means[name] += rate * (value - means[name])

    def read(self, row: Row) -> dict[str, float]:
        means = self.means[row.tournament_id]
        found = {f"league_{name}": mean for name, mean in means.items()}
        found["league_experience"] = log(1 + min(self.of_competition[row.tournament_id], 2000))
        for side, team in (("home", row.home), ("away", row.away)):
            found[f"{side}_experience"] = log(1 + min(self.of_team[team], 200))
        return found
