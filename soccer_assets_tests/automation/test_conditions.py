"""What the real definitions ask for by themselves, tick by tick, when something has happened."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.storage.dagster_run import DagsterRunStatus

from soccer_assets.definitions import defs

FEATURES = {"finished", "fixtures", "features", "features_meta", "dataset"}
REGISTRY = {"registered_model", "candidate_model", "champion_model"}
SERVING = {"serving_features", "predictions", "serving_workers"}
REPORTS = {"feature_drift": "drift", "data_volume": "volume", "prediction_scorecard": "quality"}
UNPARTITIONED = FEATURES | {"trained_model"} | REGISTRY | SERVING | set(REPORTS)
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)

Requested = dict[str, set[str | None]]


@dataclass
class Loop:
    """The automation sensor over an instance that only the test writes to."""

    instance: dg.DagsterInstance
    now: datetime = NOON
    cursor: Any = None
    results: list[dg.AutomationResult] = field(default_factory=list)

    def tick(self, after: timedelta = timedelta(minutes=1)) -> Requested:
        """Asset -> the partitions (None: it has none) that are asked for now."""
        self.now += after
        evaluated = dg.evaluate_automation_conditions(
            defs, self.instance, evaluation_time=self.now, cursor=self.cursor
        )
        self.cursor, self.results = evaluated.cursor, evaluated.results
        asked = {
            key.to_user_string(): set(evaluated.get_requested_partitions(key))
            for key in defs.resolve_asset_graph().materializable_asset_keys
        }
        return {asset: partitions for asset, partitions in asked.items() if partitions}

    def tick_at(self, moment: datetime) -> Requested:
        return self.tick(moment - self.now)

    def made(self, *assets: str, partition: str | None = None) -> None:
        """Some assets have been materialized."""
        for asset in assets:
            event = dg.AssetMaterialization(asset, partition=partition)
            self.instance.report_runless_asset_event(event)

    def checked(self, asset: str, check: str, passed: bool, *, blocking: bool = False) -> None:
        severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
        self.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(asset),
                check_name=check,
                passed=passed,
                severity=severity,
                blocking=blocking,
            )
        )

    def reported(self, report: str, passed: bool) -> None:
        """A report has been renewed, and its check with it."""
        self.made(report)
        self.checked(report, REPORTS[report], passed)

    def labels_that_held(self, asset: str) -> set[str]:
        """Of the parts of an asset's condition at the last tick."""
        held = set()

        def walk(result: dg.AutomationResult) -> None:
            label = result.condition.get_label()
            if label and not result.true_subset.is_empty:
                held.add(label)
            for child in result.child_results:
                walk(child)

        walk(next(r for r in self.results if r.key == dg.AssetKey(asset)))
        return held


@pytest.fixture
def loop() -> Iterator[Loop]:
    """Everything exists, every check passes, and the automation has seen it."""
    with dg.DagsterInstance.ephemeral() as instance:
        loop = Loop(instance)
        for asset in ("match_raw", "match"):
            loop.made(asset, partition="2025-03-01")
        for asset in ("match_raw_parquet", "match_parquet"):
            loop.made(asset, partition="2025-03-01")
        for check in ("parity_with_postgres", "unique_ids"):
            loop.checked("match_parquet", check, True, blocking=True)
        loop.made(*(UNPARTITIONED - set(REPORTS)))
        loop.checked("features", "feature_ranges", True, blocking=True)
        loop.checked("predictions", "probability_simplex", True, blocking=True)
        for report in REPORTS:
            loop.reported(report, passed=True)
        loop.tick()
        yield loop


def test_nothing_is_asked_for_while_nothing_happens(loop: Loop) -> None:
    assert loop.tick() == {}
    assert loop.tick(timedelta(hours=1)) == {}


