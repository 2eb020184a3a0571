import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from soccer_assets.modelling.estimators import make_estimator
from soccer_assets.modelling.metrics import log_loss
from soccer_assets.modelling.rows import Rows
from soccer_assets.params.training import BadLearnerParams, UnknownLearner
from soccer_assets_tests.modelling.synthetic import (
    FEATURES,
    GOAL_FEATURES,
    rows_of,
    simulate_matches,
    simulate_scores,
)

TREES = {
    "rounds": 40,
    "learning_rate": 0.1,
    "num_leaves": 6,
    "min_data_in_leaf": 30,
    "n_jobs": 1,
}
#: What each is called -> its learner and parameters.
SMALL = {
    "boosting": ("boosting", TREES),
    "logistic": ("logistic", {}),
    "boosting that begins at a logistic": ("boosting", TREES | {"start_c": 0.1}),
}


def rows(n: int, seed: int = 0) -> Rows:
    return rows_of(simulate_matches(n, seed))


def test_unknown_names_and_params_are_named():
    with pytest.raises(UnknownLearner, match=r"'forest'.*logistic, boosting, dixon_coles"):
        make_estimator("forest")
    with pytest.raises(BadLearnerParams, match=r"boosting.*n_leaves"):
        make_estimator("boosting", {"n_leaves": 3})
    with pytest.raises(BadLearnerParams, match=r"logistic.*C"):
        make_estimator("logistic", {"C": -1})


@pytest.mark.parametrize("name", SMALL)
def test_learns_with_missing_values_and_pickles(name):
    later = rows(2000, seed=1)
    estimator = make_estimator(*SMALL[name], seed=3).fit(rows(3000))
    found = estimator.predict_proba(later.features)
    assert found.shape == (2000, 3)
    assert found.dtype == np.float64
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert log_loss(found, later.outcomes) < 0.98
    again = pickle.loads(pickle.dumps(estimator))
    assert (again.predict_proba(later.features) == found).all()
    shares = estimator.importances(later.features)
    assert shares.shape == (4,)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[:2].sum() > shares[2:].sum()


@pytest.mark.parametrize("name", SMALL)
def test_an_outcome_never_seen_still_has_its_column(name):
    all_rows = rows(600)
    seen = all_rows.outcomes != 1
    some = replace(
        all_rows,
        features=all_rows.features[seen],
        outcomes=all_rows.outcomes[seen],
        times=all_rows.times[seen],
    )
    found = make_estimator(*SMALL[name]).fit(some).predict_proba(all_rows.features)
    assert found.shape == (600, 3)
    assert found[:, 1].max() < 0.05


@pytest.mark.parametrize("name", SMALL)
def test_a_feature_never_known_is_harmless(name):
    some = rows(600)
    some.features[:, 2] = np.nan
    found = make_estimator(*SMALL[name]).fit(some).predict_proba(some.features)
    assert np.isfinite(found).all()


def test_a_row_counts_half_as_much_when_it_is_a_half_life_older():
    some = rows_of(simulate_matches(600), half_life_days=7)
    weights = some.weights()
    assert weights is not None
    week = 4 * 4 * 7  # four matches, every six hours
    assert weights[-1] == 1.0
    assert weights[:-week] == pytest.approx(weights[week:] / 2)
    assert some[slice(0, 100)].weights()[-1] == 1.0
    assert rows(600).weights() is None


@pytest.mark.parametrize("name", SMALL)
def test_what_is_old_counts_less_and_what_is_too_old_not_at_all(name):
    """The world has turned around: home wins were away wins once."""
    young, old = rows(2000, seed=1), rows(2000)
    turned = replace(old, outcomes=2 - old.outcomes, times=young.times - 2000 * 86_400 * 10**9)
    both = Rows(
        names=old.names,
        features=np.concatenate([turned.features, young.features]),
        outcomes=np.concatenate([turned.outcomes, young.outcomes]),
        times=np.concatenate([turned.times, young.times]),
    )

    def loss(rows: Rows, **params: int) -> float:
        learner, given = SMALL[name]
        fitted = make_estimator(learner, given | params).fit(rows)
        return log_loss(fitted.predict_proba(young.features), young.outcomes)

    assert loss(replace(both, half_life_days=100)) < loss(both) - 0.1
    assert loss(both, max_rows=2000) < loss(both) - 0.1


