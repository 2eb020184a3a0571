"""Decisions about the champion from the UI, from the command line and by hand, and who follows."""

import getpass
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
import mlflow
import pytest

from soccer_assets.assets import registry as registry_assets
from soccer_assets.automation.aliases import champion_alias
from soccer_assets.cli import app
from soccer_assets.modelling import gates, slices
from soccer_assets.modelling.office import By, Office
from soccer_assets.modelling.registry import (
    AWAITING,
    CANDIDATE,
    CHAMPION,
    MODEL_NAME,
    ModelRegistry,
)
from soccer_assets.modelling.train import train
from soccer_assets.modelling.verdict import Verdict
from soccer_assets.params.training import TrainingParams
from soccer_assets.settings import get_settings
from soccer_assets.simulator.server import FeedServer
from soccer_assets.warehouse.promotions import decisions
from soccer_assets_tests.automation.loop import MONITORING, SERVING, UNPARTITIONED, Loop
from soccer_assets_tests.databases import copy_of
from soccer_assets_tests.modelling.mlflow_store import Store
from soccer_assets_tests.modelling.synthetic import FEATURES, simulate_matches
from soccer_assets_tests.platform import Platform, faults_of, platform

pytestmark = pytest.mark.system

PASSED = Verdict("champion", ())
GATE = By("gate")


@dataclass(frozen=True)
class House:
    """A platform with three versions, of which none is the champion."""

    platform: Platform

    @property
    def registry(self) -> ModelRegistry:
        return self.platform.registry

    @property
    def office(self) -> Office:
        return Office(self.registry, self.platform.engine)

    def promote(self, number: int) -> None:
        self.office.promote(self.registry.version(number), PASSED, GATE)

    def champion(self) -> int | None:
        version = self.registry.by_alias(CHAMPION)
        return version.number if version else None

    def tick(self) -> Any:
        """What the sensor asks for: a RunRequest or a SkipReason."""
        resources = self.platform.definitions.resources
        assert resources is not None
        with dg.build_sensor_context(
            instance=self.platform.instance,
            definitions=self.platform.definitions,
            resources={name: resources[name] for name in ("registry", "warehouse")},
        ) as context:
            found = champion_alias.evaluate_tick(context)
        return found.run_requests[0] if found.run_requests else found.skip_message

    def follows(self) -> str:
        """Run what the sensor asks for; returns what the asset then knows."""
        request = self.tick()
        assert [key.to_user_string() for key in request.asset_selection] == ["champion_model"]
        result = self.platform.run("champion_model", tags=dict(request.tags))
        return self.platform.versions(result, "champion_model")[None]

    def told(self) -> list[tuple[str, int | None, int | None, str, str]]:
        return [
            (
                one.kind,
                one.before.version if one.before else None,
                one.about.version if one.about else None,
                one.who,
                one.reason,
            )
            for one in reversed(decisions(self.platform.engine))
        ]

    def job(self, name: str, op: str, **config: object) -> dg.ExecuteInProcessResult:
        """As somebody launches it in the UI."""
        return self.platform.definitions.resolve_job_def(name).execute_in_process(
            instance=self.platform.instance,
            run_config={"ops": {op: {"config": config}}},
            raise_on_error=False,
        )


