"""The registry: one version a training, aliases that move, verdicts that stay."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc import PythonModel

from soccer_assets.modelling.comparison import Comparison, compare_with_champion
from soccer_assets.modelling.gates import smoke_gate
from soccer_assets.modelling.holdout import losses_of
from soccer_assets.modelling.metrics import per_match_log_loss
from soccer_assets.modelling.mlflow_service import MlflowUnavailable, Unusable
from soccer_assets.modelling.registry import (
    CANDIDATE,
    CHAMPION,
    PREVIOUS,
    SMOKE,
    ModelRegistry,
    Version,
)
from soccer_assets.modelling.train import TrainingResult, train
from soccer_assets.params.gates import GateParams
from soccer_assets.params.training import TrainingParams
from soccer_assets_tests.modelling.mlflow_store import Store
from soccer_assets_tests.modelling.synthetic import FEATURES, simulate_matches


class Killed(BaseException):
    """Stands for a kill between two requests to MLflow, which are whole each."""


ALIASES = (SMOKE, CANDIDATE, CHAMPION, PREVIOUS)
#: The old model knows less than the new one.
OLD = TrainingParams(candidates={"logistic": {}}, folds=1, judge_max_share=0.5)
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
def store(
    new_store: Callable[[Path], Store], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    store = new_store(tmp_path_factory.mktemp("registry") / "home")
    yield store
    store.close()


@pytest.fixture(scope="module")
def versions(store: Store, old: TrainingResult, new: TrainingResult) -> list[Version]:
    """Versions 1 and 2: the old model and the new one."""
    found = []
    for result, params in ((old, OLD), (new, NEW)):
        run = store.registry().training_run(store.log(result, params))
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


def test_an_alias_of_a_model_that_was_never_registered_is_none(
    new_store: Callable[[Path], Store], tmp_path: Path
) -> None:
    assert new_store(tmp_path / "home").registry().by_alias(CHAMPION) is None


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
        assert recorded.verdict("smoke") == verdict
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


# Kills


def die_before(registry: ModelRegistry, write: int, patch: pytest.MonkeyPatch) -> None:
    """Have the n-th write from now on be the end of this process."""
    client, written = registry._client, itertools.count(1)

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*arguments: Any, **more: Any) -> Any:
            if next(written) == write:
                raise Killed
            return method(*arguments, **more)

        return ask

    for name in dir(client):
        if name.startswith(("set_", "create_", "delete_")):
            patch.setattr(client, name, counted(getattr(client, name)), raising=True)


@pytest.mark.parametrize("write", range(1, 7))
def test_a_promotion_that_was_killed_is_as_if_it_had_not_begun_or_is_completed(
    write: int, registry: ModelRegistry, versions: list[Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = versions
    registry.promote(two)
    registry.promote(one)
    assert (number(registry, CHAMPION), number(registry, PREVIOUS)) == (1, 2)
    with monkeypatch.context() as patch:
        die_before(registry, write, patch)
        killed = False
        try:
            registry.promote(two)
        except Killed:
            killed = True
    assert killed is (write <= 5)
    after = number(registry, CHAMPION)
    assert after in (1, 2)
    assert registry.champion() is not None
    assert (after, number(registry, PREVIOUS)) in ((1, 2), (2, 1))
    # The command that was killed, once more.
    registry.promote(two)
    assert (number(registry, CHAMPION), number(registry, PREVIOUS)) == (2, 1)
    champion = registry.champion()
    assert champion is not None
    assert set(champion.tags) == {"promoted_at"} | {
        tag for tag in champion.tags if tag.startswith("verdict.")
    }


def test_a_champion_whose_predecessor_was_deleted_meanwhile_stays_in_office(
    registry: ModelRegistry, versions: list[Version]
) -> None:
    registry.point(CHAMPION, versions[0])
    registry._tag(versions[0], "replaces", "99")
    champion = registry.champion()
    assert champion is not None
    assert number(registry, PREVIOUS) is None
    assert "replaces" not in registry.by_alias(CHAMPION).tags  # type: ignore[union-attr]


def test_runs_of_trainings_that_were_killed_are_ended(registry: ModelRegistry) -> None:
    mine = {name: registry.begin_training(name, "retrain") for name in ("over", "alive", "else")}
    client = mlflow.MlflowClient()
    client.create_logged_model(
        client.get_run(mine["over"]).info.experiment_id, "half", source_run_id=mine["over"]
    )
    assert registry.end_broken_off(lambda run: run == "over") == [mine["over"]]
    statuses = {name: client.get_run(run_id).info.status for name, run_id in mine.items()}
    assert statuses == {"over": "KILLED", "alive": "RUNNING", "else": "RUNNING"}
    assert registry.end_broken_off(lambda run: run == "over") == []
    [model] = client.search_logged_models(
        [client.get_run(mine["over"]).info.experiment_id], "name = 'half'"
    )
    assert model.status.value == "FAILED"
    for name in ("alive", "else"):
        client.set_terminated(mine[name], "FAILED")


# Versions that anybody may have made


@dataclass
class Foreign(PythonModel):
    """Somebody's model, which this project has not made."""

    model: object = None

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        return [0.0] * len(model_input)


