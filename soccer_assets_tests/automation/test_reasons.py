"""A training knows why it runs."""

from collections.abc import Iterator

import dagster as dg
import pytest

from soccer_assets.automation.conditions import TRIGGERS
from soccer_assets.automation.reasons import TRIGGER_TAG, training_reasons

AUTOMATED = {"dagster/from_automation_condition": "true"}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def report(instance: dg.DagsterInstance, check: str, *, passed: bool) -> None:
    """Materialize the report of a trigger, with its check."""
    name = TRIGGERS[check]

    @dg.asset(name=name, check_specs=[dg.AssetCheckSpec(check, asset=name)])
    def a_report() -> dg.MaterializeResult:
        result = dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.WARN)
        return dg.MaterializeResult(check_results=[result])

    assert dg.materialize([a_report], instance=instance).success


def reasons(instance: dg.DagsterInstance, tags: dict[str, str]) -> str:
    return training_reasons(instance, dg.DagsterRun("retrain", tags=tags))


def test_a_run_by_hand_is_manual(instance: dg.DagsterInstance) -> None:
    report(instance, "drift", passed=False)
    assert reasons(instance, {}) == "manual"


def test_a_run_that_says_why_is_believed(instance: dg.DagsterInstance) -> None:
    assert reasons(instance, {TRIGGER_TAG: "new features", **AUTOMATED}) == "new features"


def test_an_automated_run_names_every_trigger_that_holds(instance: dg.DagsterInstance) -> None:
    report(instance, "drift", passed=False)
    report(instance, "volume", passed=True)
    report(instance, "quality", passed=False)
    assert reasons(instance, AUTOMATED) == "drift, quality"


def test_a_trigger_that_no_longer_holds_is_not_named(instance: dg.DagsterInstance) -> None:
    report(instance, "drift", passed=False)
    report(instance, "drift", passed=True)
    assert reasons(instance, AUTOMATED) == "age"


def test_without_a_trigger_it_is_the_age(instance: dg.DagsterInstance) -> None:
    assert reasons(instance, AUTOMATED) == "age"
