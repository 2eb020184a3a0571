"""The champion's office: every way in and out is on record, and a kill leaves nothing half done."""

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from soccer_assets.modelling.mlflow_service import Unusable
from soccer_assets.modelling.office import By, NotPossible, Office, holder
from soccer_assets.modelling.registry import (
    AWAITING,
    CHAMPION,
    MODEL_NAME,
    ModelRegistry,
    Version,
)
from soccer_assets.modelling.train import TrainingResult, train
from soccer_assets.modelling.verdict import Criterion, Verdict
from soccer_assets.params.training import TrainingParams
from soccer_assets.warehouse import promotions
from soccer_assets.warehouse.promotions import Decision, decisions
from soccer_assets_tests.modelling.mlflow_store import Store
from soccer_assets_tests.modelling.synthetic import FEATURES, simulate_matches

pytestmark = pytest.mark.system

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
GATE = By("gate", "run-1")
JO = By("jo")
PASSED = Verdict("champion", (Criterion("not_inferior", True, 0.0005, "< 0.001", "close"),))
FAILED = Verdict("champion", (Criterion("not_inferior", False, 0.01, "< 0.001", "far"),))
PARAMS = TrainingParams(candidates={"logistic": {}}, folds=1)


class Killed(BaseException):
    """Stands for a kill between two requests, which are whole each."""


@pytest.fixture(scope="module")
def result() -> TrainingResult:
    return train(simulate_matches(1500, seed=5), FEATURES, PARAMS)


@pytest.fixture(scope="module")
def filled(
    new_store: Callable[[Path], Store],
    result: TrainingResult,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Store]:
    """Four versions, each on newer data than the one before."""
    store = new_store(tmp_path_factory.mktemp("office") / "home")
    for revision in "abcd":
        run = store.registry().training_run(store.log(result, PARAMS, revision))
        store.registry().register(run)
    yield store
    store.close()


@pytest.fixture
def registry(filled: Store) -> Iterator[ModelRegistry]:
    models = filled.registry()
    yield models
    client = models._client
    for alias in client.get_registered_model(MODEL_NAME).aliases:
        client.delete_registered_model_alias(MODEL_NAME, alias)
    for version in client.search_model_versions(f"name = '{MODEL_NAME}'"):
        for tag in version.tags:
            client.delete_model_version_tag(MODEL_NAME, version.version, tag)


@pytest.fixture
def versions(registry: ModelRegistry) -> list[Version]:
    """Number 0 is none, so that each is at its place."""
    return [registry.version(max(number, 1)) for number in range(5)]


@pytest.fixture
def office(registry: ModelRegistry, engine: sa.Engine) -> Office:
    return Office(registry, engine, lambda: NOON)


def told(engine: sa.Engine) -> list[tuple[str, int | None, int | None, str]]:
    """Kind, champion before, version, and who: oldest first."""
    return [
        (
            one.kind,
            one.before.version if one.before else None,
            one.about.version if one.about else None,
            one.who,
        )
        for one in reversed(decisions(engine))
    ]


def number(registry: ModelRegistry, alias: str = CHAMPION) -> int | None:
    version = registry.by_alias(alias)
    return version.number if version else None


def test_a_promotion_is_recorded_with_its_figures(
    office: Office, registry: ModelRegistry, versions: list[Version], engine: sa.Engine
) -> None:
    office.promote(versions[1], PASSED, GATE)
    office.promote(versions[2], PASSED, GATE)
    assert number(registry) == 2
    assert told(engine) == [("promoted", None, 1, "gate"), ("promoted", 1, 2, "gate")]
    newest = decisions(engine)[0]
    assert newest.about == holder(versions[2])
    assert newest.decided_at == NOON
    assert newest.dagster_run_id == "run-1"
    assert newest.figures == {"verdict": PASSED.as_dict()}
    assert newest.reason == PASSED.summary()
    assert registry.version(2).decision is None


def test_a_refusal_is_recorded_once_for_each_champion(
    office: Office, registry: ModelRegistry, versions: list[Version], engine: sa.Engine
) -> None:
    office.promote(versions[1], PASSED, GATE)
    training = registry.training(versions[2])
    for _ in range(2):
        office.refuse(versions[2], training, FAILED, GATE, counts=True)
    assert told(engine)[1:] == [("rejected", 1, 2, "gate")]
    assert number(registry) == 1