# The training loop


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_that_fails_asks_for_a_training_and_says_why(loop: Loop, report: str) -> None:
    loop.reported(report, passed=False)
    asked = loop.tick()
    # What follows a training comes in the same run.
    assert {"trained_model"} | REGISTRY <= set(asked)
    held = loop.labels_that_held("trained_model")
    assert {one for one in held if one.endswith(f": {report}")} == {f"{REPORTS[report]}: {report}"}
    assert not {one for other in set(REPORTS) - {report} for one in held if other in one}
    assert "retrain" in held
    assert "trained_model" not in loop.tick()


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_that_passes_asks_for_none(loop: Loop, report: str) -> None:
    loop.reported(report, passed=True)
    assert not ({"trained_model"} | REGISTRY) & set(loop.tick())


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


def test_a_model_that_has_gone_stale_asks_for_a_training_once(loop: Loop) -> None:
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


def test_new_features_ask_for_no_training_by_themselves(loop: Loop) -> None:
    loop.made(*FEATURES)
    assert "trained_model" not in loop.tick()


def test_the_first_data_asks_for_everything_up_to_a_first_model() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        loop = Loop(instance)
        assert loop.tick() == {}
        loop.made("match_raw_parquet", "match_parquet", partition="2025-03-01")
        for check in ("parity_with_postgres", "unique_ids"):
            loop.checked("match_parquet", check, True, blocking=True)
        assert FEATURES | {"trained_model"} | REGISTRY <= set(loop.tick())
        assert "no model yet" in loop.labels_that_held("trained_model")
        # A training that fails is not started over and over.
        assert loop.tick() == {}


# The scoring loop


def test_days_that_changed_ask_for_their_months_old_ones_too(loop: Loop) -> None:
    for day in ("2025-02-28", "2025-03-01", "1999-05-08", "1999-05-09"):
        loop.made("match_raw", "match", partition=day)
    months = {"1999-05-01", "2025-02-01", "2025-03-01"}
    assert loop.tick() == {"match_raw_parquet": months, "match_parquet": months}
    assert loop.tick() == {}


def test_a_changed_table_asks_for_its_own_month(loop: Loop) -> None:
    loop.made("match", partition="2024-11-30")
    assert loop.tick() == {"match_parquet": {"2024-11-01"}}


def test_a_changed_month_asks_for_features_and_what_is_served_but_for_no_training(
    loop: Loop,
) -> None:
    loop.made("match_raw_parquet", "match_parquet", partition="1999-05-01")
    assert set(loop.tick()) == FEATURES | SERVING | set(REPORTS)
    assert loop.tick() == {}


def test_a_new_champion_asks_for_predictions_and_reports_but_for_no_features(loop: Loop) -> None:
    loop.made("champion_model")
    assert set(loop.tick()) == {"predictions", "serving_workers", *REPORTS}
    assert loop.tick() == {}


def test_a_model_trained_by_hand_goes_through_the_gates(loop: Loop) -> None:
    loop.made("trained_model")
    assert set(loop.tick()) >= REGISTRY


def test_without_a_champion_nothing_is_predicted() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        loop = Loop(instance)
        loop.made(*FEATURES)
        loop.tick()
        loop.made("serving_features")
        assert not (SERVING | set(REPORTS)) & set(loop.tick())


@pytest.mark.parametrize(
    ("asset", "check", "downstream"),
    [
        ("match_parquet", "parity_with_postgres", {"finished", "fixtures"}),
        ("match_parquet", "unique_ids", {"finished", "fixtures"}),
        ("features", "feature_ranges", {"serving_features"}),
        ("predictions", "probability_simplex", {"serving_workers"}),
    ],
)
def test_what_fails_a_blocking_check_is_not_built_on_until_it_passes(
    loop: Loop, asset: str, check: str, downstream: set[str]
) -> None:
    loop.made(asset, partition="2025-03-01" if asset == "match_parquet" else None)
    loop.checked(asset, check, False, blocking=True)
    assert not downstream & set(loop.tick())
    loop.checked(asset, check, True, blocking=True)
    assert downstream <= set(loop.tick())


def test_nothing_is_trained_on_features_that_fail_their_check(loop: Loop) -> None:
    loop.made(*FEATURES)
    loop.checked("features", "feature_ranges", False, blocking=True)
    loop.reported("feature_drift", passed=False)
    assert "trained_model" not in loop.tick()
    loop.checked("features", "feature_ranges", True, blocking=True)
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
