"""A champion that is worse than its predecessor is found on settled matches, and others are not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from soccer_assets.modelling.office import REVIEW, By, Office
from soccer_assets.modelling.registry import ModelRegistry
from soccer_assets.modelling.train import TrainingResult, train
from soccer_assets.modelling.verdict import Verdict
from soccer_assets.monitoring.review import e_value, review_champion
from soccer_assets.params.gates import GateParams
from soccer_assets.params.training import TrainingParams
from soccer_assets.warehouse.promotions import decisions
from soccer_assets_tests.modelling.mlflow_store import Store
from soccer_assets_tests.modelling.synthetic import FEATURES, simulate_matches

LIMITS = GateParams()
PARAMS = TrainingParams(candidates={"logistic": {}}, folds=1)
PASSED = Verdict("champion", ())


def test_the_e_value_of_nothing_is_one_and_it_never_falls() -> None:
    assert e_value(np.empty(0)) == 1.0
    noise = np.random.default_rng(0).normal(0.002, 0.1, 4000)
    found = [e_value(noise[:n]) for n in (0, 10, 1000, 4000)]
    assert found == sorted(found)


def test_equals_ring_in_fewer_than_one_of_twenty_streams_however_often_one_looks() -> None:
    rng = np.random.default_rng(3)
    rung = sum(e_value(rng.normal(0.0, 0.1, 5000)) >= 20 for _ in range(400))
    assert rung / 400 <= 0.05


def test_one_that_has_fallen_to_elo_is_seen_within_2500_matches() -> None:
    """The gap to Elo is .017, and differs by .128 a match."""
    rng = np.random.default_rng(4)
    margin = LIMITS.rollback_margin
    seen = [e_value(rng.normal(0.017, 0.128, 2500), margin) >= 20 for _ in range(200)]
    assert np.mean(seen) >= 0.9


@pytest.fixture(scope="module")
def matches() -> pd.DataFrame:
    return simulate_matches(6000, seed=5)


@pytest.fixture(scope="module")
def models(matches: pd.DataFrame) -> tuple[TrainingResult, TrainingResult]:
    """One that knows what matters, and one that does not, of the first third."""
    past = matches.head(2000)
    return train(past, FEATURES, PARAMS), train(past, ["noise", "elo_difference"], PARAMS)


@pytest.fixture(scope="module")
def registry(
    models: tuple[TrainingResult, TrainingResult],
    empty_store: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ModelRegistry]:
    import shutil

    root = tmp_path_factory.mktemp("review") / "home"
    shutil.copytree(empty_store, root)
    store = Store(root)
    for result in models:
        store.registry().register(store.registry().training_run(store.log(result, PARAMS)))
    yield store.registry()
    store.close()


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = Store(tmp_path_factory.mktemp("empty"))
    store.registry().champion()
    store.close()
    return store.root


@pytest.fixture
def office(registry: ModelRegistry, engine: sa.Engine) -> Iterator[Callable[..., Office]]:
    """Promotes versions in turn; returns the office."""
    found = Office(registry, engine)

    def promoted(*numbers: int) -> Office:
        for number in numbers:
            found.promote(registry.version(number), PASSED, By("gate"))
        return found

    yield promoted
    for alias in ("champion", "previous_champion"):
        registry.remove_alias(alias)


def test_a_worse_champion_is_found_and_falls(
    registry: ModelRegistry,
    office: Callable[..., Office],
    matches: pd.DataFrame,
    engine: sa.Engine,
) -> None:
    here = office(1, 2)
    asked: list[str] = []

    def settled(since: str) -> pd.DataFrame:
        asked.append(since)
        return matches.sample(frac=1, random_state=1)

    found = review_champion(registry, here, settled, LIMITS)
    until = registry.training(registry.version(2)).trained_until
    assert asked == [f"{until:%Y-%m}"]
    # Only of matches that neither has learnt from.
    assert found.figures["matches"] == int((matches["kickoff"] >= until).sum()) > 3000
    assert found.is_worse, found.told
    assert found.predecessor == 1
    by = By(REVIEW)
    here.roll_back(found.predecessor, found.told, by, found.figures, instead_of=found.champion)
    champion = registry.champion()
    assert champion is not None
    assert champion.number == 1
    newest = decisions(engine)[0]
    assert (newest.kind, newest.who, newest.reason) == ("rolled_back", "review", found.told)
    assert newest.figures["e_value"] >= 20
    # The fallen is no predecessor to return to.
    again = review_champion(registry, here, settled, LIMITS)
    assert not again.is_worse
    assert "no predecessor" in again.told


def test_a_better_champion_stays(
    registry: ModelRegistry, office: Callable[..., Office], matches: pd.DataFrame
) -> None:
    found = review_champion(registry, office(2, 1), lambda since: matches, LIMITS)
    assert not found.is_worse
    assert found.figures["log_loss_difference"] < 0


def test_where_there_is_nothing_to_compare_nothing_falls(
    registry: ModelRegistry, office: Callable[..., Office], matches: pd.DataFrame
) -> None:
    here = office()
    assert "no champion" in review_champion(registry, here, lambda since: matches, LIMITS).told
    here = office(1)
    assert "no predecessor" in review_champion(registry, here, lambda since: matches, LIMITS).told
    here = office(2)
    early = review_champion(registry, here, lambda since: matches.head(1500), LIMITS)
    assert "no match is settled" in early.told