def test_refusals_since_the_champion_came_into_office_are_counted_by_version(
    office: Office, registry: ModelRegistry, versions: list[Version]
) -> None:
    trainings = [registry.training(version) for version in versions]
    office.refuse(versions[1], trainings[1], FAILED, GATE, counts=True)
    office.promote(versions[2], PASSED, GATE)
    office.refuse(versions[3], trainings[3], FAILED, GATE, counts=True)
    office.refuse(versions[1], trainings[1], FAILED, GATE, counts=False)
    assert office.refused(versions[4]) == [trainings[3].trained_until]
    assert office.refused(versions[3]) == []  # its own does not make it another attempt


# Sign-off


def test_what_waits_for_a_sign_off_serves_when_it_is_approved(
    office: Office, registry: ModelRegistry, versions: list[Version], engine: sa.Engine
) -> None:
    office.promote(versions[1], PASSED, GATE)
    for _ in range(2):
        office.await_sign_off(versions[2], PASSED, GATE)
    assert (number(registry), number(registry, AWAITING)) == (1, 2)
    with pytest.raises(NotPossible, match=r"version 3 does not wait .* version 2 does"):
        office.approve(3, None, JO)
    office.approve(2, "looked at the report", JO)
    assert (number(registry), number(registry, AWAITING)) == (2, None)
    assert told(engine)[1:] == [("awaiting", 1, 2, "gate"), ("approved", 1, 2, "jo")]
    assert decisions(engine)[0].reason == "looked at the report"
    with pytest.raises(NotPossible, match="none does"):
        office.approve(2, None, JO)


def test_what_a_person_has_rejected_does_not_come_again(
    office: Office, registry: ModelRegistry, versions: list[Version], engine: sa.Engine
) -> None:
    office.await_sign_off(versions[1], PASSED, GATE)
    office.reject(1, "a strange slice", JO)
    assert (number(registry), number(registry, AWAITING)) == (None, None)
    assert told(engine) == [("awaiting", None, 1, "gate"), ("rejected", None, 1, "jo")]
    training = registry.training(versions[1])
    assert office.bar(versions[1], training) == "jo has rejected it: a strange slice"
    assert office.bar(versions[2], registry.training(versions[2])) is None


# Rollback


def newer(registry: ModelRegistry, version: Version, days: int) -> Any:
    """The training of a version, as if its data reached further."""
    import pandas as pd

    training = registry.training(version)
    return replace(training, trained_until=training.trained_until + pd.Timedelta(days=days))


def test_a_rollback_goes_to_the_predecessor_and_the_fallen_needs_new_data_to_return(
    office: Office, registry: ModelRegistry, versions: list[Version], engine: sa.Engine
) -> None:
    for version in versions[1:4]:
        office.promote(version, PASSED, GATE)
    assert office.roll_back(None, "worse in the cup", JO, {"e_value": 31.0}).number == 2
    assert number(registry) == 2
    assert told(engine)[-1] == ("rolled_back", 3, 2, "jo")
    newest = decisions(engine)[0]
    assert newest.reason == "worse in the cup"
    assert newest.figures["e_value"] == 31.0
    assert registry.version(3).tags["fallen"] == "worse in the cup"
    # Neither the fallen nor any that was there.
    for version in versions[3:]:
        assert "later versions may challenge" in str(
            office.bar(version, newer(registry, version, 9))
        )
    later = replace(versions[4], number=5)
    same, further = (newer(registry, versions[4], days) for days in (0, 1))
    assert office.bar(later, same) == "version 3 has fallen with data that were no older"
    assert office.bar(later, replace(further, data_revision="c")) is not None
    assert office.bar(later, further) is None


def test_a_second_rollback_passes_over_the_fallen(
    office: Office, registry: ModelRegistry, versions: list[Version]
) -> None:
    for version in versions[1:4]:
        office.promote(version, PASSED, GATE)
    office.roll_back(None, "first", JO)
    assert office.roll_back(None, "second", JO).number == 1
    with pytest.raises(NotPossible, match="no predecessor"):
        office.roll_back(None, "third", JO)
    assert office.roll_back(3, "it was not so bad", JO).number == 3
    assert registry.champion() is not None
    assert number(registry) == 3


def test_a_rollback_to_nowhere_is_refused_and_moves_nothing(
    office: Office, registry: ModelRegistry, versions: list[Version], engine: sa.Engine
) -> None:
    with pytest.raises(NotPossible, match="no champion"):
        office.roll_back(None, "why not", JO)
    office.promote(versions[1], PASSED, GATE)
    for to, why, error in (
        (None, "no predecessor", NotPossible),
        (1, "is the champion already", NotPossible),
        (99, "there is no version 99", Unusable),
    ):
        with pytest.raises(error, match=why):
            office.roll_back(to, "why not", JO)
    assert told(engine) == [("promoted", None, 1, "gate")]
    assert number(registry) == 1


