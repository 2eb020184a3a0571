"""What a training leaves in MLflow can be read back."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from soccer_assets.modelling.holdout import losses_of
from soccer_assets.modelling.metrics import per_match_log_loss
from soccer_assets.modelling.pyfunc import OutcomePyfunc
from soccer_assets.modelling.tracking import TrainingRun, reliability_plot
from soccer_assets.modelling.train import TrainingResult, train
from soccer_assets.params.training import TrainingParams
from soccer_assets_tests.modelling.mlflow_store import Store
from soccer_assets_tests.modelling.synthetic import FEATURES, simulate_matches

PARAMS = TrainingParams(candidates={"logistic": {}}, folds=1)


@pytest.fixture(scope="module")
def dataset() -> pd.DataFrame:
    return simulate_matches(3000, seed=4)


@pytest.fixture(scope="module")
def result(dataset: pd.DataFrame) -> TrainingResult:
    return train(dataset, FEATURES, PARAMS)


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
def logged(store: Store, result: TrainingResult) -> TrainingRun:
    run_id = store.log(result, PARAMS, revision="f00d")
    found = store.registry().latest_training()
    assert found is not None
    assert found.run_id == run_id
    return found


def test_no_training_before_the_first(new_store: Callable[[Path], Store], tmp_path: Path) -> None:
    assert new_store(tmp_path / "home").registry().latest_training() is None


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
    assert run.metrics == pytest.approx(expected)
    assert run.metrics["model_log_loss"] < run.metrics["class_prior_log_loss"]


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


def test_the_reliability_plot_is_a_picture_of_this_training(
    run: TrainingRun, result: TrainingResult
) -> None:
    image = run.reliability_png()
    assert image.startswith(b"\x89PNG")
    assert image == reliability_plot(result)


def test_reports_lie_beside_the_run_for_people(run: TrainingRun, result: TrainingResult) -> None:
    folder = Path(mlflow.artifacts.download_artifacts(run_id=run.run_id))
    cards = json.loads((folder / "scorecard.json").read_text())
    assert list(cards) == list(result.report)
    importances = json.loads((folder / "importances.json").read_text())
    assert importances == pytest.approx(result.importances)
    assert len(pd.read_csv(folder / "cross_validation.csv")) == len(result.cv)


def test_the_logged_model_predicts_the_same_probabilities(
    run: TrainingRun, result: TrainingResult, dataset: pd.DataFrame
) -> None:
    """Through MLflow's own door, which enforces the signature: all features as doubles."""
    loaded = mlflow.pyfunc.load_model(run.model_uri)
    features = dataset[FEATURES].astype("float64").set_index(dataset["match_id"]).iloc[:50]
    answer = loaded.predict(features)
    assert list(answer.columns) == ["p_home", "p_draw", "p_away"]
    assert answer.index.equals(features.index)
    assert (answer.to_numpy() == result.model.predict_proba(features)).all()
    assert [column.name for column in loaded.metadata.signature.inputs] == FEATURES
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


def test_the_latest_training_is_the_last_that_finished(store: Store, run: TrainingRun) -> None:
    """Neither one that failed half-way nor a run that is no training."""

    def break_off() -> None:
        with store.run():
            mlflow.set_tag("soccer.kind", "training")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        break_off()
    with store.run():
        mlflow.log_metric("something_else", 1.0)
    latest = store.registry().latest_training()
    assert latest is not None
    assert latest.run_id == run.run_id


def test_a_training_that_ended_while_the_clock_was_ahead_is_not_the_latest_for_ever(
    new_store: Callable[[Path], Store], tmp_path: Path
) -> None:
    store = new_store(tmp_path / "home")
    registry, client, year = store.registry(), mlflow.MlflowClient(store.uri), 365 * 86_400_000
    tags = {
        "soccer.kind": "training",
        "soccer.model_uri": "models:/one",
        "soccer.data_revision": "f00d",
        "soccer.trained_until": "2024-03-09",
        "soccer.finished_matches": "1",
    }
    for wrong_by in (0, year, 0, -year, 0):
        run_id = registry.begin_training("dagster", "retrain")
        for name, value in tags.items():
            client.set_tag(run_id, name, value)
        client.set_terminated(run_id, "FINISHED", int(time.time() * 1000) + wrong_by)
        latest = registry.latest_training()
        assert latest is not None
        assert latest.run_id == run_id
    store.close()
