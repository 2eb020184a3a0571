"""Score grids against a plain double loop, and what is said of goals against the grid."""

import re
from math import exp, factorial, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import soccer_assets
from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.modelling.score_grid import (
    LINES,
    MAX_GOALS,
    Rate,
    ScoreGrids,
    ScoreModel,
    _low_scores,
    _negative_log_likelihood,
    fit_score_model,
    independent_poisson,
)

MODEL = ScoreModel(
    (0.3, 0.1, 1.0), Rate(0.35, (0.9, -0.1, 0.3)), Rate(0.15, (-0.2, 1.1, 0.2)), -0.07
)
ROOT = Path(soccer_assets.__file__).parent.parent
GOALS = st.floats(0.0, 1e6)


def some_inputs(n: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).gamma((4.0, 4.0, 40.0), (0.4, 0.3, 0.07), (n, 3))


def some_outcomes(n: int, seed: int = 1) -> FloatArray:
    return np.random.default_rng(seed).dirichlet((2.0, 1.0, 1.5), n)


def drawn(model: ScoreModel, inputs: FloatArray, seed: int = 2) -> IntArray:
    """Scores drawn from the grids of a model."""
    cells = model.grids(inputs).cells.reshape(len(inputs), -1)
    at = np.random.default_rng(seed).random((len(inputs), 1)) * cells.sum(axis=1, keepdims=True)
    score = (cells.cumsum(axis=1) < at).sum(axis=1)
    return np.column_stack(np.divmod(score, MAX_GOALS + 1))


def dixon_coles(home: float, away: float, rho: float, i: int, j: int) -> float:
    """Probability of a score as the paper has it."""
    tau = {
        (0, 0): 1 - home * away * rho,
        (0, 1): 1 + home * rho,
        (1, 0): 1 + away * rho,
        (1, 1): 1 - rho,
    }.get((i, j), 1.0)
    return tau * exp(-home) * home**i / factorial(i) * exp(-away) * away**j / factorial(j)


def test_a_grid_is_what_a_double_loop_makes_of_the_paper() -> None:
    inputs = some_inputs(5)
    grids = MODEL.grids(inputs)
    for cells, known in zip(grids.cells, inputs, strict=True):
        x = [log(value) - centre for value, centre in zip(known, MODEL.centre, strict=True)]
        home = exp(0.35 + 0.9 * x[0] - 0.1 * x[1] + 0.3 * x[2])
        away = exp(0.15 - 0.2 * x[0] + 1.1 * x[1] + 0.2 * x[2])
        plain = np.zeros((MAX_GOALS + 1, MAX_GOALS + 1))
        for i in range(60):
            for j in range(60):
                plain[min(i, MAX_GOALS), min(j, MAX_GOALS)] += dixon_coles(home, away, -0.07, i, j)
        np.testing.assert_allclose(cells, plain, rtol=1e-9, atol=1e-15)


