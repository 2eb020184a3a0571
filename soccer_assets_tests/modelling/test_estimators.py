import pickle

import numpy as np
import pytest

from soccer_assets.modelling.estimators import Validation, make_estimator
from soccer_assets.modelling.metrics import log_loss
from soccer_assets.modelling.model import feature_matrix
from soccer_assets.params.training import BadEstimatorParams, UnknownEstimator
from soccer_assets_tests.modelling.synthetic import FEATURES, simulate_matches

SMALL = {
    "boosting": {
        "rounds": 40,
        "learning_rate": 0.1,
        "num_leaves": 6,
        "min_data_in_leaf": 30,
        "n_jobs": 1,
    },
    "logistic": {},
}


def rows(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    frame = simulate_matches(n, seed)
    return feature_matrix(frame, FEATURES), frame["outcome"].to_numpy(np.int64)


def test_unknown_names_and_params_are_named():
    with pytest.raises(UnknownEstimator, match=r"'forest'.*logistic, boosting"):
        make_estimator("forest")
    with pytest.raises(BadEstimatorParams, match=r"boosting.*n_leaves"):
        make_estimator("boosting", {"n_leaves": 3})
    with pytest.raises(BadEstimatorParams, match=r"logistic.*C"):
        make_estimator("logistic", {"C": -1})


@pytest.mark.parametrize("name", ["logistic", "boosting"])
def test_learns_with_missing_values_and_pickles(name):
    x, y = rows(3000)
    later, truth = rows(2000, seed=1)
    estimator = make_estimator(name, SMALL[name], seed=3).fit(x, y)
    found = estimator.predict_proba(later)
    assert found.shape == (2000, 3)
    assert found.dtype == np.float64
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert log_loss(found, truth) < 0.98
    assert (pickle.loads(pickle.dumps(estimator)).predict_proba(later) == found).all()
    shares = estimator.importances()
    assert shares.shape == (4,)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[:2].sum() > shares[2:].sum()


@pytest.mark.parametrize("name", ["logistic", "boosting"])
def test_an_outcome_never_seen_still_has_its_column(name):
    x, y = rows(600)
    seen = y != 1
    found = make_estimator(name, SMALL[name]).fit(x[seen], y[seen]).predict_proba(x)
    assert found.shape == (600, 3)
    assert found[:, 1].max() < 0.05


@pytest.mark.parametrize("name", ["logistic", "boosting"])
def test_a_feature_never_known_is_harmless(name):
    x, y = rows(600)
    x[:, 2] = np.nan
    found = make_estimator(name, SMALL[name]).fit(x, y).predict_proba(x)
    assert np.isfinite(found).all()


def test_boosting_stops_early_and_keeps_the_size():
    x, y = rows(2000)
    later, truth = rows(1000, seed=1)
    params = {"rounds": 400, "learning_rate": 0.2, "early_stopping_rounds": 10, "n_jobs": 1}
    sized = make_estimator("boosting", params).fit(x, y, Validation(later, truth))
    assert 0 < sized.rounds < 200
    again = sized.at_fitted_size().fit(x, y)
    assert again.rounds == sized.rounds
    assert (again.predict_proba(later) == sized.predict_proba(later)).all()


def test_logistic_draws_in_wild_values():
    x, y = rows(1000)
    estimator = make_estimator("logistic").fit(x, y)
    wild = x[:1].copy()
    wild[0, 0] = 1e30
    assert np.isfinite(estimator.predict_proba(wild)).all()
