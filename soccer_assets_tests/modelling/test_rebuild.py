"""A version trained again is the same to the bit, or it is told why not."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from soccer_assets.modelling.mlflow_service import Unusable
from soccer_assets.modelling.provenance import training_code
from soccer_assets.modelling.rebuild import MACHINE, rebuild_model
from soccer_assets.modelling.registry import ModelRegistry
from soccer_assets.modelling.train import train
from soccer_assets.params.training import TrainingParams
from soccer_assets_tests.modelling.mlflow_store import Store
from soccer_assets_tests.modelling.synthetic import FEATURES, simulate_matches

PARAMS = TrainingParams(candidates={"plain": {"learner": "logistic", "C": 0.01}}, folds=1)
MATCHES = simulate_matches(900, seed=8)


def data(revision: str) -> tuple[pd.DataFrame, Sequence[str]]:
    assert revision == "abc"
    return MATCHES, FEATURES


@pytest.fixture(scope="module")
def store(
    new_store: Callable[[Path], Store], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    store = new_store(tmp_path_factory.mktemp("rebuild") / "home")
    yield store
    store.close()


@pytest.fixture(scope="module")
def registry(store: Store) -> ModelRegistry:
    """Version 1 is the training."""
    registry = store.registry()
    run_id = store.log(train(MATCHES, FEATURES, PARAMS), PARAMS)
    assert registry.register(registry.training_run(run_id)).number == 1
    return registry


def test_a_version_comes_out_the_same_to_the_bit(registry: ModelRegistry) -> None:
    told: list[str] = []
    rebuilt = rebuild_model(registry, 1, data, told.append)
    assert rebuilt.same
    assert rebuilt.reasons == ()
    assert rebuilt.summary() == (
        "version 1 of soccer_1x2 came out the same to the bit on 900 matches"
    )
    assert "restored 900 matches of data revision abc" in told


def test_what_makes_it_come_out_differently_is_told(registry: ModelRegistry) -> None:
    def other(revision: str) -> tuple[pd.DataFrame, Sequence[str]]:
        return MATCHES.assign(form=MATCHES["form"] * (1 + 1e-3)), FEATURES

    assert rebuild_model(registry, 1, other).summary().endswith(MACHINE)
    run_id = registry.version(1).run_id
    before = mlflow.get_run(run_id).data.tags
    libraries = json.loads(before["soccer.libraries"])
    client = mlflow.MlflowClient()
    client.set_tag(run_id, "soccer.training_code", "0123456789abcdef")
    client.set_tag(run_id, "soccer.libraries", json.dumps(libraries | {"lightgbm": "4.0.0"}))
    try:
        rebuilt = rebuild_model(registry, 1, other)
    finally:
        for name in ("soccer.training_code", "soccer.libraries"):
            client.set_tag(run_id, name, before[name])
    assert 0 < rebuilt.difference < 1
    assert f"the training code is {training_code()}, it was 0123456789abcdef" in rebuilt.summary()
    assert f"lightgbm is {libraries['lightgbm']}, it was 4.0.0" in rebuilt.summary()


def test_what_is_gone_is_told_by_name(registry: ModelRegistry, store: Store) -> None:
    with pytest.raises(Unusable, match="there is no version 7 of soccer_1x2"):
        rebuild_model(registry, 7, data)

    def gone(revision: str) -> tuple[pd.DataFrame, Sequence[str]]:
        raise Unusable(f"revision {revision} is gone")

    with pytest.raises(Unusable, match="revision abc is gone"):
        rebuild_model(registry, 1, gone)
    run_id = registry.version(1).run_id
    (store.root / "mlflow" / "artifacts" / str(run_id) / "artifacts" / "judge.pkl").unlink()
    with pytest.raises(Unusable, match=r"version 1 .* lacks the file judge\.pkl"):
        rebuild_model(registry, 1, data)
