"""Ratings against the textbook: every match's ratings from scratch, from the results known then."""

from math import exp, log10

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soccer_assets.features.params import RatingParams
from soccer_assets.features.ratings import (
    HOME_LOG_GOALS,
    LEAGUE_MEAN_STEP,
    MEAN_LOG_GOALS,
    RATING_COLUMNS,
    rate,
)
from soccer_assets_tests.features.matches import DELAY, Row, histories, in_order, log_of

PARAMS = RatingParams()
UNUSUAL = RatingParams(
    elo_k=37.0,
    elo_home_advantage=-10.0,
    pi_learning_rate=0.2,
    pi_venue_transfer=0.3,
    goals_learning_rate=0.3,
)


class Textbook:
    """The three systems, one result after the other."""

    def __init__(self, params: RatingParams) -> None:
        self.params = params
        self.elo: dict[int, float] = {}
        self.league_mean: dict[int, float] = {}
        self.pi_home: dict[int, float] = {}
        self.pi_away: dict[int, float] = {}
        self.attack: dict[int, float] = {}
        self.defence: dict[int, float] = {}

    def read(self, row: Row) -> dict[str, float]:
        for team in (row.home, row.away):
            self.elo.setdefault(team, self.league_mean.get(row.tournament_id, 1500.0))
        attack, defence = self.attack.get, self.defence.get
        home = MEAN_LOG_GOALS + HOME_LOG_GOALS + attack(row.home, 0) - defence(row.away, 0)
        away = MEAN_LOG_GOALS + attack(row.away, 0) - defence(row.home, 0)
        found = {
            "elo_home": self.elo[row.home],
            "elo_away": self.elo[row.away],
            "pi_home": self.pi_home.get(row.home, 0.0),
            "pi_away": self.pi_away.get(row.away, 0.0),
            "goals_expected_home": exp(min(2.0, home)),
            "goals_expected_away": exp(min(2.0, away)),
        }
        found["elo_difference"] = (
            found["elo_home"] + self.params.elo_home_advantage - found["elo_away"]
        )
        found["pi_difference"] = found["pi_home"] - found["pi_away"]
        found["goals_expected_difference"] = (
            found["goals_expected_home"] - found["goals_expected_away"]
        )
        return found

    def learn(self, row: Row, expected: dict[str, float]) -> None:
        """Move everything by the row's result, against what was expected at its kick-off."""
        assert row.score is not None
        home_goals, away_goals = row.score
        margin = home_goals - away_goals

        won = 0.5 * (1 + np.sign(margin))
        probability = 1 / (1 + 10 ** (-expected["elo_difference"] / 400))
        weight = {0: 1.0, 1: 1.0, 2: 1.5}.get(abs(margin), (11 + abs(margin)) / 8)
        step = self.params.elo_k * weight * (won - probability)
        self.elo[row.home] += step
        self.elo[row.away] -= step
        mean = self.league_mean.get(row.tournament_id, 1500.0)
        pair = (self.elo[row.home] + self.elo[row.away]) / 2
        self.league_mean[row.tournament_id] = mean + LEAGUE_MEAN_STEP * (pair - mean)

        error = margin - (pi_goals(expected["pi_home"]) - pi_goals(expected["pi_away"]))
        size = 3 * log10(1 + abs(error)) * self.params.pi_learning_rate
        move = size if error > 0 else -size
        transfer = self.params.pi_venue_transfer
        add(self.pi_home, row.home, move)
        add(self.pi_away, row.home, move * transfer)
        add(self.pi_away, row.away, -move)
        add(self.pi_home, row.away, -move * transfer)

        rate_ = self.params.goals_learning_rate
        home_surprise = min(home_goals, 6) - expected["goals_expected_home"]
        away_surprise = min(away_goals, 6) - expected["goals_expected_away"]
        add(self.attack, row.home, rate_ * home_surprise)
        add(self.defence, row.away, -rate_ * home_surprise)
        add(self.attack, row.away, rate_ * away_surprise)
        add(self.defence, row.home, -rate_ * away_surprise)


def pi_goals(rating: float) -> float:
    return float(np.sign(rating)) * (10 ** (abs(rating) / 3) - 1)


def add(table: dict[int, float], key: int, amount: float) -> None:
    table[key] = table.get(key, 0.0) + amount


def textbook(rows: list[Row], params: RatingParams, delay: int) -> list[dict[str, float]]:
    """Reads and results as one stream of events; a result comes ``delay`` after its kick-off,
    before the matches that kick off at that moment."""
    events = [(row.seconds, 1, i) for i, row in enumerate(rows)]
    events += [(row.seconds + delay, 0, i) for i, row in enumerate(rows) if row.score]
    system, read = Textbook(params), {}
    for _, is_kickoff, i in sorted(events):
        if is_kickoff:
            read[i] = system.read(rows[i])
        else:
            system.learn(rows[i], read[i])
    return [read[i] for i in range(len(rows))]


