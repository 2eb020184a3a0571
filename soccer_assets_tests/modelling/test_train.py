import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from soccer_assets.modelling.model import MissingFeatures
from soccer_assets.modelling.selection import best_candidate
from soccer_assets.modelling.splits import TooFewRows
from soccer_assets.modelling.train import TrainingResult, train
from soccer_assets.params.training import TrainingParams
from soccer_assets_tests.modelling.synthetic import FEATURES, simulate_matches

BOOSTING = {"rounds": 40, "learning_rate": 0.1, "min_data_in_leaf": 50, "n_jobs": 1}
PARAMS = TrainingParams(candidates={"boosting": BOOSTING, "logistic": {}}, folds=2)
BOOSTED = TrainingParams(candidates={"boosting": BOOSTING}, folds=2)
SYSTEMS = ["model", "class_prior", "elo_ordered_logit", "logistic"]


@pytest.fixture(scope="module")
def dataset() -> pd.DataFrame:
    return simulate_matches(6000, seed=2)


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def result(dataset, told) -> TrainingResult:
    return train(dataset, FEATURES, PARAMS, told.append)


@pytest.fixture(scope="module")
def boosted(dataset) -> TrainingResult:
    return train(dataset, FEATURES, BOOSTED)


def test_every_system_is_scored_on_the_same_matches(result, dataset):
    assert list(result.report) == SYSTEMS
    assert {card.n for card in result.report.values()} == {result.bounds["holdout"].rows}
    table = result.holdout_predictions
    ids = [table.loc[table["system"] == name, "match_id"].tolist() for name in SYSTEMS]
    assert all(one == ids[0] for one in ids)
    late = dataset[dataset["kickoff"] >= result.bounds["holdout"].first]
    assert ids[0] == late["match_id"].tolist()
    for name in SYSTEMS:
        assert result.losses(name).mean() == pytest.approx(result.report[name].log_loss)


def test_more_knowledge_scores_better(result):
    losses = {name: card.log_loss for name, card in result.report.items()}
    assert losses["model"] < losses["elo_ordered_logit"] < losses["class_prior"]
    assert result.chosen == "logistic"
    assert losses["model"] == losses["logistic"]


def test_parts_follow_each_other(result, dataset):
    parts = list(result.bounds.values())
    assert sum(part.rows for part in parts) == len(dataset)
    for earlier, later in pairwise(parts):
        assert earlier.last < later.first
    assert result.model.trained_until == parts[-1].first


def test_cv_stays_before_calibration_on_common_folds(result):
    cv = result.cv
    assert list(cv["candidate"]) == ["boosting"] * 2 + ["logistic"] * 2
    assert (cv["test_until"] < result.bounds["calibration"].first).all()
    assert (cv.groupby("fold")["test_rows"].nunique() == 1).all()
    assert result.chosen == best_candidate(cv)


def test_cv_looks_at_no_more_than_the_latest_rows(dataset):
    few = BOOSTED.model_copy(update={"cv_max_rows": 1000})
    cv = train(dataset, FEATURES, few).cv
    assert (cv["train_rows"] + cv["test_rows"]).max() == 1000


def test_best_candidate_weighs_folds_by_matches():
    cv = pd.DataFrame(
        {
            "candidate": ["a", "a", "b", "b"],
            "test_rows": [100, 900, 100, 900],
            "log_loss": [0.9, 1.02, 1.0, 1.01],
        }
    )
    assert best_candidate(cv) == "a"
    assert best_candidate(cv.assign(log_loss=[0.9, 1.03, 1.0, 1.01])) == "b"
    assert best_candidate(cv.assign(log_loss=1.0)) == "a"


def test_same_inputs_same_bytes(boosted, dataset):
    again = train(dataset, FEATURES, BOOSTED)
    ours, theirs = (one.model.predict_proba(dataset).tobytes() for one in (boosted, again))
    assert ours == theirs
    pd.testing.assert_frame_equal(
        boosted.holdout_predictions, again.holdout_predictions, check_exact=True
    )
    pd.testing.assert_frame_equal(boosted.cv, again.cv, check_exact=True)
    assert boosted.reference.to_json() == again.reference.to_json()


