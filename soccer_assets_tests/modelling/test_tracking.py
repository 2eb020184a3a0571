"""What a training leaves in MLflow can be read back."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from soccer_assets.modelling.holdout import losses_of
from soccer_assets.modelling.metrics import per_match_log_loss
from soccer_assets.modelling.mlflow_service import Unusable
from soccer_assets.modelling.pages import Pages, pages_of
from soccer_assets.modelling.provenance import training_code, training_key
from soccer_assets.modelling.pyfunc import OutcomePyfunc
from soccer_assets.modelling.tracking import TrainingRun
from soccer_assets.modelling.train import TrainingResult, train
from soccer_assets.modelling.tuning import Trial, Tuning
from soccer_assets.params.training import LogisticParams, TrainingParams
from soccer_assets_tests.modelling.mlflow_store import Store
from soccer_assets_tests.modelling.synthetic import GOAL_FEATURES, simulate_scores

PARAMS = TrainingParams(candidates={"logistic": {}}, folds=1)


@pytest.fixture(scope="module")
def dataset() -> pd.DataFrame:
    return simulate_scores(3000, seed=4)


@pytest.fixture(scope="module")
def result(dataset: pd.DataFrame) -> TrainingResult:
    return train(dataset, GOAL_FEATURES, PARAMS)


@pytest.fixture(scope="module")
def pages(result: TrainingResult) -> Pages:
    return pages_of(result, "f00d")


@pytest.fixture(scope="module")
def store(
    new_store: Callable[[Path], Store], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    store = new_store(tmp_path_factory.mktemp("tracking") / "home")
    yield store
    store.close()


@pytest.fixture
def run(store: Store, logged: TrainingRun) -> TrainingRun:
    mlflow.set_tracking_uri(store.uri)
    return logged


@pytest.fixture(scope="module")
def logged(store: Store, result: TrainingResult, pages: Pages) -> TrainingRun:
    return store.registry().training_run(store.log(result, PARAMS, "f00d", pages))


def test_a_training_knows_its_data_and_its_scores(run: TrainingRun, result: TrainingResult) -> None:
    assert run.data_revision == "f00d"
    assert run.finished_matches == 6000
    assert run.trained_until == result.model.trained_until
    assert run.trained_until.tz is not None
    assert run.model_uri.startswith("models:/")
    expected = {
        f"{system}_{score}": value
        for system, card in result.report.items()
        for score, value in card.as_dict().items()
    }
    assert result.goals is not None
    assert run.metrics == pytest.approx(expected | result.goals.metrics())
    assert run.metrics["model_log_loss"] < run.metrics["class_prior_log_loss"]


def test_a_training_knows_how_to_make_score_grids(run: TrainingRun, result: TrainingResult) -> None:
    assert result.goals is not None
    assert run.goals() == result.goals.model
    path = mlflow.artifacts.download_artifacts(run_id=run.run_id, artifact_path="goals.csv")
    pd.testing.assert_frame_equal(pd.read_csv(path), result.goals.scores)


def test_tags_and_parameters_are_logged(run: TrainingRun) -> None:
    data = mlflow.get_run(run.run_id).data
    assert data.tags["why"] == "test"
    assert data.tags["soccer.chosen"] == "logistic"
    assert json.loads(data.params["candidates"]) == {"logistic": {}}
    assert set(data.params) == set(PARAMS.model_dump())


def test_the_holdout_comes_back_to_the_bit(run: TrainingRun, result: TrainingResult) -> None:
    table = run.holdout()
    pd.testing.assert_frame_equal(table, result.holdout_predictions, check_exact=True)
    assert losses_of(table, "model").mean() == pytest.approx(run.metrics["model_log_loss"])


def test_the_reference_profile_comes_back(run: TrainingRun, result: TrainingResult) -> None:
    assert run.reference().to_json() == result.reference.to_json()


def test_the_card_describes_the_version(store: Store, run: TrainingRun) -> None:
    version = store.registry().register(run)
    described = mlflow.MlflowClient().get_model_version("soccer_1x2", str(version.number))
    assert described.description == run.card()
    assert described.description.startswith("# 1X2 model")


def test_reports_lie_beside_the_run_for_people(
    run: TrainingRun, result: TrainingResult, pages: Pages
) -> None:
    folder = Path(mlflow.artifacts.download_artifacts(run_id=run.run_id))
    cards = json.loads((folder / "scorecard.json").read_text())
    assert list(cards) == list(result.report)
    importances = json.loads((folder / "importances.json").read_text())
    assert importances == pytest.approx(result.importances)
    assert len(pd.read_csv(folder / "cross_validation.csv")) == len(result.cv)
    assert (folder / "report.png").read_bytes() == pages.figure
    assert len(pd.read_csv(folder / "slices.csv")) == len(pages.report.slices)


def test_the_logged_model_predicts_the_same_probabilities(
    run: TrainingRun, result: TrainingResult, dataset: pd.DataFrame
) -> None:
    """Through MLflow's own door, which enforces the signature: all features as doubles."""
    loaded = mlflow.pyfunc.load_model(run.model_uri)
    features = dataset[GOAL_FEATURES].astype("float64").set_index(dataset["match_id"]).iloc[:50]
    answer = loaded.predict(features)
    assert list(answer.columns) == ["p_home", "p_draw", "p_away"]
    assert answer.index.equals(features.index)
    assert (answer.to_numpy() == result.model.predict_proba(features)).all()
    assert [column.name for column in loaded.metadata.signature.inputs] == GOAL_FEATURES
    with pytest.raises(mlflow.MlflowException, match="form"):
        loaded.predict(features.drop(columns="form"))


