"""Who is told what of runs, checks and freshness, through the outbox."""

import time
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from soccer_assets.alerting.kinds import Kind
from soccer_assets.automation.delivery import alert_delivery
from soccer_assets.automation.run_alerts import run_alert
from soccer_assets.automation.stale_alerts import freshness_alert
from soccer_assets.definitions import defs
from soccer_assets_tests.automation.alert_desk import UI, Desk
from soccer_assets_tests.fake_slack import Slack

pytestmark = pytest.mark.system

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


# Failed runs


@dg.asset
def refused() -> None:
    raise dg.Failure("livescores 2025-02-26: HTTP 500 (4 attempts)")


@dg.asset
def broken() -> None:
    try:
        raise ConnectionError("the lake does not answer")
    except ConnectionError as error:
        raise RuntimeError("no export") from error


@dg.asset
def whole(context: dg.AssetExecutionContext) -> None:
    if "answers" not in context.run.tags:
        raise dg.Failure("no worker answers")


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2025-02-01"))
def daily(context: dg.AssetExecutionContext) -> None:
    if not context.run.tags.get("works"):
        raise dg.Failure(f"nothing for {context.partition_key}")


@dg.asset
def checked() -> None: ...


@dg.asset_check(asset=checked, blocking=True)
def never_passes() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, metadata={"missing": ["elapsed"]})


def nightly(*assets: Any, checks: tuple[Any, ...] = ()) -> dg.Definitions:
    return dg.Definitions(
        assets=assets,
        asset_checks=checks,
        jobs=[dg.define_asset_job("nightly", dg.AssetSelection.all())],
    )


def test_a_failed_run_is_told_with_its_job_steps_reasons_and_link(desk: Desk, slack: Slack) -> None:
    """An exception by what went wrong first."""
    desk.definitions = nightly(refused, broken)
    result = desk.run()
    desk.tell()
    [text] = slack.posted
    assert "nightly failed" in text
    assert "refused: livescores 2025-02-26: HTTP 500 (4 attempts)" in text
    assert "broken: ConnectionError: the lake does not answer" in text
    assert f"{UI}/runs/{result.run_id}" in text


def test_what_has_no_partitions_is_over_when_it_goes_through_in_a_run_of_others(desk: Desk) -> None:
    desk.definitions = nightly(daily, whole)
    works = {"works": "yes"}
    desk.run(partition_key="2025-02-26", tags=works)
    desk.tell(MINUTE)
    [row] = desk.outbox
    assert (row.state, row.scope["steps"], row.scope["partitions"]) == ("open", ["whole"], [])
    desk.run(partition_key="2025-02-27", tags=works | {"answers": "yes"})
    desk.tell(MINUTE)
    assert desk.outbox[0].state == "recovered"


def test_the_same_failure_of_other_partitions_is_one_message_until_each_went_through(
    desk: Desk, slack: Slack
) -> None:
    desk.definitions = nightly(daily)
    for day in ("2025-02-26", "2025-02-27", "2025-02-26"):
        desk.run(partition_key=day)
        desk.tell(MINUTE)
    assert len(slack.posted) == 1
    assert "nightly (2025-02-26) failed" in slack.posted[0]
    [row] = desk.outbox
    assert (row.count, row.scope["partitions"]) == (3, ["2025-02-26", "2025-02-27"])
    works = {"works": "yes"}
    desk.run(partition_key="2025-02-26", tags=works)
    desk.run(partition_key="2025-02-25", tags=works)
    desk.tell(MINUTE)
    assert len(slack.posted) == 1
    assert desk.outbox[0].scope["partitions"] == ["2025-02-27"]
    desk.run(partition_key="2025-02-27", tags=works)
    desk.tell(MINUTE)
    desk.tell(DAY)
    assert slack.posted[1].startswith(":white_check_mark: daily went through")
    assert len(slack.posted) == 2


def test_another_cause_is_another_trouble_and_another_number_is_not(
    desk: Desk, slack: Slack
) -> None:
    for why in (
        "day 7 of 2025-02-26: 4 rows",
        "day 9 of 2025-02-27: 12 rows",
        "HTTP 500",
        "HTTP 404",
    ):
        desk.fails("ingest", "ingest_days", why, partition="2025-02-26")
    desk.tell()
    assert sorted(row.count for row in desk.outbox) == [1, 1, 2]


def test_a_range_that_failed_is_closed_by_a_run_of_some_of_it(desk: Desk) -> None:
    first, last = "asset_partition_range_start", "asset_partition_range_end"
    january, later = (
        {first: "2025-01-01", last: "2025-01-31"},
        {first: "2025-01-20", last: "2025-02-20"},
    )
    desk.fails("ingest", "ingest_days", "no", **january)
    desk.succeeds("ingest", "ingest_days", partition="2025-02-01")
    desk.tell()
    assert [row.state for row in desk.outbox] == ["open"]
    desk.succeeds("ingest", "ingest_days", **later)
    desk.tell()
    assert [row.state for row in desk.outbox] == ["recovered"]


