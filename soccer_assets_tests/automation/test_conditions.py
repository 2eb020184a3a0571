"""What the conditions of the real definitions ask for, tick by tick, when something has happened."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.test_utils import freeze_time

from soccer_assets_tests.automation.conftest import make_everything
from soccer_assets_tests.automation.loop import BLOCKING, FEATURES, REPORTS, Loop

DRIFT = next(iter(REPORTS))


@pytest.fixture
def loop() -> Iterator[Loop]:
    """Everything exists since yesterday, and the automation has seen it."""
    with dg.DagsterInstance.ephemeral() as instance:
        loop = Loop(instance)
        with freeze_time(loop.now - timedelta(days=1)):
            make_everything(loop)
        loop.tick()
        yield loop


def test_nothing_is_asked_for_while_nothing_happens(loop: Loop) -> None:
    assert loop.tick() == {}
    assert loop.tick(timedelta(hours=1)) == {}


# The training loop, which test_training.py knows more of


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_that_fails_asks_for_a_training_and_says_why(loop: Loop, report: str) -> None:
    loop.reported(report, passed=False)
    assert set(loop.tick()) == {"trained_model"}
    held = loop.labels_that_held("trained_model")
    assert held & set(REPORTS.values()) == {REPORTS[report]}
    assert "retrain" in held


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_that_passes_asks_for_none(loop: Loop, report: str) -> None:
    loop.reported(report, passed=True)
    assert loop.tick() == {}


def test_two_failing_reports_at_once_are_one_training(loop: Loop) -> None:
    for report in REPORTS:
        loop.reported(report, passed=False)
    assert loop.tick()["trained_model"] == {None}
    assert set(REPORTS.values()) <= loop.labels_that_held("trained_model")


def test_new_features_ask_for_no_training_by_themselves(loop: Loop) -> None:
    loop.made(*FEATURES)
    assert "trained_model" not in loop.tick()


def test_the_first_features_ask_for_a_first_model() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        loop = Loop(instance)
        assert loop.tick() == {}
        loop.made(*FEATURES)
        assert "trained_model" in loop.tick()
        assert "no model yet" in loop.labels_that_held("trained_model")


def test_nothing_is_trained_on_features_that_fail_their_check(loop: Loop) -> None:
    loop.made(*FEATURES)
    [check] = BLOCKING["features"]
    loop.checked("features", check, False, blocking=True)
    loop.reported(DRIFT, passed=False)
    assert "trained_model" not in loop.tick()
    loop.checked("features", check, True, blocking=True)
    assert "trained_model" in loop.tick()


# The feed


def test_the_day_that_comes_into_sight_is_asked_for_at_midnight(loop: Loop) -> None:
    asked = loop.tick_at(datetime(2025, 3, 2, 0, 1, tzinfo=UTC))
    day = {"2025-03-17"}
    assert asked == {"livescores": day, "match_raw": day, "match": day}
    assert loop.tick() == {}


def test_days_long_gone_are_left_to_a_backfill(loop: Loop) -> None:
    """The history is missing all along, and nothing of it is asked for."""
    materialized = loop.instance.get_materialized_partitions(dg.AssetKey("match"))
    assert materialized == {"2025-03-01"}
    assert loop.tick(timedelta(hours=6)) == {}
