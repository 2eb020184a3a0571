import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from soccer_assets.modelling.holdout import probabilities_of
from soccer_assets.modelling.model import MissingFeatures
from soccer_assets.modelling.selection import FoldScore, Walk, simplest_of_the_best
from soccer_assets.modelling.splits import TooFewRows
from soccer_assets.modelling.train import TrainingResult, train
from soccer_assets.params.training import TrainingParams
from soccer_assets_tests.modelling.synthetic import FEATURES, simulate_matches

BOOSTING = {"rounds": 40, "learning_rate": 0.1, "min_data_in_leaf": 50, "n_jobs": 1}
PARAMS = TrainingParams(
    candidates={"plain": {"learner": "logistic"}, "trees": {"learner": "boosting"} | BOOSTING},
    folds=2,
)
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
    assert {card.n for card in result.report.values()} == {result.bounds["judged"].rows}
    table = result.holdout_predictions
    ids = [table.loc[table["system"] == name, "match_id"].tolist() for name in SYSTEMS]
    assert all(one == ids[0] for one in ids)
    late = dataset[dataset["kickoff"] >= result.bounds["judged"].first]
    assert ids[0] == late["match_id"].tolist()
    for name in SYSTEMS:
        assert result.losses(name).mean() == pytest.approx(result.report[name].log_loss)


def test_more_knowledge_scores_better(result):
    losses = {name: card.log_loss for name, card in result.report.items()}
    assert losses["model"] < losses["elo_ordered_logit"] < losses["class_prior"]
    assert (result.chosen, result.learner) == ("plain", "logistic")
    assert losses["model"] == losses["logistic"]


def test_parts_follow_each_other(result, dataset):
    parts = list(result.bounds.values())
    assert sum(part.rows for part in parts) == len(dataset)
    for earlier, later in pairwise(parts):
        assert earlier.last < later.first


def test_the_judge_stops_where_judging_begins_and_what_serves_knows_the_last_result(
    result, dataset
):
    assert result.judge.trained_until == result.bounds["judged"].first
    newest = dataset["kickoff"].max()
    assert newest < result.model.trained_until <= newest + pd.Timedelta(seconds=1)
    late = dataset[dataset["kickoff"] >= result.judge.trained_until]
    judged = result.judge.predict_proba(late)
    assert (probabilities_of(result.holdout_predictions, "model") == judged).all()
    assert (result.model.predict_proba(late) != judged).any()


def test_every_candidate_walks_over_the_same_folds_before_the_judged_matches(result):
    cv = result.cv
    assert list(cv["candidate"]) == ["plain"] * 2 + ["trees"] * 2
    assert (cv["test_until"] < result.bounds["judged"].first).all()
    assert (cv.groupby("fold")["test_rows"].nunique() == 1).all()
    assert cv.groupby("candidate")["test_rows"].sum().eq(result.bounds["walk_forward"].rows).all()
    assert cv["size"].notna().tolist() == [False, False, True, True]


def test_the_size_is_that_of_the_median_fold_in_proportion_to_the_rows():
    def fold(size: int | None, learnt: int) -> FoldScore:
        return FoldScore(np.empty((0, 3)), np.empty(0), size, learnt)

    walk = Walk((fold(10, 100), fold(30, 200), fold(12, 100)))
    assert walk.size_on(1000) == 120
    assert walk.size_on(1) == 1
    assert Walk((fold(None, 100),)).size_on(1000) is None


def test_judge_and_served_model_have_the_sizes_for_their_rows(boosted):
    assert boosted.size == boosted.model.estimator.size >= boosted.judge.estimator.size > 0


def walked(*losses: float) -> Walk:
    values = np.array(losses)
    return Walk((FoldScore(np.tile([0.5, 0.3, 0.2], (len(values), 1)), values, None, 1),))