@pytest.fixture(scope="module")
def house(tables: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    params = TrainingParams(candidates={"logistic": {}}, folds=1)
    result = train(simulate_matches(1500, seed=5), FEATURES, params)
    home: Path = tmp_path_factory.mktemp("house")
    store = Store(home)
    with (
        copy_of(tables) as url,
        FeedServer(lambda day, now: b"") as feed,  # nobody asks it
        platform(home, feed, url) as here,
    ):
        for revision in "abc":
            run = store.registry().training_run(store.log(result, params, revision))
            store.registry().register(run)
        yield House(here)
        store.close()


@pytest.fixture(autouse=True)
def _nobody_in_office(house: House) -> Iterator[None]:
    yield
    client = mlflow.MlflowClient(get_settings().tracking_uri)
    for alias in client.get_registered_model(MODEL_NAME).aliases:
        client.delete_registered_model_alias(MODEL_NAME, alias)
    house.office.settle()


def since(house: House, before: list[Any]) -> list[Any]:
    return house.told()[len(before) :]


def test_an_alias_that_is_moved_by_hand_is_recorded_and_followed_at_the_next_tick(
    house: House,
) -> None:
    house.promote(1)
    loop = Loop(house.platform.instance, house.platform.definitions)
    later = ("champion_model", *SERVING, *MONITORING)
    loop.made(*(asset for asset in UNPARTITIONED if asset not in later))
    assert house.follows().startswith("1:")
    assert house.tick() == "version 1 of soccer_1x2 is the champion, and champion_model knows"
    loop.made(*SERVING)
    assert "predictions" not in loop.behind()
    before = house.told()
    client = mlflow.MlflowClient(get_settings().tracking_uri)
    client.set_registered_model_alias(MODEL_NAME, "champion", "2")
    assert house.follows().startswith("2:")
    moved = ("moved_by_hand", 1, 2, "unknown", "the alias was moved in MLflow")
    assert since(house, before) == [moved]
    # What follows the asset is behind, and asked for: predictions, and then the workers.
    assert {"predictions", "serving_workers"} <= set(loop.behind())
    assert house.tick() == "version 2 of soccer_1x2 is the champion, and champion_model knows"
    assert since(house, before) == [moved]


def test_what_is_asked_for_and_does_not_come_is_asked_for_again_and_not_at_every_tick(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.promote(3)
    first, second = house.tick(), house.tick()
    assert first.run_key == second.run_key
    from soccer_assets.automation import aliases

    now = aliases.get_current_timestamp()
    monkeypatch.setattr(aliases, "get_current_timestamp", lambda: now + 600)
    assert house.tick().run_key != first.run_key


def test_without_a_champion_nothing_is_asked_for(house: House) -> None:
    assert house.tick() == "no version is the champion"


def test_an_mlflow_that_is_away_is_no_failed_tick(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from soccer_assets.modelling.mlflow_service import MlflowUnavailable

    def away(self: Office) -> None:
        raise MlflowUnavailable("MLflow at nowhere does not answer")

    monkeypatch.setattr(Office, "settle", away)
    assert house.tick() == "MLflow at nowhere does not answer"


def test_decisions_in_the_ui_name_who_and_why_and_are_followed(house: House) -> None:
    house.promote(1)
    if not isinstance(house.tick(), str):
        house.follows()
    house.office.await_sign_off(house.registry.version(2), PASSED, GATE)
    before = house.told()
    assert house.job("approve", "approve_version", version=2, who="jo", why="good").success
    assert house.champion() == 2
    assert house.follows().startswith("2:")
    assert house.job("rollback", "roll_back_champion", who="jo", why="was not").success
    assert house.champion() == 1
    assert house.follows().startswith("1:")
    assert since(house, before) == [
        ("approved", 1, 2, "jo", "good"),
        ("rolled_back", 2, 1, "jo", "was not"),
    ]
    house.office.await_sign_off(house.registry.version(3), PASSED, GATE)
    assert house.job("reject", "reject_version", version=3, who="jo", why="no").success
    assert since(house, before)[-1] == ("rejected", 1, 3, "jo", "no")
    refused = house.job("approve", "approve_version", version=3, who="jo")
    assert faults_of(refused) == ["version 3 does not wait for a sign-off: none does"]
    assert refused.dagster_run.tags.get("soccer/retry") is None


def commanded(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """How a command ends, and what it says."""
    with pytest.raises(SystemExit) as ended:
        app(list(arguments))
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out + printed.err


def test_decisions_on_the_command_line_name_the_user_and_why(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.promote(1)
    house.office.await_sign_off(house.registry.version(2), PASSED, GATE)
    before = house.told()
    me = getpass.getuser()
    assert commanded(capsys, "approve", "3")[0] == 1
    assert commanded(capsys, "approve", "2") == (
        0,
        "version 2 of soccer_1x2 is the champion; predictions and workers follow while the daemon "
        "runs\n",
    )
    assert commanded(capsys, "rollback", "--why", "worse", "--who", "jo")[0] == 0
    assert house.champion() == 1
    assert commanded(capsys, "rollback", "--why", "once more") == (
        1,
        "soccer: version 1 of soccer_1x2 has no predecessor that could serve: name a version\n",
    )
    assert commanded(capsys, "rollback", "--to", "3", "--why", "by number")[0] == 0
    house.office.await_sign_off(house.registry.version(2), PASSED, GATE)
    assert commanded(capsys, "reject", "2", "--why", "no")[0] == 0
    assert house.registry.by_alias(AWAITING) is None
    assert since(house, before) == [
        ("approved", 1, 2, me, "signed off"),
        ("rolled_back", 2, 1, "jo", "worse"),
        ("rolled_back", 1, 3, me, "by number"),
        ("awaiting", 3, 2, "gate", PASSED.summary()),
        ("rejected", 3, 2, me, "no"),
    ]
    code, shown = commanded(capsys, "promotions", "--limit", "2")
    assert code == 0
    assert "rejected" in shown
    assert "awaiting" in shown
    assert "by number" not in shown


def test_a_decision_without_words_is_refused_in_one_line(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.promote(1)
    house.office.await_sign_off(house.registry.version(2), PASSED, GATE)
    before = house.told()
    for decision in (["approve", "2"], ["reject", "2"], ["rollback", "--to", "2"]):
        for words, line in (
            (["--why", ""], "soccer: the reason is empty: say why\n"),
            (["--why", "  "], "soccer: the reason is empty: say why\n"),
            (["--why", "good", "--who", ""], "soccer: whoever decides has no name: say who\n"),
        ):
            assert commanded(capsys, *decision, *words) == (1, line)
    assert house.told() == before
    assert house.champion() == 1


def test_a_gate_whose_champion_fell_while_it_compared_decides_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person has rolled back to what the version was not compared with; a retry would compare."""
    house.promote(1)
    house.promote(2)
    house.registry.point(CANDIDATE, house.registry.version(3))

    def compare(*_: object) -> mock.MagicMock:
        if house.champion() == 2:
            house.office.roll_back(1, "worse", By("jo"))
        return mock.MagicMock()

    monkeypatch.setattr(registry_assets, "_comparison", compare)
    monkeypatch.setattr(gates, "champion_gate", lambda *_, **__: PASSED)
    monkeypatch.setattr(slices, "standard_slices", lambda _: [])
    monkeypatch.setattr(Office, "challenge", lambda *_: mock.MagicMock(barred=None))
    before = house.told()
    [fault] = faults_of(house.platform.run("champion_model", raise_on_error=False))
    assert "version 1 of soccer_1x2 has come into office meanwhile" in fault
    assert house.platform.run("champion_model").success
    assert since(house, before) == [
        ("rolled_back", 2, 1, "jo", "worse"),
        ("promoted", 1, 3, "gate", PASSED.summary()),
    ]


def test_the_review_of_a_champion_without_a_predecessor_is_no_failure(house: House) -> None:
    house.promote(1)
    review = house.platform.definitions.resolve_job_def("review")
    assert review.execute_in_process(instance=house.platform.instance).success
    assert house.champion() == 1