def test_the_order_of_rows_and_naive_kickoffs_change_nothing(boosted, dataset):
    shuffled = dataset.sample(frac=1.0, random_state=0)
    shuffled["kickoff"] = shuffled["kickoff"].dt.tz_localize(None)
    again = train(shuffled, FEATURES, BOOSTED)
    pd.testing.assert_frame_equal(boosted.holdout_predictions, again.holdout_predictions)


def test_the_holdout_never_teaches(boosted, dataset):
    late = (dataset["kickoff"] >= boosted.bounds["holdout"].first).to_numpy()
    rng = np.random.default_rng(0)
    spoiled = dataset.copy()
    spoiled.loc[late, "outcome"] = rng.integers(0, 3, late.sum()).astype(np.int8)
    spoiled.loc[late, FEATURES] = rng.normal(50, 1000, (late.sum(), len(FEATURES)))
    again = train(spoiled, FEATURES, BOOSTED)
    assert (
        boosted.model.predict_proba(dataset).tobytes()
        == again.model.predict_proba(dataset).tobytes()
    )
    pd.testing.assert_frame_equal(boosted.cv, again.cv, check_exact=True)
    assert boosted.reference.to_json() == again.reference.to_json()
    assert boosted.model.medians == again.model.medians
    for name in ("class_prior", "elo_ordered_logit"):
        assert again.report[name].log_loss > boosted.report[name].log_loss


def test_calibration_rows_teach_the_calibrator_only(boosted, dataset):
    first, last = boosted.bounds["calibration"].first, boosted.bounds["calibration"].last
    slice_ = dataset["kickoff"].between(first, last)
    spoiled = dataset.copy()
    spoiled.loc[slice_, "outcome"] = np.int8(2)
    again = train(spoiled, FEATURES, BOOSTED)
    matrix = np.ascontiguousarray(dataset[FEATURES], dtype=np.float32)
    assert (
        boosted.model.estimator.predict_proba(matrix) == again.model.estimator.predict_proba(matrix)
    ).all()
    assert again.model.calibrator.bias[2] > boosted.model.calibrator.bias[2] + 0.5


def test_importances_reference_and_progress(result, told):
    assert set(result.importances) == set(FEATURES)
    assert sum(result.importances.values()) == pytest.approx(1.0)
    assert list(result.importances)[-2:] != ["elo_difference", "form"]
    assert list(result.reference.features) == FEATURES
    assert result.reference.features["sparse"].missing_share == pytest.approx(0.5, abs=0.03)
    fitted = result.bounds["train"].rows + result.bounds["validation"].rows
    assert result.reference.rows == fitted
    assert told[0].startswith("split: train")
    assert "chosen: logistic" in told
    assert result.report_table().loc["model", "n"] == result.bounds["holdout"].rows


def test_the_result_pickles(boosted, dataset):
    again = pickle.loads(pickle.dumps(boosted))
    assert (again.model.predict_proba(dataset) == boosted.model.predict_proba(dataset)).all()


def test_holdout_from_a_date(dataset):
    moment = dataset["kickoff"].iloc[5000]
    params = TrainingParams(candidates={"logistic": {}}, folds=1, holdout_from=moment)
    assert train(dataset, FEATURES, params).bounds["holdout"].first == moment


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda d: d.drop(columns="form"), MissingFeatures, "form"),
        (lambda d: d.drop(columns="outcome"), MissingFeatures, "outcome"),
        (lambda d: d.assign(outcome=3), ValueError, "outcomes must be"),
        (lambda d: pd.concat([d, d.iloc[:1]]), ValueError, "a match twice"),
        (lambda d: d.assign(kickoff=pd.NaT), ValueError, "no kick-off"),
        (lambda d: d.iloc[:100], TooFewRows, "needs 30"),
        (lambda d: d.iloc[:0], TooFewRows, "no row"),
    ],
)
def test_malformed_datasets_are_refused(dataset, spoil, error, message):
    with pytest.raises(error, match=message):
        train(spoil(dataset), FEATURES, BOOSTED)


def test_feature_lists_are_checked(dataset):
    with pytest.raises(ValueError, match="no feature"):
        train(dataset, [], BOOSTED)
    with pytest.raises(ValueError, match="named twice"):
        train(dataset, ["form", "form"], BOOSTED)
