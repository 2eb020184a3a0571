"""When a training is asked for, on the real evaluator: years of it, and everything that can be lost."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from soccer_assets.automation.freshness import RETRAINED_AFTER
from soccer_assets.automation.reasons import BECAUSE_TAG, TRIGGER_TAG
from soccer_assets.automation.training import TRIGGERS
from soccer_assets_tests.automation.training_loop import (
    DAY,
    FAILS,
    LEFT_OUT,
    PROMOTED,
    REFUSED,
    RUNS,
    TrainingLoop,
)

SHIFT, DECAY, VOLUME = TRIGGERS
HOUR = timedelta(hours=1)


@pytest.fixture
def params(tmp_path: Path) -> Path:
    file = tmp_path / "params.yaml"
    file.write_text("{}")
    return file


@pytest.fixture
def empty(params: Path) -> Iterator[TrainingLoop]:
    """Nothing has ever been made."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield TrainingLoop(instance, params)


@pytest.fixture
def loop(empty: TrainingLoop) -> TrainingLoop:
    """There is a champion, trained by the automation a while ago; since then there are 250 results
    more, every check passes and nothing asks for anything."""
    loop = empty
    loop.features()
    loop.checked("features", "feature_ranges", True, blocking=True)
    assert loop.tick()
    loop.matches += 250
    loop.now += 3 * DAY
    loop.features()
    for check in TRIGGERS:
        loop.reported(check, True)
    assert loop.tick() is None
    loop.asked.clear()
    return loop


def reasons(request: dg.RunRequest | None) -> str:
    assert request is not None
    return request.tags[TRIGGER_TAG]


# Why


@pytest.mark.parametrize("check", TRIGGERS)
def test_a_report_that_fails_asks_for_a_training_and_its_run_says_why(
    loop: TrainingLoop, check: str
) -> None:
    loop.matches += 1000
    loop.features()
    loop.reported(check, False)
    asked = loop.tick()
    assert asked
    assert asked.asset_selection == [dg.AssetKey("trained_model")]
    assert asked.tags[TRIGGER_TAG] == check
    assert asked.tags[BECAUSE_TAG] == f"{check}: {TRIGGERS[check]} fails (share 0.25)"
    assert {check, "a reason", "retrain"} <= loop.labels()
    assert {*TRIGGERS, "age", "recipe"} - {check} <= loop.labels(held=False)
    assert loop.tick() is None


def test_all_reasons_that_hold_are_on_the_run(loop: TrainingLoop) -> None:
    loop.now += RETRAINED_AFTER
    loop.matches += 1000
    loop.features()
    for check in TRIGGERS:
        loop.reported(check, False)
    assert reasons(loop.tick()) == f"{SHIFT}, {DECAY}, {VOLUME}, age"


def test_reasons_are_those_of_the_evaluation_though_the_checks_are_planned_again(
    loop: TrainingLoop,
) -> None:
    """A run that is to evaluate them, as the training's own, makes their newest record a plan."""
    loop.reported(SHIFT, False)
    key = dg.AssetCheckKey(dg.AssetKey(TRIGGERS[SHIFT]), SHIFT)
    loop.plans(key)
    [newest] = loop.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert newest.status.value == "PLANNED"
    assert reasons(loop.tick()) == SHIFT


def test_a_model_asks_by_its_age_before_it_goes_stale(loop: TrainingLoop) -> None:
    policy = loop.now + RETRAINED_AFTER - 3 * DAY
    assert loop.tick(policy - loop.now - HOUR) is None
    assert reasons(loop.tick(HOUR)) == "age"


def test_other_parameters_of_training_ask_once(loop: TrainingLoop) -> None:
    loop.params_file.write_text(yaml.safe_dump({"training": {"folds": 7}}))
    assert reasons(loop.tick()) == "recipe"
    assert [loop.tick(DAY) for _ in range(5)] == [None] * 5