def make_version(
    registry: ModelRegistry, run_id: str | None, model: object = None, *, source: str = ""
) -> Version:
    """What a person registers by hand."""
    if not source:
        logged = mlflow.pyfunc.log_model(
            name="model", python_model=Foreign(model), pip_requirements=["mlflow"]
        )
        source = logged.model_uri
    made = registry._client.create_model_version("soccer_1x2", source, run_id)
    registry._client.set_registered_model_alias("soccer_1x2", CHAMPION, made.version)
    champion = registry.champion()
    assert champion is not None
    return champion


def test_a_version_without_our_tags_is_served_all_the_same(
    registry: ModelRegistry, versions: list[Version], dataset: pd.DataFrame, new: TrainingResult
) -> None:
    ours = versions[1]
    uri = registry.training(ours).model_uri
    champion = make_version(registry, ours.run_id, source=uri)
    assert champion.tags == {}
    assert champion.promoted_at == champion.created_at
    assert timedelta(0) <= datetime.now(UTC) - champion.promoted_at < timedelta(minutes=10)
    assert registry.training(champion).run_id == ours.run_id
    np.testing.assert_array_equal(
        registry.predict(champion, dataset), new.model.predict_proba(dataset)
    )


@pytest.mark.parametrize("text", ["", "last week", "[]", '{"gate": "smoke"}', '{"reasons": [1]}'])
def test_tags_that_are_not_legible_are_taken_for_absent(text: str) -> None:
    made = datetime(2025, 3, 1, tzinfo=UTC)
    version = Version(1, "r", {"promoted_at": text, "verdict.smoke": text}, made)
    assert version.promoted_at == made
    assert version.verdict("smoke") is None
    naive = Version(1, "r", {"promoted_at": "2025-03-02"}, made)
    assert naive.promoted_at == datetime(2025, 3, 2, tzinfo=UTC)


def test_a_version_that_cannot_be_served_is_refused_by_name_and_with_what_it_lacks(
    store: Store,
    registry: ModelRegistry,
    versions: list[Version],
    dataset: pd.DataFrame,
    old: TrainingResult,
) -> None:
    with store.run() as bare:
        foreign = make_version(registry, bare)
    with pytest.raises(Unusable, match=rf"version {foreign.number} of .* no OutcomeModel"):
        registry.predict(foreign, dataset)
    with pytest.raises(
        Unusable, match=rf"version {foreign.number} .* {bare}, lacks the tags soccer"
    ):
        registry.training(foreign)

    with store.run():
        ours = make_version(registry, None, old.model)
    with pytest.raises(Unusable, match=rf"version {ours.number} of .* has no run"):
        registry.training(replace(ours, run_id=None))
    with pytest.raises(Unusable, match=rf"version {ours.number} .* not there: noise"):
        registry.predict(ours, dataset.drop(columns="noise"))

    orphan = Version(7, "f" * 32, {}, datetime.now(UTC))
    with pytest.raises(Unusable, match=r"version 7 .* its training run f+ is gone"):
        registry.training(orphan)
    with pytest.raises(Unusable, match=r"version 99 .* files of its model are gone"):
        registry.load(Version(99, "r", {}, datetime.now(UTC)))