def test_a_more_complex_candidate_has_to_beat_a_simpler_one_beyond_noise():
    noise = np.array([0.1, -0.1, 0.1, -0.1, 0.2, -0.2] * 2)
    walks = {"simple": walked(*np.ones(12)), "complex": walked(*(0.99 + noise))}
    assert simplest_of_the_best(walks, np.arange(12)) == "simple"
    walks["complex"] = walked(*(0.9 + noise))
    assert simplest_of_the_best(walks, np.arange(12)) == "complex"
    walks["middle"] = walks.pop("complex")
    walks["complex"] = walked(*(0.89 + noise[::-1]))
    assert simplest_of_the_best(walks, np.arange(12)) == "middle"
    # What differs by whole weeks is noise, however many matches a week has.
    weekly = {"simple": walked(*np.ones(12)), "complex": walked(*np.repeat([0.5, 1.4], 6))}
    assert simplest_of_the_best(weekly, np.repeat([1, 2], 6)) == "simple"
    assert simplest_of_the_best(weekly, np.zeros(12)) == "simple"


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


def test_the_judged_matches_never_teach_the_judge(boosted, dataset):
    late = (dataset["kickoff"] >= boosted.bounds["judged"].first).to_numpy()
    rng = np.random.default_rng(0)
    spoiled = dataset.copy()
    spoiled.loc[late, "outcome"] = rng.integers(0, 3, late.sum()).astype(np.int8)
    spoiled.loc[late, FEATURES] = rng.normal(50, 1000, (late.sum(), len(FEATURES)))
    again = train(spoiled, FEATURES, BOOSTED)
    assert (
        boosted.judge.predict_proba(dataset).tobytes()
        == again.judge.predict_proba(dataset).tobytes()
    )
    pd.testing.assert_frame_equal(boosted.cv, again.cv, check_exact=True)
    assert (boosted.chosen, boosted.size) == (again.chosen, again.size)
    assert boosted.judge.medians == again.judge.medians
    for name in ("class_prior", "elo_ordered_logit"):
        assert again.report[name].log_loss > boosted.report[name].log_loss


def test_importances_reference_and_progress(result, told):
    assert set(result.importances) == set(FEATURES)
    assert sum(result.importances.values()) == pytest.approx(1.0)
    assert list(result.importances)[-2:] != ["elo_difference", "form"]
    assert list(result.reference.features) == FEATURES
    assert result.reference.features["sparse"].missing_share == pytest.approx(0.5, abs=0.03)
    assert result.reference.rows == 6000
    assert told[0].startswith("rows: history")
    assert "chosen: plain, calibration none" in told
    assert result.report_table().loc["model", "n"] == result.bounds["judged"].rows


def test_the_result_pickles(boosted, dataset):
    again = pickle.loads(pickle.dumps(boosted))
    assert (again.model.predict_proba(dataset) == boosted.model.predict_proba(dataset)).all()


def test_a_few_hundred_matches_are_enough():
    params = TrainingParams(candidates={"logistic": {}, "boosting": BOOSTING})
    result = train(simulate_matches(300), FEATURES, params)
    assert [part.rows for part in result.bounds.values()] == [120, 120, 60]
    assert result.chosen == "logistic"


def test_judged_from_a_date(dataset):
    moment = dataset["kickoff"].iloc[5000]
    params = TrainingParams(candidates={"logistic": {}}, folds=1, judge_from=moment)
    assert train(dataset, FEATURES, params).bounds["judged"].first == moment


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


def test_a_search_changes_the_parameters_and_never_sees_the_judged_matches(tmp_path):
    matches = simulate_matches(400)
    params = TrainingParams(candidates={"plain": {"learner": "logistic", "C": 1e-6}}, trials=3)
    result = train(matches, FEATURES, params, journals=tmp_path / "search")
    found = result.tunings["plain"].params
    assert found.model_dump()["C"] > 1e-5
    assert result.params.learner("plain") == ("logistic", found)
    assert result.judge.estimator.params == result.model.estimator.params == found
    assert [file.name for file in (tmp_path / "search").iterdir()] == ["plain.log"]
    late = matches["kickoff"] >= result.judge.trained_until
    spoiled = matches.assign(outcome=matches["outcome"].where(~late, 2 - matches["outcome"]))
    assert (
        train(spoiled, FEATURES, params).tunings["plain"].trials == result.tunings["plain"].trials
    )