@settings(deadline=None)
@given(
    rows=histories().map(in_order),
    params=st.sampled_from([PARAMS, UNUSUAL]),
    delay=st.sampled_from([60, DELAY, 26 * 3600]),
)
def test_ratings_agree_with_the_textbook(rows: list[Row], params: RatingParams, delay: int) -> None:
    rated = rate(log_of(rows), params, delay)
    assert list(rated.columns) == list(RATING_COLUMNS)
    assert (rated.dtypes == np.float64).all()
    assert len(rated) == len(rows)
    for i, expected in enumerate(textbook(rows, params, delay)):
        assert rated.iloc[i].to_dict() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_rout_of_the_favourite_by_hand() -> None:
    rows = [row(0, 0, 1, (0, 3)), row(10 * DELAY, 0, 1, None)]
    first, second = rate(log_of(rows), PARAMS, DELAY).to_dict("records")
    assert (first["elo_home"], first["elo_away"], first["elo_difference"]) == (1500, 1500, 65)
    lost = 20 * (11 + 3) / 8 * (1 / (1 + 10 ** (-65 / 400)))
    assert second["elo_home"] == pytest.approx(1500 - lost)
    assert second["elo_away"] == pytest.approx(1500 + lost)
    assert second["pi_home"] == pytest.approx(-0.06 * 3 * log10(4))
    assert second["pi_away"] == pytest.approx(0.06 * 3 * log10(4))
    # Home scored none of exp(0.4) expected, away three against exp(0.15).
    attack_home, defence_away = -0.025 * exp(0.4), 0.025 * exp(0.4)
    assert second["goals_expected_home"] == pytest.approx(exp(0.4 + attack_home - defence_away))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(0, 9)), max_size=20))
def test_what_one_team_gains_in_elo_the_other_loses(games: list[tuple[int, int, int]]) -> None:
    teams = 4
    rows = [row(0, team, (team + 1) % teams, None) for team in range(teams)]
    for number, (home, step, goals) in enumerate(games):
        rows.append(row((number + 1) * DELAY, home, (home + step) % teams, (goals, 3)))
    rows += [row(100 * DELAY, team, (team + 1) % teams, None) for team in range(teams)]
    last = rate(log_of(rows), PARAMS, DELAY).tail(teams)
    assert last["elo_home"].sum() == pytest.approx(1500 * teams)


def test_a_result_is_known_exactly_a_delay_after_its_kickoff() -> None:
    rows = [
        row(0, 0, 1, (5, 0)),
        row(DELAY - 1, 0, 1, None),
        row(DELAY, 0, 1, None),
    ]
    rated = rate(log_of(rows), PARAMS, DELAY)
    assert rated["elo_home"].tolist()[:2] == [1500, 1500]
    assert rated["elo_home"][2] > 1500
    longer = rate(log_of(rows), PARAMS, DELAY + 1)
    assert longer["elo_home"].tolist() == [1500] * 3


@given(
    rows=histories(min_size=2).map(in_order),
    data=st.data(),
)
def test_results_later_than_a_kickoff_less_the_delay_change_nothing(
    rows: list[Row], data: st.DataObject
) -> None:
    i = data.draw(st.integers(0, len(rows) - 1))
    horizon = rows[i].seconds - DELAY
    other = [r if r.seconds <= horizon else r.without_result() for r in rows]
    ours, theirs = (rate(log_of(one), PARAMS, DELAY).iloc[: i + 1] for one in (rows, other))
    assert ours.to_numpy().tobytes() == theirs.to_numpy().tobytes()


def test_newcomers_start_at_the_mean_of_the_league_they_join() -> None:
    rows = [row(k * DELAY, 0, 1, (9, 0)) for k in range(40)]  # 0 rises in league 0
    rows += [row((40 + k) * DELAY, 0, 2, (0, 9), league=1) for k in range(30)]  # and falls in 1
    rows += [
        row(100 * DELAY, 3, 4, None, league=1),
        row(100 * DELAY, 5, 6, None, league=2),
    ]
    rated = rate(log_of(rows), PARAMS, DELAY)
    joined = rated.iloc[-2]
    system = Textbook(PARAMS)
    for number, one in enumerate(rows[:-2]):
        system.learn(one, rated.iloc[number].to_dict() | system.read(one))
    assert joined["elo_home"] == joined["elo_away"] == pytest.approx(system.league_mean[1])
    assert abs(system.league_mean[1] - 1500) > 1
    assert rated.iloc[-1]["elo_home"] == 1500  # a league without a result


def test_no_match_at_all() -> None:
    assert rate(log_of([]), PARAMS, DELAY).shape == (0, len(RATING_COLUMNS))


def row(seconds: int, home: int, away: int, score: tuple[int, int] | None, league: int = 0) -> Row:
    return Row(0, seconds, league, home, away, score)