def test_a_worker_that_did_not_reload_has_a_kind_of_its_own(desk: Desk, slack: Slack) -> None:
    desk.fails("refresh", "serving_workers", "1 of 2 workers do not serve version 7")
    desk.tell()
    desk.succeeds("refresh", "serving_workers")
    desk.tell()
    [row] = desk.outbox
    assert (row.kind, row.state) == (Kind.RELOAD_FAILED, "recovered")
    assert len(slack.posted) == 2


def test_a_feed_that_is_down_for_three_days_is_a_handful_of_messages(
    desk: Desk, slack: Slack
) -> None:
    """Three days are asked for every hour, and what is made of them is stale."""
    stale, start = ("livescores", "match_raw", "match"), desk.now
    for hour in range(72):
        day = desk.now.date()
        for back in range(3):
            partition = str(day - back * DAY)
            why = f"livescores {partition}: HTTP 500 (4 attempts)"
            desk.fails("ingest", "ingest_days", why, partition=partition)
        state = {2: FreshnessState.WARN, 6: FreshnessState.FAIL}.get(hour)
        for asset in stale if state else ():
            becomes(desk, asset, state)  # type: ignore[arg-type]
        desk.tick(freshness_alert)
        desk.tell(HOUR)
    assert len(desk.outbox) == 2
    assert {row.kind: row.count for row in desk.outbox}[Kind.RUN_FAILED] == 216
    assert len(slack.posted) == 3  # failed, stale as a warning, stale as an error
    assert len(slack.updated) <= 5
    for offset in range(-2, 4):
        day = str(start.date() + offset * DAY)
        desk.succeeds("ingest", "ingest_days", partition=day)
    for asset in stale:
        becomes(desk, asset, FreshnessState.PASS)
    desk.tick(freshness_alert)
    desk.tell(HOUR)
    desk.tell(DAY)
    assert all(row.state == "recovered" for row in desk.outbox)
    assert len(slack.posted) == 5
    assert len(slack.requests) <= 12


# Checks