def test_what_each_version_was_trained_on_is_told_as_long_as_there_is_one(
    registry: ModelRegistry, versions: list[Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {version.number: "abc" for version in versions}
    assert ours.items() <= registry.data_revisions().items()

    def gone(_: object, run_id: str, gone: str) -> None:
        raise Unusable(gone)

    monkeypatch.setattr(ModelRegistry, "_run", gone)
    assert dict.fromkeys(ours).items() <= registry.data_revisions().items()


def test_an_alias_of_a_deleted_version_points_nowhere(
    store: Store, registry: ModelRegistry, versions: list[Version]
) -> None:
    version = make_version(
        registry, versions[0].run_id, source=registry.training(versions[0]).model_uri
    )
    registry._client.delete_model_version("soccer_1x2", str(version.number))
    assert registry.champion() is None


# A home that was moved, and files that are gone


@pytest.fixture
def moved(
    store: Store, registry: ModelRegistry, versions: list[Version], tmp_path: Path
) -> Iterator[Store]:
    """A home with champion 1, copied to where it is now; the old place is out of reach."""
    registry.promote(versions[0])
    here = Store(tmp_path / "My #1 home")
    shutil.copytree(store.root, here.root)
    away = store.root.with_name("away")
    store.root.rename(away)
    yield here
    away.rename(store.root)


def test_a_home_that_was_moved_serves_and_trains_as_before(
    moved: Store, old: TrainingResult, new: TrainingResult, dataset: pd.DataFrame
) -> None:
    registry = moved.registry()
    champion = registry.champion()
    assert champion is not None
    expected = old.model.predict_proba(dataset)
    np.testing.assert_array_equal(registry.predict(champion, dataset), expected)
    run = registry.training(champion)
    pd.testing.assert_frame_equal(run.holdout(), old.holdout_predictions)
    run.reference()
    run_id = moved.log(new, NEW)
    assert [path for path in (moved.root / "mlflow" / "artifacts").iterdir() if run_id in path.name]
    candidate = registry.register(registry.training_run(run_id))
    assert compare(registry, candidate, dataset).champion_losses is not None


def lose(store: Store, pattern: str) -> None:
    found = list((store.root / "mlflow" / "artifacts").glob(pattern))
    assert found
    for path in found:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("models/*", "version 1 of soccer_1x2: the files of its model are gone"),
        ("models/*/artifacts/python_model.pkl", "version 1 of soccer_1x2 cannot be loaded: "),
    ],
)
def test_a_champion_whose_files_are_gone_does_not_bar_its_replacement(
    lost: str, told: str, moved: Store, new: TrainingResult, dataset: pd.DataFrame
) -> None:
    lose(moved, lost)
    registry = moved.registry()
    champion = registry.champion()
    assert champion is not None
    with pytest.raises(Unusable, match=told):
        registry.predict(champion, dataset)
    candidate = registry.register(registry.training_run(moved.log(new, NEW)))
    comparison = compare(registry, candidate, dataset)
    assert comparison.champion_losses is None
    assert comparison.champion_fault is not None
    assert comparison.champion_fault.startswith(told)


def test_a_champion_that_needs_features_of_the_past_or_has_lost_its_judge_does_not_either(
    moved: Store, versions: list[Version], new: TrainingResult, dataset: pd.DataFrame
) -> None:
    registry = moved.registry()
    candidate = registry.register(registry.training_run(moved.log(new, NEW)))
    comparison = compare(registry, candidate, dataset.drop(columns="noise"))
    assert comparison.champion_fault is not None
    assert comparison.champion_fault.endswith("not there: noise")
    lose(moved, f"{versions[0].run_id}/artifacts/judge.pkl")
    fault = compare(registry, candidate, dataset).champion_fault
    assert fault is not None
    assert fault.endswith("lacks the file judge.pkl")


