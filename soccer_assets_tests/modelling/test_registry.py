"""The registry: one version a training, aliases that move, verdicts that stay."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soccer_assets.modelling.comparison import compare_with_champion
from soccer_assets.modelling.gates import GateParams, smoke_gate
from soccer_assets.modelling.holdout import losses_of
from soccer_assets.modelling.metrics import per_match_log_loss
from soccer_assets.modelling.registry import (
    CANDIDATE,
    CHAMPION,
    PREVIOUS,
    SMOKE,
    ModelRegistry,
    Version,
)
from soccer_assets.modelling.train import TrainingParams, TrainingResult, train
from soccer_assets_tests.modelling.mlflow_store import Store
from soccer_assets_tests.modelling.synthetic import FEATURES, simulate_matches

ALIASES = (SMOKE, CANDIDATE, CHAMPION, PREVIOUS)
#: The old model knows less than the new one.
OLD = TrainingParams(candidates={"logistic": {}}, folds=1, holdout_share=0.5)
NEW = TrainingParams(candidates={"logistic": {}}, folds=1)


@pytest.fixture(scope="module")
def dataset() -> pd.DataFrame:
    return simulate_matches(3000, seed=5)


@pytest.fixture(scope="module")
def old(dataset: pd.DataFrame) -> TrainingResult:
    return train(dataset, ["noise", "elo_difference"], OLD)


@pytest.fixture(scope="module")
def new(dataset: pd.DataFrame) -> TrainingResult:
    return train(dataset, FEATURES, NEW)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("registry"))
    yield store
    store.close()


@pytest.fixture(scope="module")
def versions(store: Store, old: TrainingResult, new: TrainingResult) -> list[Version]:
    """Versions 1 and 2: the old model and the new one."""
    found = []
    for result, params in ((old, OLD), (new, NEW)):
        store.log(result, params)
        run = store.registry().latest_training()
        assert run is not None
        found.append(store.registry().register(run))
    return found


@pytest.fixture
def registry(store: Store, versions: list[Version]) -> ModelRegistry:
    """Both versions registered, no alias set."""
    models = store.registry()
    for alias in ALIASES:
        if models.by_alias(alias):
            models._client.delete_registered_model_alias("soccer_1x2", alias)
    return models


def number(registry: ModelRegistry, alias: str) -> int | None:
    version = registry.by_alias(alias)
    return version.number if version else None


def test_an_alias_of_a_model_that_was_never_registered_is_none(tmp_path: Path) -> None:
    assert Store(tmp_path).registry().by_alias(CHAMPION) is None


def test_an_alias_that_points_nowhere_is_none(registry: ModelRegistry) -> None:
    assert [registry.by_alias(alias) for alias in ALIASES] == [None] * 4


def test_a_training_becomes_one_version_however_often_it_is_registered(
    registry: ModelRegistry, versions: list[Version]
) -> None:
    assert [version.number for version in versions] == [1, 2]
    for version in versions:
        run = registry.training(version)
        assert run.run_id == version.run_id
        assert registry.register(run).number == version.number


def test_aliases_move(registry: ModelRegistry, versions: list[Version]) -> None:
    one, two = versions
    registry.point(SMOKE, one)
    registry.point(CANDIDATE, one)
    assert (number(registry, SMOKE), number(registry, CANDIDATE)) == (1, 1)
    registry.point(SMOKE, two)
    assert (number(registry, SMOKE), number(registry, CANDIDATE)) == (2, 1)


def test_promotion_keeps_the_version_before(
    registry: ModelRegistry, versions: list[Version]
) -> None:
    one, two = versions
    registry.promote(one)
    assert (number(registry, CHAMPION), number(registry, PREVIOUS)) == (1, None)
    registry.promote(two)
    assert (number(registry, CHAMPION), number(registry, PREVIOUS)) == (2, 1)
    registry.promote(two)  # again: the way back stays open
    assert (number(registry, CHAMPION), number(registry, PREVIOUS)) == (2, 1)
    registry.promote(one)  # the rollback
    assert (number(registry, CHAMPION), number(registry, PREVIOUS)) == (1, 2)


def test_a_champion_knows_when_it_was_promoted(
    registry: ModelRegistry, versions: list[Version]
) -> None:
    registry.promote(versions[0])
    champion = registry.by_alias(CHAMPION)
    assert champion is not None
    assert timedelta(0) <= datetime.now(UTC) - champion.promoted_at < timedelta(minutes=1)


def test_verdicts_are_recorded_passed_or_not(
    registry: ModelRegistry, versions: list[Version], new: TrainingResult, dataset: pd.DataFrame
) -> None:
    version = versions[1]
    passed = smoke_gate(new.model, dataset.tail(200))
    failed = smoke_gate(new.model, dataset.tail(200), GateParams(max_mean_probability=0.01))
    assert passed.passed
    assert not failed.passed
    for verdict in (passed, failed):
        registry.point(SMOKE, version)
        registry.record(version, verdict)
        recorded = registry.by_alias(SMOKE)
        assert recorded is not None
        assert recorded.verdict("smoke") == verdict.as_dict()
        assert recorded.verdict("champion") is None


def test_a_loaded_version_predicts_the_same_bytes(
    registry: ModelRegistry,
    versions: list[Version],
    old: TrainingResult,
    new: TrainingResult,
    dataset: pd.DataFrame,
) -> None:
    for version, result in zip(versions, (old, new), strict=True):
        model = registry.load(version)
        assert model.features == result.model.features
        assert model.trained_until == result.model.trained_until
        expected = result.model.predict_proba(dataset)
        assert model.predict_proba(dataset).tobytes() == expected.tobytes()


def test_another_process_of_the_registry_sees_the_same(
    store: Store, registry: ModelRegistry, versions: list[Version]
) -> None:
    registry.promote(versions[1])
    assert number(store.registry(), CHAMPION) == 2


# Comparison with the champion


def test_without_a_champion_there_is_nothing_to_compare_with(
    registry: ModelRegistry, versions: list[Version], new: TrainingResult, dataset: pd.DataFrame
) -> None:
    comparison = compare_with_champion(registry, versions[1], dataset)
    assert comparison.champion_losses is None
    table = new.holdout_predictions
    np.testing.assert_array_equal(comparison.losses, losses_of(table, "model"))
    assert comparison.losses.mean() == pytest.approx(new.report["model"].log_loss)
    for name in ("class_prior", "elo_ordered_logit"):
        np.testing.assert_array_equal(comparison.baseline_losses[name], losses_of(table, name))


def test_the_champion_is_not_compared_with_itself(
    registry: ModelRegistry, versions: list[Version], dataset: pd.DataFrame
) -> None:
    registry.promote(versions[1])
    assert compare_with_champion(registry, versions[1], dataset).champion_losses is None


def test_the_champion_is_scored_on_the_same_matches(
    registry: ModelRegistry, versions: list[Version], old: TrainingResult, dataset: pd.DataFrame
) -> None:
    registry.promote(versions[0])
    shuffled = dataset.sample(frac=1, random_state=1)
    comparison = compare_with_champion(registry, versions[1], shuffled)
    held_out = dataset.set_index("match_id").loc[comparison.matches["match_id"]]
    expected = per_match_log_loss(old.model.predict_proba(held_out), held_out["outcome"].to_numpy())
    assert comparison.champion_losses is not None
    np.testing.assert_array_equal(comparison.champion_losses, expected)
    assert comparison.champion_losses.mean() > comparison.losses.mean()
    assert comparison.outcomes.tolist() == held_out["outcome"].tolist()
    lengths = {
        len(one)
        for one in (
            comparison.matches,
            comparison.probabilities,
            comparison.outcomes,
            comparison.losses,
            comparison.champion_losses,
            comparison.weeks,
        )
    }
    assert lengths == {len(held_out)}


def test_a_week_is_cut_on_thursday_so_that_a_weekend_is_one(
    registry: ModelRegistry, versions: list[Version], dataset: pd.DataFrame
) -> None:
    comparison = compare_with_champion(registry, versions[1], dataset)
    kickoffs = comparison.matches["kickoff"]
    weeks = pd.Series(comparison.weeks)
    assert weeks.is_monotonic_increasing
    new = weeks.diff() == 1
    assert new.sum() >= 3
    assert set(kickoffs[new].dt.day_name()) == {"Thursday"}


def test_matches_that_have_left_the_dataset_since_are_not_judged_by(
    registry: ModelRegistry, versions: list[Version], dataset: pd.DataFrame
) -> None:
    """A result may be annulled between the training and the gate."""
    registry.promote(versions[0])
    whole = compare_with_champion(registry, versions[1], dataset)
    fewer = compare_with_champion(registry, versions[1], dataset.drop(index=[2990, 2999]))
    kept = ~whole.matches["match_id"].isin([3990, 3999]).to_numpy()
    assert kept.sum() == len(kept) - 2
    assert whole.champion_losses is not None
    assert fewer.champion_losses is not None
    np.testing.assert_array_equal(fewer.losses, whole.losses[kept])
    np.testing.assert_array_equal(fewer.champion_losses, whole.champion_losses[kept])
    np.testing.assert_array_equal(fewer.weeks, whole.weeks[kept])
    for name, losses in fewer.baseline_losses.items():
        np.testing.assert_array_equal(losses, whole.baseline_losses[name][kept])