# At once


def at_once(*acts: Callable[[], Version]) -> list[Version | NotPossible]:
    """What each gave, or why it was not possible; none begins before all can."""
    ready = threading.Barrier(len(acts))

    def act(one: Callable[[], Version]) -> Version | NotPossible:
        ready.wait(timeout=60)
        try:
            return one()
        except NotPossible as error:
            return error

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(act, acts))


def refusals(outcomes: list[Version | NotPossible]) -> list[str]:
    return [str(outcome) for outcome in outcomes if isinstance(outcome, NotPossible)]


@pytest.mark.parametrize("to", [2, None])
def test_of_rollbacks_at_once_one_moves_the_champion(
    to: int | None,
    office: Office,
    registry: ModelRegistry,
    versions: list[Version],
    engine: sa.Engine,
) -> None:
    for version in versions[1:4]:
        office.promote(version, PASSED, GATE)
    outcomes = at_once(*[lambda: office.roll_back(to, "worse", JO)] * 3)
    told_no = refusals(outcomes)
    assert len(told_no) == 2
    assert all("version 2 of soccer_1x2" in line for line in told_no)
    assert told(engine)[3:] == [("rolled_back", 3, 2, "jo")]
    assert number(registry) == 2
    assert "fallen" not in registry.version(2).tags


def test_of_those_who_sign_off_and_reject_at_once_one_decides(
    office: Office, registry: ModelRegistry, versions: list[Version], engine: sa.Engine
) -> None:
    office.promote(versions[1], PASSED, GATE)
    office.await_sign_off(versions[2], PASSED, GATE)
    outcomes = at_once(
        *[lambda: office.approve(2, None, JO)] * 2, *[lambda: office.reject(2, "no", JO)] * 2
    )
    assert len(refusals(outcomes)) == 3
    assert all("does not wait for a sign-off" in line for line in refusals(outcomes))
    [decided] = told(engine)[2:]
    assert decided in [("approved", 1, 2, "jo"), ("rejected", 1, 2, "jo")]
    assert number(registry) == (2 if decided[0] == "approved" else 1)


def test_a_verdict_counts_against_the_champion_that_it_was_found_against(
    office: Office, registry: ModelRegistry, versions: list[Version], engine: sa.Engine
) -> None:
    """Who was rolled back to while the gate compared has not been compared with."""
    for version in versions[1:4]:
        office.promote(version, PASSED, GATE)
    office.roll_back(None, "worse", JO)
    before = decisions(engine)
    training = registry.training(versions[4])
    for decide in (
        lambda: office.promote(versions[4], PASSED, GATE, instead_of=versions[3]),
        lambda: office.promote(versions[4], PASSED, GATE, instead_of=None),
        lambda: office.await_sign_off(versions[4], PASSED, GATE, instead_of=versions[3]),
        lambda: office.refuse(
            versions[4], training, FAILED, GATE, counts=True, instead_of=versions[3]
        ),
        lambda: office.roll_back(1, "worse", JO, instead_of=versions[3]),
    ):
        with pytest.raises(NotPossible, match="version 2 of soccer_1x2 has come into office"):
            decide()
    with pytest.raises(NotPossible, match="version 2 of soccer_1x2 is the champion already"):
        office.promote(versions[2], PASSED, GATE)
    assert decisions(engine) == before
    assert (number(registry), number(registry, AWAITING)) == (2, None)
    office.promote(versions[4], PASSED, GATE, instead_of=versions[2])
    assert number(registry) == 4


# Words


@pytest.mark.parametrize("nothing", ["", "  ", "\n\t"])
def test_a_decision_of_a_person_needs_a_reason_and_a_name(
    nothing: str,
    office: Office,
    registry: ModelRegistry,
    versions: list[Version],
    engine: sa.Engine,
) -> None:
    for version in versions[1:3]:
        office.promote(version, PASSED, GATE)
    office.await_sign_off(versions[3], PASSED, GATE)
    before = decisions(engine)
    for why, by, asked in ((nothing, JO, "reason"), ("worse", By(nothing), "name")):
        for decide in (
            lambda why=why, by=by: office.roll_back(1, why, by),
            lambda why=why, by=by: office.approve(3, why, by),
            lambda why=why, by=by: office.reject(3, why, by),
        ):
            with pytest.raises(NotPossible, match=asked):
                decide()
    assert decisions(engine) == before
    assert (number(registry), number(registry, AWAITING)) == (2, 3)
    office.approve(3, None, JO)
    assert decisions(engine)[0].reason == "signed off"


# By hand