def test_a_recipe_waits_for_features_that_other_code_has_made(
    loop: TrainingLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop.params_file.write_text(yaml.safe_dump({"training": {"folds": 7}}))

    def by_other_code(instance: Any) -> dict[str, str]:
        return {"features": "before"}

    with monkeypatch.context() as patch:
        patch.setattr("soccer_assets.automation.attempts.made_by_other_code", by_other_code)
        assert loop.tick() is None
    assert reasons(loop.tick()) == "recipe"


# When not


def test_nothing_is_asked_for_while_nothing_happens(loop: TrainingLoop) -> None:
    assert [loop.tick(HOUR) for _ in range(5)] == [None] * 5


def test_a_reason_waits_for_the_end_of_the_cool_down(loop: TrainingLoop) -> None:
    loop.reported(DECAY, False)
    assert loop.tick()
    loop.matches += 300
    loop.now += HOUR
    loop.features()
    loop.reported(DECAY, False)
    assert loop.tick(HOUR) is None
    assert f"cool-down until {loop.now + 21 * HOUR:%Y-%m-%d %H:%M} UTC" in loop.labels()
    assert DECAY in loop.labels()
    assert loop.tick(20 * HOUR) is None
    assert loop.tick(HOUR)


def test_vain_attempts_back_off_and_a_new_reason_is_heard(loop: TrainingLoop) -> None:
    loop.becomes = REFUSED
    loop.reported(SHIFT, False)
    assert loop.tick()
    loop.matches += 500
    loop.features()
    loop.now += DAY
    loop.reported(SHIFT, False)
    assert loop.tick()
    loop.matches += 200
    loop.features()
    loop.now += DAY
    loop.reported(SHIFT, False)
    assert loop.tick() is None
    [told] = [label for label in loop.labels() if label.startswith("backing off")]
    assert told.startswith("backing off after 2 refused attempts until 2025-03-0")
    loop.reported(DECAY, False)
    assert reasons(loop.tick()) == f"{SHIFT}, {DECAY}"


def test_few_new_matches_bar_what_a_report_asks_for(loop: TrainingLoop) -> None:
    loop.becomes = REFUSED
    loop.reported(SHIFT, False)
    assert loop.tick()
    loop.matches += 199
    loop.now += 3 * DAY
    loop.features()
    loop.reported(SHIFT, False)
    assert loop.tick() is None
    assert "199 of 200 newly settled matches since the last training" in loop.labels()


def test_a_training_in_flight_is_waited_for_and_missed_when_it_dies(loop: TrainingLoop) -> None:
    loop.becomes = RUNS
    loop.reported(SHIFT, False)
    asked = loop.tick()
    assert asked
    assert loop.tick(2 * DAY) is None
    assert "a training runs" in loop.labels()
    [record] = loop.instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]), limit=1
    )
    loop.ends(record.dagster_run)
    assert loop.tick()


def test_nothing_is_trained_on_features_that_fail_their_check(loop: TrainingLoop) -> None:
    loop.checked("features", "feature_ranges", False, blocking=True)
    loop.reported(SHIFT, False)
    assert loop.tick() is None
    assert "a blocking check upstream fails" in loop.labels()
    loop.checked("features", "feature_ranges", True, blocking=True)
    assert loop.tick()


def test_a_failed_run_and_its_further_tries_are_one_attempt(loop: TrainingLoop) -> None:
    loop.reported(SHIFT, False)
    loop.becomes = FAILS
    asked = loop.tick()
    assert asked
    for _ in range(4):
        [failed] = loop.instance.get_run_records(
            dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=1
        )
        loop.now += timedelta(minutes=10)
        loop.train(FAILS, {**asked.tags, "soccer/retry_of": failed.dagster_run.run_id})
    assert loop.tick(DAY - HOUR)


# Nothing is silent


def test_first_features_ask_for_a_first_model_and_no_champion_for_another(
    empty: TrainingLoop,
) -> None:
    assert empty.tick() is None  # there is nothing to learn from
    empty.becomes = LEFT_OUT
    empty.matches = 40
    empty.features()
    assert reasons(empty.tick()) == "no model yet"
    assert empty.tick(HOUR) is None
    empty.matches = 300
    empty.features()
    empty.becomes = REFUSED
    assert reasons(empty.tick()) == "no model yet"
    assert reasons(empty.tick(DAY)) == "no champion yet"
    empty.becomes = PROMOTED
    assert reasons(empty.tick(4 * DAY)) == "no champion yet"
    empty.matches += 60
    assert empty.tick(2 * DAY) is None


@pytest.mark.parametrize("becomes", [FAILS, REFUSED])
@pytest.mark.parametrize("lost", [False, True])
def test_what_came_to_nothing_is_asked_for_again_within_a_day(
    loop: TrainingLoop, becomes: str, lost: bool
) -> None:
    """Also when nothing is remembered of it but what is recorded."""
    loop.becomes = becomes
    loop.reported(SHIFT, False)
    assert loop.tick()
    if lost:
        loop.loses_everything_it_remembers()
    loop.matches += 200
    loop.features()
    loop.reported(SHIFT, False)
    assert loop.tick(HOUR) is None
    loop.reported(SHIFT, False)
    if lost:
        loop.loses_everything_it_remembers()
    assert loop.tick(DAY - HOUR)


def test_a_report_that_came_while_nobody_looked_is_heard(loop: TrainingLoop) -> None:
    """The code location is reloaded between the report and the next evaluation."""
    loop.reported(SHIFT, False)
    loop.loses_everything_it_remembers()
    assert reasons(loop.tick()) == SHIFT


# Years


def live(loop: TrainingLoop, days: int) -> int:
    """Trainings in days on which every check fails, whatever is done about it."""
    asked = 0
    for _ in range(days):
        loop.matches += 60
        loop.made("finished", **{"dagster/row_count": loop.matches})
        for check in TRIGGERS:
            loop.reported(check, False)
        asked += loop.tick(DAY) is not None
    return asked


@pytest.mark.parametrize("becomes", [REFUSED, FAILS, PROMOTED])
def test_a_month_of_everything_failing_is_a_handful_of_trainings(
    loop: TrainingLoop, becomes: str
) -> None:
    loop.becomes = becomes
    assert 4 <= live(loop, 30) <= 7


@pytest.mark.slow
@pytest.mark.parametrize("becomes", [REFUSED, FAILS, PROMOTED])
def test_a_year_of_everything_failing_is_no_storm(loop: TrainingLoop, becomes: str) -> None:
    loop.becomes = becomes
    assert 17 <= live(loop, 365) <= 30
