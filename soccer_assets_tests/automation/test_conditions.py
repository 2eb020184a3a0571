"""What the conditions of the real definitions ask for, tick by tick, when something has happened."""

import time
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.storage.dagster_run import DagsterRunStatus

from soccer_assets.definitions import defs
from soccer_assets_tests.automation.loop import BLOCKING, FEATURES, REPORTS, Loop


@pytest.fixture
def loop(loop: Loop) -> Loop:
    """The automation has seen that everything exists."""
    loop.tick()
    return loop


def test_nothing_is_asked_for_while_nothing_happens(loop: Loop) -> None:
    assert loop.tick() == {}
    assert loop.tick(timedelta(hours=1)) == {}


# The training loop


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_that_fails_asks_for_a_training_and_says_why(loop: Loop, report: str) -> None:
    loop.reported(report, passed=False)
    assert set(loop.tick()) == {"trained_model"}
    held = loop.labels_that_held("trained_model")
    assert {one for one in held if one.endswith(f": {report}")} == {f"{REPORTS[report]}: {report}"}
    assert not {one for other in set(REPORTS) - {report} for one in held if other in one}
    assert "retrain" in held
    assert "trained_model" not in loop.tick()


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_that_passes_asks_for_none(loop: Loop, report: str) -> None:
    loop.reported(report, passed=True)
    assert loop.tick() == {}


def test_a_second_failing_report_asks_again_although_none_has_passed_between(loop: Loop) -> None:
    loop.reported("feature_drift", passed=False)
    assert "trained_model" in loop.tick()
    loop.made("trained_model")
    loop.tick()
    tomorrow = loop.now + timedelta(days=1)
    assert "trained_model" not in loop.tick_at(tomorrow)  # the old report alone is no reason
    loop.reported("feature_drift", passed=False)
    assert "trained_model" in loop.tick()


def test_two_failing_reports_at_once_are_one_training(loop: Loop) -> None:
    loop.reported("feature_drift", passed=False)
    loop.reported("data_volume", passed=False)
    assert loop.tick()["trained_model"] == {None}
    held = loop.labels_that_held("trained_model")
    assert {"drift: feature_drift", "volume: data_volume"} <= held
    assert "trained_model" not in loop.tick()


def test_a_failing_report_waits_for_the_end_of_the_cool_down(loop: Loop) -> None:
    loop.made("trained_model")
    loop.tick()
    loop.reported("feature_drift", passed=False)
    assert "trained_model" not in loop.tick()
    assert "cool-down" in loop.labels_that_held("trained_model")
    assert "trained_model" not in loop.tick(timedelta(hours=12))
    # At 3 in the morning it ends, and the report has not been forgotten.
    assert "trained_model" not in loop.tick_at(datetime(2025, 3, 2, 2, 59, tzinfo=UTC))
    assert "trained_model" in loop.tick_at(datetime(2025, 3, 2, 3, 1, tzinfo=UTC))


def test_a_failure_that_is_over_by_the_end_of_the_cool_down_is_no_reason(loop: Loop) -> None:
    loop.made("trained_model")
    loop.tick()
    loop.reported("data_volume", passed=False)
    loop.tick()
    loop.reported("data_volume", passed=True)
    loop.tick()
    assert "trained_model" not in loop.tick_at(datetime(2025, 3, 2, 3, 1, tzinfo=UTC))


def test_a_training_in_flight_is_not_asked_for_again(loop: Loop) -> None:
    job = defs.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection={dg.AssetKey("trained_model")}
    )
    run = loop.instance.create_run_for_job(
        job,
        status=DagsterRunStatus.STARTED,
        asset_selection=frozenset({dg.AssetKey("trained_model")}),
    )
    loop.reported("feature_drift", passed=False)
    assert "trained_model" not in loop.tick()
    # It ends without a model: the report is still a reason.
    loop.instance.report_run_failed(run)
    assert "trained_model" in loop.tick()


def test_a_model_that_has_gone_stale_asks_for_a_training_once_a_night(loop: Loop) -> None:
    """Until there is a new one: a training that fails does not make the old one any fresher."""
    change = FreshnessStateChange(
        key=dg.AssetKey("trained_model"),
        previous_state=FreshnessState.PASS,
        new_state=FreshnessState.FAIL,
        state_change_timestamp=time.time(),
    )
    loop.instance.report_runless_asset_event(change)
    assert "trained_model" in loop.tick()
    assert "freshness: model" in loop.labels_that_held("trained_model")
    assert "trained_model" not in loop.tick()
    assert "trained_model" not in loop.tick(timedelta(hours=12))
    assert "trained_model" in loop.tick_at(datetime(2025, 3, 2, 3, 1, tzinfo=UTC))
    assert "trained_model" not in loop.tick()


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
        # A training that fails is not started over and over, but once for all new features.
        assert loop.tick() == {}
        loop.made(*FEATURES)
        assert "trained_model" in loop.tick()


def test_a_first_model_is_asked_for_by_who_has_not_seen_the_features_come() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        loop = Loop(instance)
        loop.made(*FEATURES)
        assert "trained_model" in loop.tick()


def test_nothing_is_trained_on_features_that_fail_their_check(loop: Loop) -> None:
    loop.made(*FEATURES)
    [check] = BLOCKING["features"]
    loop.checked("features", check, False, blocking=True)
    loop.reported("feature_drift", passed=False)
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