def test_boosting_stops_early_and_keeps_the_size():
    some, later = rows(2000), rows(1000, seed=1)
    params = {"rounds": 400, "learning_rate": 0.2, "early_stopping_rounds": 10, "n_jobs": 1}
    sized = make_estimator("boosting", params).fit(some, later)
    assert 0 < sized.size < 200
    again = make_estimator("boosting", params).at_size(sized.size).fit(some)
    assert again.size == sized.size
    assert (again.predict_proba(later.features) == sized.predict_proba(later.features)).all()


def test_trees_that_begin_at_a_logistic_lack_nothing_without_growing():
    some, later = rows(2000), rows(500, seed=1)
    begun = make_estimator("boosting", TREES | {"start_c": 0.1, "rounds": 1, "learning_rate": 1e-9})
    given = make_estimator("logistic", {"C": 0.1}).fit(some).predict_proba(later.features)
    assert begun.fit(some).predict_proba(later.features) == pytest.approx(given, abs=1e-6)


def test_logistic_draws_in_wild_values():
    some = rows(1000)
    estimator = make_estimator("logistic").fit(some)
    wild = some.features[:1].copy()
    wild[0, 0] = 1e30
    assert np.isfinite(estimator.predict_proba(wild)).all()


def test_dixon_coles_learns_from_goals_and_from_its_own_features_alone():
    some = rows_of(simulate_scores(3000), features=GOAL_FEATURES)
    later = rows_of(simulate_scores(2000, seed=1), features=GOAL_FEATURES)
    estimator = make_estimator("dixon_coles").fit(some)
    found = estimator.predict_proba(later.features)
    assert found.dtype == np.float64
    assert found.sum(axis=1) == pytest.approx(1.0)
    prior = np.tile(np.bincount(some.outcomes) / len(some), (2000, 1))
    assert log_loss(found, later.outcomes) < log_loss(prior, later.outcomes) - 0.05
    again = pickle.loads(pickle.dumps(estimator))
    assert (again.predict_proba(later.features) == found).all()
    shares = estimator.importances(later.features)
    assert shares.sum() == pytest.approx(1.0)
    assert not shares[:4].any()
    assert shares[4:6].min() > shares[6]


def test_dixon_coles_weighs_matches_by_their_age_and_drops_the_oldest():
    """The world has turned around: the home team's expected goals were the away team's once."""
    young, old = simulate_scores(2000, seed=1), simulate_scores(2000)
    turned = old.rename(columns={"home_goals": "away_goals", "away_goals": "home_goals"})
    turned = turned.assign(
        outcome=2 - old["outcome"], kickoff=old["kickoff"] - pd.Timedelta("999D")
    )
    both = rows_of(pd.concat([turned, young], ignore_index=True), features=GOAL_FEATURES)
    later = rows_of(young, features=GOAL_FEATURES)

    def loss(rows: Rows, **params: int) -> float:
        fitted = make_estimator("dixon_coles", params).fit(rows)
        return log_loss(fitted.predict_proba(later.features), later.outcomes)

    assert loss(replace(both, half_life_days=100)) < loss(both) - 0.05
    assert loss(both, max_rows=2000) < loss(both) - 0.05


def test_what_dixon_coles_lacks_is_named():
    matches = simulate_scores(600)
    with pytest.raises(ValueError, match="expected_goals_home, expected_goals_away, league_goals"):
        make_estimator("dixon_coles").fit(rows_of(matches, features=FEATURES))
    without = rows_of(matches.drop(columns="home_goals"), features=GOAL_FEATURES)
    with pytest.raises(ValueError, match="home_goals and away_goals"):
        make_estimator("dixon_coles").fit(without)


def test_goals_that_contradict_the_outcome_are_refused():
    matches = simulate_scores(600)
    with pytest.raises(ValueError, match="contradict"):
        rows_of(matches.assign(outcome=(matches["outcome"] + 1) % 3))
