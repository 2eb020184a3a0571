import numpy as np
import pandas as pd
import pytest
from scipy.optimize import check_grad

from soccer_assets.modelling import baselines
from soccer_assets.modelling.baselines import ClassPrior, EloOrderedLogit


def simulated(n: int, slope: float, cut_away: float, cut_home: float) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    elo = rng.normal(50.0, 200.0, n)
    latent = slope * elo / 400.0 + rng.logistic(size=n)
    outcome = np.where(latent > cut_home, 0, np.where(latent > cut_away, 1, 2))
    return pd.DataFrame({"elo_difference": elo, "outcome": outcome})


def test_class_prior_is_the_smoothed_frequencies():
    frame = pd.DataFrame({"outcome": [0, 0, 0, 1, 1, 2, 0]})
    found = ClassPrior().fit(frame).predict_proba(frame)
    assert found == pytest.approx(np.tile([0.5, 0.3, 0.2], (7, 1)))


def test_ordered_logit_recovers_the_parameters():
    model = EloOrderedLogit().fit(simulated(40_000, 2.1, -0.7, 0.5))
    assert model.slope == pytest.approx(2.1, abs=0.08)
    assert model.cut_away == pytest.approx(-0.7, abs=0.04)
    assert model.cut_home == pytest.approx(0.5, abs=0.04)


def test_ordered_logit_gradient_is_analytic():
    frame = simulated(300, 2.0, -0.6, 0.6)
    x, y = frame["elo_difference"].to_numpy() / 400, frame["outcome"].to_numpy()
    error = check_grad(
        lambda t: baselines._negative_log_likelihood(t, x, y)[0],
        lambda t: baselines._negative_log_likelihood(t, x, y)[1],
        np.array([-0.3, 0.2, 0.9]),
    )
    assert error < 1e-6


def test_ordered_logit_probabilities():
    model = EloOrderedLogit()
    model.slope, model.cut_away, model.cut_home, model.mean_elo = 2.0, -0.5, 0.5, 100.0
    frame = pd.DataFrame({"elo_difference": [0.0, np.nan, 100.0, 1e5, -1e5]})
    found = model.predict_proba(frame)
    away = 1 / (1 + np.exp(0.5))
    assert found[0] == pytest.approx([away, 1 - 2 * away, away])
    assert found[1] == pytest.approx(found[2])
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert found[3] == pytest.approx([1, 0, 0])
    assert found[4] == pytest.approx([0, 0, 1])


def test_ordered_logit_mean_prediction_matches_the_frequencies():
    frame = simulated(5000, 1.5, -0.9, 0.3)
    found = EloOrderedLogit().fit(frame).predict_proba(frame).mean(axis=0)
    assert found == pytest.approx(np.bincount(frame["outcome"]) / 5000, abs=0.01)


@pytest.mark.parametrize("outcomes", [[0, 0, 0], [0, 2, 2], [1, 1, 1]])
def test_ordered_logit_survives_degenerate_rows(outcomes):
    frame = pd.DataFrame({"elo_difference": [np.nan, np.nan, np.nan], "outcome": outcomes})
    found = EloOrderedLogit().fit(frame).predict_proba(frame)
    assert np.isfinite(found).all()
    assert found.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("baseline", [ClassPrior, EloOrderedLogit])
def test_no_rows_are_refused(baseline):
    with pytest.raises(ValueError, match="no rows"):
        baseline().fit(pd.DataFrame({"elo_difference": [], "outcome": []}))