def test_the_flavour_adds_nothing_to_the_model(
    result: TrainingResult, dataset: pd.DataFrame
) -> None:
    some = dataset.iloc[::400]
    answer = OutcomePyfunc(result.model).predict(None, some)
    np.testing.assert_array_equal(answer, result.model.predict_proba(some))
    outcomes = some["outcome"].to_numpy()
    assert np.isfinite(per_match_log_loss(answer.to_numpy(), outcomes)).all()


def test_what_trained_it_is_known(run: TrainingRun) -> None:
    tags = mlflow.get_run(run.run_id).data.tags
    assert tags["soccer.training_code"] == training_code()
    assert json.loads(tags["soccer.libraries"])["lightgbm"] == version("lightgbm")


def test_what_determines_a_training_is_in_its_key() -> None:
    key = training_key("f00d", GOAL_FEATURES, PARAMS)
    assert key == training_key("f00d", list(GOAL_FEATURES), PARAMS.model_copy())
    others = {
        training_key("f00e", GOAL_FEATURES, PARAMS),
        training_key("f00d", GOAL_FEATURES[::-1], PARAMS),
        training_key("f00d", GOAL_FEATURES, PARAMS.model_copy(update={"seed": 21})),
    }
    assert len(others | {key}) == 4


def test_every_trial_of_a_search_is_a_run_below_the_training(
    store: Store, result: TrainingResult
) -> None:
    trials = (
        Trial(0, {"C": 1.0}, (1.1, 1.05), pruned=False),
        Trial(1, {"C": 0.001}, (1.2,), pruned=True),
    )
    found = Tuning(LogisticParams(), trials, {"C": 1.0})
    parent = store.log(replace(result, tunings={"logistic": found}), PARAMS)
    below = mlflow.search_runs(
        [store.experiment_id],
        f"tags.`mlflow.parentRunId` = '{parent}'",
        order_by=["attributes.start_time"],
        output_format="list",
    )
    assert [run.info.run_name for run in below] == ["logistic trial 0", "logistic trial 1"]
    assert [run.data.params["C"] for run in below] == ["1.0", "0.001"]
    assert [run.data.metrics["log_loss"] for run in below] == [1.05, 1.2]
    assert [run.data.tags["soccer.pruned"] for run in below] == ["False", "True"]
    assert {run.info.status for run in below} == {"FINISHED"}
    importance = mlflow.get_run(parent).data.metrics["search_logistic_C_importance"]
    assert importance == 1.0


def test_what_is_no_training_is_refused_by_name(store: Store, run: TrainingRun) -> None:
    with store.run() as other:
        mlflow.log_metric("something_else", 1.0)
    with pytest.raises(Unusable, match=f"training {other} lacks the tags soccer.data_revision"):
        store.registry().training_run(other)
    with pytest.raises(Unusable, match=f"training {'f' * 32} is gone"):
        store.registry().training_run("f" * 32)


def test_a_training_that_somebody_deleted_is_gone(store: Store, result: TrainingResult) -> None:
    deleted = store.log(result, PARAMS)
    mlflow.MlflowClient(store.uri).delete_run(deleted)
    with pytest.raises(Unusable, match=f"training {deleted} is gone"):
        store.registry().training_run(deleted)


def test_a_table_can_be_added_to_a_training_that_has_ended(run: TrainingRun) -> None:
    name, table = "comparison/one.parquet", pd.DataFrame({"match_id": [1], "p_home": [0.1 + 0.2]})
    with pytest.raises(Unusable, match=f"training {run.run_id} lacks the file {name}"):
        run.table(name)
    run.log_table(name, table)
    pd.testing.assert_frame_equal(run.table(name), table, check_exact=True)