def test_an_alias_that_was_moved_by_hand_goes_on_record_once(
    office: Office, registry: ModelRegistry, versions: list[Version], engine: sa.Engine
) -> None:
    office.promote(versions[1], PASSED, GATE)
    office.promote(versions[2], PASSED, GATE)
    registry.point(CHAMPION, versions[1])
    for _ in range(2):
        champion = office.settle()
        assert champion is not None
        assert champion.number == 1
    assert told(engine)[2:] == [("moved_by_hand", 2, 1, "unknown")]
    # Who was there before does not push aside whom a person has put there.
    for version in versions[2:]:
        assert office.bar(version, newer(registry, version, 9)) is not None
    later = replace(versions[4], number=5)
    assert office.bar(later, registry.training(versions[4])) is None
    registry.remove_alias(CHAMPION)
    assert office.settle() is None
    assert told(engine)[3:] == [("moved_by_hand", 1, None, "unknown")]


def test_a_champion_of_before_the_record_is_where_it_begins(
    office: Office, registry: ModelRegistry, versions: list[Version], engine: sa.Engine
) -> None:
    registry.promote(versions[1])
    office.settle()
    assert told(engine) == [("moved_by_hand", None, 1, "unknown")]
    assert "when the record began" in decisions(engine)[0].reason
    assert office.bar(versions[2], registry.training(versions[2])) is None


@pytest.mark.parametrize("note", ["", "{", "[]", '{"kind": "promoted"}'])
def test_a_note_that_is_not_legible_is_none(
    note: str,
    office: Office,
    registry: ModelRegistry,
    versions: list[Version],
    engine: sa.Engine,
) -> None:
    registry.promote(versions[1], note)
    office.settle()
    assert told(engine) == [("moved_by_hand", None, 1, "unknown")]


# Kills


def die_before(registry: ModelRegistry, write: int, patch: pytest.MonkeyPatch) -> None:
    """Have the n-th write from now on, to MLflow or the table, be the end of this process."""
    written = itertools.count(1)

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*arguments: Any, **more: Any) -> Any:
            if next(written) == write:
                raise Killed
            return method(*arguments, **more)

        return ask

    client = registry._client
    for name in dir(client):
        if name.startswith(("set_", "create_", "delete_")):
            patch.setattr(client, name, counted(getattr(client, name)))
    patch.setattr(promotions, "record", counted(promotions.record))


def act(office: Office, versions: list[Version], what: str) -> None:
    if what == "promote":
        office.promote(versions[3], PASSED, GATE)
    elif what == "approve":
        office.approve(3, None, JO)
    elif what == "reject":
        office.reject(3, "no", JO)
    else:
        office.roll_back(None, "worse", JO)


@pytest.mark.parametrize("what", ["promote", "approve", "reject", "roll back"])
def test_a_decision_that_was_killed_is_as_if_not_begun_or_is_completed_by_the_next_look(
    what: str,
    office: Office,
    registry: ModelRegistry,
    versions: list[Version],
    engine: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = {"promote": "promoted", "approve": "approved", "reject": "rejected"}
    kind = kinds.get(what, "rolled_back")
    after = {"promote": 3, "approve": 3, "reject": 2, "roll back": 1}[what]
    finished = False
    for write in range(1, 12):
        for version in versions[1:3]:
            registry.point(CHAMPION, version)
            office.settle()
        if what in ("approve", "reject"):
            office.await_sign_off(versions[3], PASSED, GATE)
        before = decisions(engine)
        with monkeypatch.context() as patch:
            die_before(registry, write, patch)
            try:
                act(office, versions, what)
            except Killed:
                pass
            else:
                finished = True
        office.settle()
        champion = number(registry)
        added = _added(decisions(engine), before)
        if champion == 2 and (what != "reject" or number(registry, AWAITING) == 3):
            assert added == []
        else:
            assert champion == after
            assert [(one.kind, one.before, one.about) for one in added] == [
                (kind, holder(versions[2]), holder(versions[1 if what == "roll back" else 3]))
            ]
            assert number(registry, AWAITING) is None
            assert ("fallen" in registry.version(2).tags) is (what == "roll back")
        for version in versions[1:]:
            now = registry.version(version.number)
            if number(registry) == version.number:
                assert now.decision is None
        if "fallen" in registry.version(2).tags:
            registry._client.delete_model_version_tag(MODEL_NAME, "2", "fallen")
        registry.remove_alias(AWAITING)
        if finished:
            break
    assert finished
    assert write > 3


def _added(now: list[Decision], before: list[Decision]) -> list[Decision]:
    return now[: len(now) - len(before)]