def test_a_training_that_has_lost_a_file_is_told_with_its_version(
    moved: Store,
) -> None:
    registry = moved.registry()
    champion = registry.champion()
    assert champion is not None
    lose(moved, "*/artifacts/holdout.parquet")
    (moved.root / "mlflow" / "artifacts" / str(champion.run_id)).joinpath(
        "artifacts", "reference_profile.json"
    ).write_text("{")
    run = registry.training(champion)
    with pytest.raises(Unusable, match=r"version 1 .* lacks the file holdout.parquet"):
        run.holdout()
    with pytest.raises(Unusable, match=r"version 1 .* illegible reference_profile.json"):
        run.reference()
    with pytest.raises(Unusable, match=r"version 1 .* lacks the metric nonsense"):
        run.metric("nonsense")


def test_files_that_cannot_be_read_now_are_no_files_that_are_gone(
    moved: Store, dataset: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or an outage would let a model into office that the champion would have kept out."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    registry = moved.registry()
    champion = registry.champion()
    assert champion is not None
    monkeypatch.setattr("mlflow.artifacts.download_artifacts", full)
    with pytest.raises(MlflowUnavailable, match="No space left"):
        registry.predict(champion, dataset)


# Comparison with the champion


def compare(registry: ModelRegistry, version: Version, dataset: pd.DataFrame) -> Comparison:
    return compare_with_champion(registry, version, {"abc": dataset}.__getitem__)


def no_dataset(revision: str) -> pd.DataFrame:
    raise AssertionError(revision)


def test_without_a_champion_there_is_nothing_to_compare_with(
    registry: ModelRegistry, versions: list[Version], new: TrainingResult, dataset: pd.DataFrame
) -> None:
    comparison = compare(registry, versions[1], dataset)
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
    assert compare(registry, versions[1], dataset).champion_losses is None


def test_the_champion_is_scored_on_the_same_matches(
    registry: ModelRegistry, versions: list[Version], old: TrainingResult, dataset: pd.DataFrame
) -> None:
    registry.promote(versions[0])
    shuffled = dataset.sample(frac=1, random_state=1)
    comparison = compare(registry, versions[1], shuffled)
    held_out = dataset.set_index("match_id").loc[comparison.matches["match_id"]]
    expected = per_match_log_loss(old.judge.predict_proba(held_out), held_out["outcome"].to_numpy())
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


def test_what_the_champion_has_learnt_since_it_was_judged_does_not_help_it(
    registry: ModelRegistry, versions: list[Version], old: TrainingResult, dataset: pd.DataFrame
) -> None:
    """The version that serves has learnt from the very matches: it would look better than it is."""
    registry.promote(versions[0])
    comparison = compare(registry, versions[1], dataset)
    matches = comparison.matches.set_index("match_id")
    assert matches["kickoff"].max() < old.model.trained_until
    assert matches["kickoff"].min() >= old.judge.trained_until
    held_out = dataset.set_index("match_id").loc[matches.index]
    served = per_match_log_loss(old.model.predict_proba(held_out), held_out["outcome"].to_numpy())
    assert comparison.champion_losses is not None
    assert (comparison.champion_losses != served).any()


def test_of_what_a_version_has_learnt_from_its_judge_speaks(
    registry: ModelRegistry, versions: list[Version], old: TrainingResult, dataset: pd.DataFrame
) -> None:
    late = dataset.tail(8)
    late = late.assign(kickoff=late["kickoff"] + pd.Timedelta(hours=6))
    taught = (late["kickoff"] < old.model.trained_until).to_numpy()
    assert taught.tolist() == [True] * 4 + [False] * 4
    given = registry.predict_unseen(versions[0], registry.training(versions[0]), late)
    np.testing.assert_array_equal(given[taught], old.judge.predict_proba(late)[taught])
    np.testing.assert_array_equal(given[~taught], old.model.predict_proba(late)[~taught])


@contextmanager
def tagged(registry: ModelRegistry, version: Version, **tags: object) -> Iterator[None]:
    """A version's training with other tags for a while; None is none."""
    client = registry._client
    before = client.get_run(version.run_id).data.tags

    def put(name: str, value: object) -> None:
        if value is None:
            client.delete_tag(version.run_id, name)
        else:
            client.set_tag(version.run_id, name, str(value))

    for name, value in tags.items():
        put(f"soccer.{name}", value)
    try:
        yield
    finally:
        for name in tags:
            put(f"soccer.{name}", before[f"soccer.{name}"])


def test_of_a_champion_that_was_judged_on_later_matches_only_those_are_compared(
    registry: ModelRegistry, versions: list[Version], dataset: pd.DataFrame
) -> None:
    whole = compare(registry, versions[1], dataset)
    registry.promote(versions[0])
    later = whole.matches["kickoff"].iloc[-150]
    with tagged(registry, versions[0], judged_from=later):
        comparison = compare(registry, versions[1], dataset)
    unseen = (whole.matches["kickoff"] >= later).to_numpy()
    assert 150 <= unseen.sum() < len(unseen)
    assert comparison.champion_losses is not None
    assert len(comparison.champion_losses) == unseen.sum()
    np.testing.assert_array_equal(comparison.losses, whole.losses[unseen])
    np.testing.assert_array_equal(comparison.outcomes, whole.outcomes[unseen])
    assert (comparison.matches["kickoff"] >= later).all()
    # Of too few of them nothing can be said: the champion is passed over, by name.
    with tagged(registry, versions[0], judged_from=whole.matches["kickoff"].iloc[-50]):
        comparison = compare(registry, versions[1], dataset)
    assert comparison.champion_losses is None
    assert comparison.champion_fault is not None
    assert comparison.champion_fault.startswith(
        "version 1 of soccer_1x2 may have learnt from all but 5"
    )
    assert len(comparison.losses) == len(whole.losses)


def test_a_champion_of_a_time_without_judges_is_compared_on_what_it_has_not_learnt_from(
    registry: ModelRegistry, versions: list[Version], old: TrainingResult, dataset: pd.DataFrame
) -> None:
    """Its model was its own judge."""
    registry.promote(versions[0])
    until = dataset["kickoff"].iloc[-200]
    with tagged(registry, versions[0], judged_from=None, trained_until=until):
        comparison = compare(registry, versions[1], dataset)
    held_out = dataset.set_index("match_id").loc[comparison.matches["match_id"]]
    assert held_out["kickoff"].min() == until
    expected = per_match_log_loss(old.model.predict_proba(held_out), held_out["outcome"].to_numpy())
    np.testing.assert_array_equal(comparison.champion_losses, expected)
    # One that has learnt from all of the matches cannot be compared.
    with tagged(registry, versions[0], judged_from=None):
        fault = compare(registry, versions[1], dataset).champion_fault
    assert fault is not None
    assert "may have learnt from all but 0 of the 600 matches" in fault


def test_a_week_is_cut_on_thursday_so_that_a_weekend_is_one(
    registry: ModelRegistry, versions: list[Version], dataset: pd.DataFrame
) -> None:
    comparison = compare(registry, versions[1], dataset)
    kickoffs = comparison.matches["kickoff"]
    weeks = pd.Series(comparison.weeks)
    assert weeks.is_monotonic_increasing
    new = weeks.diff() == 1
    assert new.sum() >= 3
    assert set(kickoffs[new].dt.day_name()) == {"Thursday"}


def test_what_the_champion_gives_is_worked_out_once(
    moved: Store, new: TrainingResult, dataset: pd.DataFrame
) -> None:
    """Both gates judge by the same: neither asks the champion or the dataset again."""
    registry = moved.registry()
    candidate = registry.register(registry.training_run(moved.log(new, NEW)))
    first = compare(registry, candidate, dataset)
    lose(moved, "models/*")
    again = compare_with_champion(registry, candidate, no_dataset)
    assert again.champion_fault is None
    assert first.champion_losses is not None
    assert again.champion_losses is not None
    np.testing.assert_array_equal(again.champion_losses, first.champion_losses)
    training = registry.training(candidate)
    champion = registry.champion()
    assert champion is not None
    kept = f"comparison/champion-{champion.number}-{champion.run_id}.parquet"
    training.log_table(kept, pd.DataFrame({"of": ["another version"]}))
    with pytest.raises(AssertionError):  # and so it is worked out again
        compare_with_champion(registry, candidate, no_dataset)
    registry.promote(candidate)
    registry.promote(registry.register(registry.training_run(moved.log(new, NEW))))
    with pytest.raises(AssertionError):  # it knows nothing of another champion
        compare_with_champion(registry, candidate, no_dataset)