def test_the_likelihood_is_the_grid_s_and_its_gradient_is_right() -> None:
    from scipy.optimize import approx_fprime

    x, weights = np.log(some_inputs(300)), np.random.default_rng(5).dirichlet(np.ones(300))
    goals = drawn(MODEL, np.exp(x))
    parameters = np.array([0.2, 0.8, -0.1, 0.3, 0.1, 0.0, 1.1, 0.2, -0.06])

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        low = _low_scores(goals)
        return _negative_log_likelihood(parameters, x.T, goals.T.astype(float), weights, low)

    rates = Rate(0.2, (0.8, -0.1, 0.3)), Rate(0.1, (0.0, 1.1, 0.2))
    model = ScoreModel((0.0, 0.0, 0.0), *rates, -0.06)
    faculties = np.array([log(factorial(i)) + log(factorial(j)) for i, j in goals])
    likelihood = np.log(model.grids(np.exp(x)).of_scores(goals)) + faculties
    assert goals.max() < MAX_GOALS
    assert loss(parameters)[0] == pytest.approx(-(weights * likelihood).sum())
    numeric = approx_fprime(parameters, lambda p: loss(p)[0], 1e-7)
    np.testing.assert_allclose(loss(parameters)[1], numeric, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(GOALS, GOALS, st.floats(-1.0, 1.0))
def test_every_grid_is_a_distribution_with_the_means_of_the_rates(
    home: float, away: float, rho: float
) -> None:
    inputs = np.array([[home, away, 2.5]])
    rates = Rate(0.0, (1.0, 0.0, 0.0)), Rate(0.0, (0.0, 1.0, 0.0))
    grids = ScoreModel((0.0, 0.0, 0.0), *rates, rho).grids(inputs)
    assert grids.cells.min() >= 0.0
    assert grids.cells.sum() == pytest.approx(1.0, abs=1e-12)
    independent = ScoreModel((0.0, 0.0, 0.0), *rates, 0.0).grids(inputs)
    for axis in (1, 2):  # dependence leaves what each team scores as it is
        ours, theirs = grids.cells.sum(axis=axis), independent.cells.sum(axis=axis)
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_all_that_is_said_of_goals_is_the_sum_of_its_scores() -> None:
    grids = MODEL.grids(some_inputs(20)).tilted(some_outcomes(20))
    for number, cells in enumerate(grids.cells):
        scores = [(i, j, cells[i, j]) for i in range(MAX_GOALS + 1) for j in range(MAX_GOALS + 1)]
        assert grids.outcomes()[number] == pytest.approx(
            [
                sum(p for i, j, p in scores if i > j),
                sum(p for i, j, p in scores if i == j),
                sum(p for i, j, p in scores if i < j),
            ]
        )
        for line in LINES:
            over = sum(p for i, j, p in scores if i + j > line)
            assert grids.over(line)[number] == pytest.approx(over)
        both = sum(p for i, j, p in scores if i > 0 and j > 0)
        assert grids.both_score()[number] == pytest.approx(both)
        goals = [sum(i * p for i, _, p in scores), sum(j * p for _, j, p in scores)]
        assert grids.expected_goals()[number] == pytest.approx(goals)
    score = np.array([[2, 1]] * 19 + [[30, 1]])
    assert grids.of_scores(score)[:19].tolist() == grids.cells[:19, 2, 1].tolist()
    assert grids.of_scores(score)[19] == grids.cells[19, MAX_GOALS, 1]


def test_a_tilted_grid_has_the_given_result_and_is_else_as_it_was() -> None:
    before, wanted = MODEL.grids(some_inputs(200)), some_outcomes(200)
    wanted[0] = (1.0, 0.0, 0.0)
    after = before.tilted(wanted)
    np.testing.assert_allclose(after.outcomes(), wanted, rtol=1e-12, atol=0)
    np.testing.assert_allclose(after.cells.sum(axis=(1, 2)), 1.0, rtol=1e-12)
    assert (after.cells >= 0).all()
    ratio = before.cells / before.cells[:, 2:3, 0:1]
    tilted = after.cells / after.cells[:, 2:3, 0:1]
    wins = np.tril_indices(MAX_GOALS + 1, -1)
    np.testing.assert_allclose(tilted[:, *wins], ratio[:, *wins], rtol=1e-9)
    again = before.tilted(before.outcomes())
    np.testing.assert_allclose(again.cells, before.cells, rtol=1e-12)


def test_an_outcome_that_a_grid_holds_impossible_comes_to_its_lowest_score() -> None:
    cells = np.zeros((1, MAX_GOALS + 1, MAX_GOALS + 1))
    cells[0, 3, 0] = 1.0
    tilted = ScoreGrids(cells).tilted(np.array([[0.5, 0.3, 0.2]]))
    assert tilted.cells[0, 3, 0] == 0.5
    assert tilted.cells[0, 0, 0] == 0.3
    assert tilted.cells[0, 0, 1] == 0.2
    assert tilted.cells.sum() == pytest.approx(1.0)


def test_with_the_teams_swapped_so_is_the_grid() -> None:
    same = Rate(0.25, (0.8, -0.1, 0.4)), Rate(0.25, (-0.1, 0.8, 0.4))
    model = ScoreModel((0.2, 0.2, 0.9), *same, -0.05)
    inputs, wanted = some_inputs(50), some_outcomes(50)
    ours = model.grids(inputs).tilted(wanted)
    theirs = model.grids(inputs[:, [1, 0, 2]]).tilted(wanted[:, ::-1])
    np.testing.assert_allclose(theirs.cells.transpose(0, 2, 1), ours.cells, rtol=1e-12)


def test_a_fit_finds_what_the_scores_were_drawn_from() -> None:
    inputs = some_inputs(60_000)
    found = fit_score_model(inputs, drawn(MODEL, inputs))
    x = MODEL.centred(inputs)
    for ours, true in ((found.home, MODEL.home), (found.away, MODEL.away)):
        assert ours.slopes == pytest.approx(true.slopes, abs=0.06)
        np.testing.assert_allclose(ours.mean(found.centred(inputs)), true.mean(x), rtol=0.08)
    assert found.dependence == pytest.approx(MODEL.dependence, abs=0.02)


def test_a_match_that_weighs_nothing_teaches_nothing() -> None:
    inputs = some_inputs(4000)
    goals = drawn(MODEL, inputs)
    half = fit_score_model(inputs[:2000], goals[:2000])
    weighed = fit_score_model(inputs, goals, np.repeat([3.0, 0.0], 2000))
    np.testing.assert_allclose(weighed.grids(inputs).cells, half.grids(inputs).cells, atol=1e-6)


def test_where_it_is_unknown_what_to_expect_a_match_is_an_ordinary_one() -> None:
    inputs = some_inputs(3000)
    goals = drawn(MODEL, inputs)
    unknown = np.full_like(inputs, np.nan)
    model = fit_score_model(np.concatenate([inputs, unknown]), np.concatenate([goals, goals]))
    (rates,) = model.grids(unknown[:1]).expected_goals()
    assert rates == pytest.approx(goals.mean(axis=0), rel=0.1)
    plain = independent_poisson(goals).grids(unknown[:1]).expected_goals()[0]
    assert plain == pytest.approx(goals.mean(axis=0), rel=1e-4)
    never = fit_score_model(unknown, goals).grids(unknown[:1]).expected_goals()[0]
    assert never == pytest.approx(goals.mean(axis=0), rel=0.01)


def test_what_is_no_score_is_refused_and_no_goals_at_all_are_not() -> None:
    with pytest.raises(ValueError, match="no matches"):
        fit_score_model(np.empty((0, 3)), np.empty((0, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="negative"):
        fit_score_model(np.ones((1, 3)), np.array([[0, -1]]))
    goalless = np.zeros((40, 2), dtype=np.int64)
    for model in (fit_score_model(some_inputs(40), goalless), independent_poisson(goalless)):
        assert model.grids(some_inputs(40)).of_scores(goalless).min() > 0.85


def test_a_model_is_the_same_from_its_json() -> None:
    model = fit_score_model(some_inputs(500), drawn(MODEL, some_inputs(500)))
    assert ScoreModel.from_json(model.to_json()) == model


def test_the_recipe_of_the_page_makes_the_same_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, recipe, _ = re.split(r"```(?:python)?\n", (ROOT / "docs/goals.md").read_text())
    (tmp_path / "goals.json").write_text(MODEL.to_json())
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(recipe, names)
    inputs = np.concatenate([some_inputs(30), [[12.0, 9.0, 4.0], [0.0, 0.0, 1.0]]])
    wanted = some_outcomes(32)
    ours = MODEL.grids(inputs).tilted(wanted).cells
    theirs = [names["score_grid"](*known) for known in zip(inputs, wanted, strict=True)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
