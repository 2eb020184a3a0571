"""What a training finds out about goals."""

from math import log

import numpy as np
import pandas as pd
import pytest

from soccer_assets.modelling.card import MAX_CHARACTERS
from soccer_assets.modelling.goals import goal_losses
from soccer_assets.modelling.holdout import probabilities_of
from soccer_assets.modelling.pages import pages_of
from soccer_assets.modelling.score_grid import INPUTS, LINES, fit_score_model, independent_poisson
from soccer_assets.modelling.train import MODEL, TrainingResult, train
from soccer_assets.params.training import TrainingParams
from soccer_assets_tests.modelling.synthetic import (
    FEATURES,
    GOAL_FEATURES,
    rows_of,
    simulate_matches,
    simulate_scores,
)

PARAMS = TrainingParams(
    candidates={"grid": {"learner": "dixon_coles"}, "plain": {"learner": "logistic"}}, folds=1
)


@pytest.fixture(scope="module")
def dataset() -> pd.DataFrame:
    return simulate_scores(4000, seed=3)


@pytest.fixture(scope="module")
def result(dataset: pd.DataFrame) -> TrainingResult:
    return train(dataset, GOAL_FEATURES, PARAMS)


def test_losses_are_what_a_plain_loop_finds(dataset: pd.DataFrame) -> None:
    rows = rows_of(dataset, features=INPUTS)
    assert rows.goals is not None
    grids, goals = fit_score_model(rows.features, rows.goals).grids(rows.features), rows.goals
    losses = goal_losses(grids, goals)
    expected = grids.expected_goals()
    for match in range(50):
        home, away = goals[match]
        for line in LINES:
            over = grids.over(line)[match]
            plain = -log(over if home + away > line else 1 - over)
            assert losses[f"over{line:.1f}_log_loss".replace(".", "")][match] == pytest.approx(
                plain
            )
        both = grids.both_score()[match]
        plain = -log(both if home and away else 1 - both)
        assert losses["both_score_log_loss"][match] == pytest.approx(plain)
        exact = -log(grids.cells[match, home, away])
        assert losses["correct_score_log_loss"][match] == pytest.approx(exact)
        pairs = list(zip((home, away), expected[match], strict=True))
        mae = sum(abs(scored - mean) for scored, mean in pairs) / 2
        assert losses["mae"][match] == pytest.approx(mae)
        deviance = sum((y * log(y / m) if y else 0) - (y - m) for y, m in pairs)
        assert losses["deviance"][match] == pytest.approx(deviance)


def test_grids_of_the_judge_are_scored_against_poisson_on_the_judged_matches(
    result: TrainingResult, dataset: pd.DataFrame
) -> None:
    assert result.goals is not None
    judged, before = result.bounds["judged"].rows, result.bounds["judged"].first
    scores = result.goals.scores.set_index("score")
    assert (scores["n"] == judged).all()
    assert (scores["difference"] < 0).all()
    assert scores["difference"].between(scores["low"], scores["high"]).all()
    np.testing.assert_allclose(scores["value"] - scores["baseline"], scores["difference"])
    known = dataset["kickoff"] < before
    rows = rows_of(dataset[known], result.params.half_life_days, INPUTS)
    late = rows_of(dataset[~known], features=INPUTS)
    assert rows.goals is not None
    assert late.goals is not None
    ours = fit_score_model(rows.features, rows.goals, rows.weights()).grids(late.features)
    tilted = ours.tilted(probabilities_of(result.holdout_predictions, MODEL))
    poisson = independent_poisson(rows.goals, rows.weights()).grids(late.features)
    for column, grids in (("value", tilted), ("baseline", poisson)):
        means = {name: loss.mean() for name, loss in goal_losses(grids, late.goals).items()}
        assert scores[column].to_dict() == pytest.approx(means)


def test_what_is_kept_has_learnt_from_every_match(
    result: TrainingResult, dataset: pd.DataFrame
) -> None:
    rows = rows_of(dataset, result.params.half_life_days, INPUTS)
    assert rows.goals is not None
    assert result.goals is not None
    assert result.goals.model == fit_score_model(rows.features, rows.goals, rows.weights())


def test_the_card_has_a_line_of_goals(result: TrainingResult) -> None:
    assert result.goals is not None
    card = pages_of(result, "f00d").card
    assert f"over 2.5 {result.goals.metrics()['goals_over25_log_loss']:.4f} (-" in card
    assert len(card) < MAX_CHARACTERS


def test_the_simplest_candidate_may_learn_from_goals(result: TrainingResult) -> None:
    assert (result.chosen, result.learner) == ("grid", "dixon_coles")
    assert set(list(result.importances)[:2]) == set(INPUTS[:2])


@pytest.mark.parametrize(
    ("dataset", "features", "missing"),
    [
        (simulate_matches(800), FEATURES, "home_goals, away_goals, expected_goals_home"),
        (simulate_scores(800), [*FEATURES, *INPUTS[:2]], "league_goals"),
    ],
)
def test_without_what_it_takes_goals_are_left_out_and_a_line_says_so(
    dataset: pd.DataFrame, features: list[str], missing: str
) -> None:
    told: list[str] = []
    params = TrainingParams(candidates={"logistic": {}}, folds=1)
    assert train(dataset, features, params, told.append).goals is None
    (line,) = [line for line in told if "goals" in line]
    assert line.startswith(f"goals: left out, the dataset lacks {missing}")