class Contract:
    """An asset with a check that does as it is told."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.severity = desk, dg.AssetCheckSeverity.ERROR
        self.desk.definitions = nightly(checked)

    def run(self, *, passed: bool, rows: int = 3) -> dg.ExecuteInProcessResult:
        @dg.asset_check(asset=checked, name="fields")
        def fields() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(
                passed=passed,
                severity=self.severity,
                metadata={"missing": ["elapsed"], "rows": rows, "by": {"a": 1}},
            )

        result = (
            nightly(checked, checks=(fields,))
            .resolve_job_def("nightly")
            .execute_in_process(instance=self.desk.instance, raise_on_error=False)
        )
        self.desk.tell(2 * HOUR)
        return result


@pytest.fixture
def contract(desk: Desk) -> Contract:
    return Contract(desk)


def test_a_failed_check_of_a_run_that_went_through_is_told_with_what_it_found(
    contract: Contract, slack: Slack
) -> None:
    result = contract.run(passed=False)
    [text] = slack.posted
    first, *facts, link = text.splitlines()
    assert first == ":red_circle: check fields of checked failed"
    assert set(facts) == {"missing: elapsed", "rows: 3", "by a: 1"}
    assert link == f"{UI}/runs/{result.run_id}"


def test_a_warning_looks_like_one(contract: Contract, slack: Slack) -> None:
    contract.severity = dg.AssetCheckSeverity.WARN
    contract.run(passed=False)
    assert slack.posted[0].startswith(":warning: check fields of checked failed")


def test_a_check_that_keeps_failing_says_what_changed_and_that_it_passes_again(
    contract: Contract, slack: Slack
) -> None:
    told = []
    for passed, rows in ((True, 3), (False, 3), (False, 5), (True, 3), (True, 3), (False, 3)):
        contract.run(passed=passed, rows=rows)
        told.append((len(slack.posted), len(slack.updated)))
    assert told == [(0, 0), (1, 0), (1, 1), (2, 2), (2, 2), (3, 2)]
    assert "rows: 5 (was 3)" in slack.updated[0]
    assert slack.posted[1].startswith(":white_check_mark: check fields of checked passes again")


def test_a_blocking_check_is_told_as_a_check_and_not_as_a_failed_run_too(
    desk: Desk, slack: Slack
) -> None:
    desk.definitions = nightly(checked, checks=(never_passes,))
    assert not desk.run().success
    desk.tell()
    [text] = slack.posted
    assert text.startswith(":red_circle: check never_passes of checked failed\nmissing: elapsed")


# Freshness


def becomes(desk: Desk, asset: str, state: FreshnessState) -> None:
    change = FreshnessStateChange(
        key=dg.AssetKey(asset),
        previous_state=FreshnessState.UNKNOWN,
        new_state=state,
        state_change_timestamp=time.time(),
    )
    desk.instance.report_runless_asset_event(change)


def look(desk: Desk) -> None:
    desk.tick(freshness_alert)
    desk.tick(alert_delivery, MINUTE)


def test_a_stale_asset_is_told_once_and_its_recovery_once(desk: Desk, slack: Slack) -> None:
    for state, told in (
        (FreshnessState.PASS, 0),
        (FreshnessState.FAIL, 1),
        (FreshnessState.FAIL, 1),
        (FreshnessState.PASS, 2),
        (FreshnessState.PASS, 2),
    ):
        becomes(desk, "predictions", state)
        look(desk)
        assert len(slack.posted) == told
    assert slack.posted[0] == ":red_circle: predictions is stale (FAIL)"
    assert slack.posted[1].startswith(":white_check_mark: predictions is fresh again")


def test_a_warning_that_becomes_a_failure_is_told_twice(desk: Desk, slack: Slack) -> None:
    for state in (FreshnessState.WARN, FreshnessState.FAIL):
        becomes(desk, "match_parquet", state)
        look(desk)
    assert ["(WARN)" in slack.posted[0], "(FAIL)" in slack.posted[1]] == [True, True]


def test_what_hangs_on_a_stale_asset_is_named_with_it_and_told_when_it_stays(
    desk: Desk, slack: Slack
) -> None:
    for asset in ("predictions", "serving_workers", "features", "trained_model"):
        becomes(desk, asset, FreshnessState.FAIL)
    look(desk)
    [text] = slack.posted
    assert text.splitlines() == [
        ":red_circle: features is stale (FAIL)",
        "stale with it: predictions, serving_workers, trained_model",
    ]
    becomes(desk, "features", FreshnessState.PASS)
    look(desk)
    look(desk)
    assert sorted(row.key for row in desk.outbox if row.state == "open") == [
        "predictions",
        "trained_model",
    ] or [row.key for row in desk.outbox if row.state == "open"] == ["trained_model"]


# What is not there


def test_an_outbox_that_is_away_is_gone_past_and_what_nobody_took_is_looked_at_again(
    desk: Desk, slack: Slack, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    desk.fails("ingest", "ingest_days", "the first", partition="2025-02-26")
    monkeypatch.setenv("POSTGRES_URL", "postgresql://nobody@127.0.0.1:9/none?connect_timeout=1")
    desk.tick(run_alert)
    assert len(slack.posted) == 1  # past the outbox
    assert "the first" in slack.posted[0]
    assert "the outbox does not answer" in desk.tick(alert_delivery)
    desk.fails("ingest", "ingest_days", "the second", partition="2025-02-27")
    slack.is_down()
    assert "the next waits" in desk.tick(run_alert)
    assert "the next waits" in desk.tick(run_alert)
    slack.is_up()
    monkeypatch.setenv("POSTGRES_URL", database_url)
    desk.tell()
    desk.tell()
    assert len(slack.posted) == 2
    assert "the second" in slack.posted[1]


def test_a_pause_that_slack_asks_for_is_kept(desk: Desk, slack: Slack) -> None:
    desk.fails("ingest", "ingest_days", "no", partition="2025-02-26")
    slack.is_down(429)
    slack.headers = {"Retry-After": "120"}
    desk.tell()
    slack.is_up()
    assert "Slack asked for a pause" in desk.tick(alert_delivery, MINUTE)
    assert len(slack.requests) == 1
    assert desk.tick(alert_delivery, 2 * MINUTE) == "1 messages sent"


def test_a_slack_that_is_away_fails_no_sensor_and_its_fault_is_logged_once(
    desk: Desk, slack: Slack, caplog: pytest.LogCaptureFixture
) -> None:
    desk.fails("ingest", "ingest_days", "no", partition="2025-02-26")
    slack.answer = {"ok": False, "error": "invalid_auth"}
    for _ in range(3):
        desk.tell(MINUTE)
    faults = [line for line in caplog.messages if "wait in the outbox" in line]
    assert faults == ["1 alerts wait in the outbox: Slack answers invalid_auth"]
    slack.is_up()
    desk.tell()
    assert len(slack.posted) == 1


def test_what_happened_before_the_first_look_is_not_told(desk: Desk, slack: Slack) -> None:
    desk.fails("ingest", "ingest_days", "long ago", partition="2025-02-26")
    desk.cursors.clear()
    desk.tell()
    desk.tell()
    assert slack.posted == []


def test_an_event_that_is_seen_late_is_told(desk: Desk, slack: Slack) -> None:
    """Numbers are given to events before they are committed, so a lower one may come after."""
    for day in (26, 27, 28):
        desk.fails("ingest", "ingest_days", f"reason {'abc'[day - 26]}", partition=f"2025-02-{day}")
    with desk.instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        ids = list(
            connection.scalars(
                sa.text(
                    "SELECT id FROM event_logs WHERE dagster_event_type = 'PIPELINE_FAILURE' ORDER BY id"
                )
            )
        )
    desk.tell()
    seen = desk.cursors["run_alert"]
    assert seen is not None
    desk.cursors["run_alert"] = seen.replace(f"{ids[1]}, ", "")
    desk.tell()
    assert sorted(row.count for row in desk.outbox) == [1, 1, 2]


def test_the_sensors_run_by_default_and_are_part_of_the_definitions() -> None:
    names = ("run_alert", "freshness_alert", "run_watch", "alert_watch", "alert_delivery")
    for name in (*names, "automation", "catch_up", "updates"):
        sensor = defs.resolve_sensor_def(name)
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
