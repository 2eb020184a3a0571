"""The sensor that ends dead runs and tells of those that take long; and the alert of the former."""

import logging
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from soccer_assets.alerting.outbox import Entry, find
from soccer_assets.automation import run_watch as watching
from soccer_assets.automation.jobs import ends_within
from soccer_assets.automation.retry_policy import RETRY_TAG
from soccer_assets.automation.run_alerts import Seen, run_alert
from soccer_assets.automation.run_watch import run_watch
from soccer_assets.dagster_internals import RegisteredCodeLocationOrigin
from soccer_assets.definitions import defs
from soccer_assets.resources import ParamsResource, SlackAlertResource, WarehouseResource
from soccer_assets.runner import open_instance
from soccer_assets.settings import get_settings
from soccer_assets_tests.doomed_runs import (
    Household,
    execute,
    execute_as_launched,
    monitor,
    planned,
)


@pytest.fixture
def household(household_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Household:
    household = Household(tmp_path, household_url)
    for name, value in household.environment.items():
        monkeypatch.setenv(name, value)
    return household


def tick(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None = None
) -> SensorExecutionData:
    """As the code server does it for the daemon."""
    repository = defs.get_repository_def()
    with dg.SensorEvaluationContext(
        instance_ref=None,
        instance=instance,
        last_tick_completion_time=None,
        last_run_key=None,
        cursor=cursor,
        repository_name=repository.name,
        repository_def=repository,
        code_location_origin=RegisteredCodeLocationOrigin("soccer_assets"),
        resources={
            "slack": SlackAlertResource(settings=get_settings(), channel="#tests"),
            "warehouse": WarehouseResource(settings=get_settings()),
            "params": ParamsResource(settings=get_settings()),
        },
    ) as context:
        return sensor.evaluate_tick(context)


def test_a_command_that_was_killed_is_ended_and_told(
    household: Household, caplog: pytest.LogCaptureFixture
) -> None:
    with household.start(execute, "waits") as child:
        child.hear("in step")
    with open_instance() as instance, caplog.at_level(logging.WARNING):
        before = Seen(0, 0).to_json()
        assert "1 dead runs ended" in str(tick(run_watch, instance).skip_message)
        tick(run_alert, instance, before)
        (run,) = instance.get_runs()
    [told] = outbox()
    assert told.run_id == run.run_id
    assert f"waits failed. process {child.process.pid} on" in told.text


def test_a_run_that_its_limit_ended_is_told_at_once_and_not_tried_again(
    household: Household, caplog: pytest.LogCaptureFixture
) -> None:
    with open_instance() as instance, caplog.at_level(logging.WARNING):
        run = planned(instance, "waits", ends_within(hours=1 / 3600))
        before = Seen(0, 0).to_json()
        with household.start(execute_as_launched, run.run_id) as child:
            child.hear("in step")
            time.sleep(1)
            monitor(instance)
            child.ends()
        tick(run_alert, instance, before)
        (ended,) = instance.get_runs()
    assert RETRY_TAG not in ended.tags
    [told] = outbox()
    assert "waits failed" in told.text
    assert "maximum runtime of 1 seconds" in told.text


def test_a_run_that_takes_long_is_told_once_and_closed_when_it_has_ended(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = {"a run": "ingest has been running for 7 min, usual are 2 min"}
    monkeypatch.setattr(watching, "overdue", lambda *_: late)
    with open_instance() as instance:
        tick(run_watch, instance)
        tick(run_watch, instance)
        [told] = outbox()
        assert (told.kind, told.count, told.state) == ("run_slow", 1, "open")
        late.clear()
        tick(run_watch, instance)
        assert [row.state for row in outbox()] == ["recovered"]


def outbox() -> list[Entry]:
    return find(WarehouseResource(settings=get_settings()).engine)
