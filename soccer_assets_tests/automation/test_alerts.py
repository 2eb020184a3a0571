"""Who is told what, by a server that speaks as much of Slack as it takes."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from soccer_assets.automation.alerts import check_alert, freshness_alert, run_failure_alert
from soccer_assets.definitions import defs
from soccer_assets.resources import SlackAlertResource
from soccer_assets.settings import get_settings

TOKEN = "xoxb-token-of-this-test"
CHANNEL = "#alerts-of-this-test"
UI = "https://dagster.example:3443"


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    fields: dict[str, Any]
    raw: str


@dataclass
class Slack:
    """What was posted, and what is answered: 200 and ``answer``, or another status."""

    answer: dict[str, Any] = field(default_factory=lambda: {"ok": True})
    status: int = 200
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    @property
    def texts(self) -> list[str]:
        return [request.fields["text"] for request in self.requests]


@contextmanager
def slack_server() -> Iterator[Slack]:
    told = Slack()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self.headers["Content-Type"].startswith("application/json"):
                fields = json.loads(raw)
            else:
                fields = {name: values[0] for name, values in parse_qs(raw).items()}
            told.requests.append(Request(self.path, dict(self.headers), fields, raw))
            body = json.dumps(told.answer).encode()
            self.send_response(told.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.url = f"http://127.0.0.1:{server.server_address[1]}/api/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as told:
        yield told


@pytest.fixture
def resource(slack: Slack, environment: None) -> SlackAlertResource:
    return SlackAlertResource(settings=get_settings(), channel=CHANNEL, api_url=slack.url)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("DAGSTER_WEBSERVER_URL", UI)


@pytest.fixture
def without_token(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLACK_BOT_TOKEN")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


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


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2025-02-01"))
def daily() -> None:
    raise dg.Failure("nothing for this day")


@dg.asset
def checked() -> None: ...


@dg.asset_check(asset=checked, blocking=True)
def never_passes() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False)


def alert_of(
    instance: dg.DagsterInstance,
    slack: SlackAlertResource,
    *assets: Any,
    partition: str | None = None,
    checks: tuple[Any, ...] = (),
) -> dg.ExecuteInProcessResult:
    """Run a job that fails and hand its failure to the sensor, as the daemon does."""
    job = dg.Definitions(
        assets=assets,
        asset_checks=checks,
        jobs=[dg.define_asset_job("nightly", dg.AssetSelection.all())],
    ).resolve_job_def("nightly")
    result = job.execute_in_process(
        instance=instance, partition_key=partition, raise_on_error=False
    )
    assert not result.success
    with dg.build_run_status_sensor_context(
        sensor_name="run_failure_alert",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
        resources={"slack": slack},
    ) as context:
        run_failure_alert(context.for_run_failure())
    return result


def test_a_failed_run_is_told_with_its_job_step_reason_and_link(
    instance: dg.DagsterInstance, slack: Slack, resource: SlackAlertResource
) -> None:
    result = alert_of(instance, resource, refused)
    [text] = slack.texts
    assert "nightly failed" in text
    assert "refused: livescores 2025-02-26: HTTP 500 (4 attempts)" in text
    assert f"{UI}/runs/{result.run_id}" in text


def test_the_token_is_in_the_header_and_nowhere_else(
    instance: dg.DagsterInstance, slack: Slack, resource: SlackAlertResource
) -> None:
    alert_of(instance, resource, refused)
    [request] = slack.requests
    assert request.path == "/api/chat.postMessage"
    assert request.fields["channel"] == CHANNEL
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    others = [v for name, v in request.headers.items() if name != "Authorization"]
    assert TOKEN not in request.raw + request.path + "".join(others)


def test_the_partition_is_told_too(
    instance: dg.DagsterInstance, slack: Slack, resource: SlackAlertResource
) -> None:
    alert_of(instance, resource, daily, partition="2025-02-26")
    [text] = slack.texts
    assert "nightly (2025-02-26) failed" in text


def test_every_failed_step_is_told_in_one_message(
    instance: dg.DagsterInstance, slack: Slack, resource: SlackAlertResource
) -> None:
    alert_of(instance, resource, refused, broken)
    [text] = slack.texts
    assert "refused: " in text
    assert "broken: " in text


def test_an_exception_is_told_by_what_went_wrong_first(
    instance: dg.DagsterInstance, slack: Slack, resource: SlackAlertResource
) -> None:
    alert_of(instance, resource, broken)
    [text] = slack.texts
    assert "the lake does not answer" in text


def test_a_failed_contract_is_told_by_its_name(
    instance: dg.DagsterInstance, slack: Slack, resource: SlackAlertResource
) -> None:
    alert_of(instance, resource, checked, checks=(never_passes,))
    [text] = slack.texts
    assert "checked: never_passes" in text


# Failed checks of runs that went through


class Contract:
    """An asset with a check that does as it is told, and the sensor that looks at its runs."""

    def __init__(self, instance: dg.DagsterInstance, slack: SlackAlertResource) -> None:
        self.instance, self.slack = instance, slack
        self.severity = dg.AssetCheckSeverity.ERROR

    def run(self, *, passed: bool) -> dg.ExecuteInProcessResult:
        @dg.asset_check(asset=checked, name="fields")
        def fields() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(
                passed=passed, severity=self.severity, metadata={"missing": ["elapsed"]}
            )

        result = dg.materialize([checked, fields], instance=self.instance)
        with dg.build_run_status_sensor_context(
            sensor_name="check_alert",
            dagster_instance=self.instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_success_event(),
            resources={"slack": self.slack},
        ) as context:
            check_alert(context)
        return result


@pytest.fixture
def contract(instance: dg.DagsterInstance, resource: SlackAlertResource) -> Contract:
    return Contract(instance, resource)


def test_a_failed_check_of_a_run_that_went_through_is_told(
    contract: Contract, slack: Slack
) -> None:
    result = contract.run(passed=False)
    [text] = slack.texts
    assert text.startswith(":red_circle: check fields of checked failed.")
    assert "missing: ['elapsed']" in text
    assert f"{UI}/runs/{result.run_id}" in text


def test_a_warning_looks_like_one(contract: Contract, slack: Slack) -> None:
    contract.severity = dg.AssetCheckSeverity.WARN
    contract.run(passed=False)
    assert slack.texts[0].startswith(":warning: check fields of checked failed.")


def test_a_check_that_keeps_failing_is_told_once_and_again_when_it_had_passed(
    contract: Contract, slack: Slack
) -> None:
    told = []
    for passed in (True, False, False, True, True, False):
        contract.run(passed=passed)
        told.append(len(slack.texts))
    assert told == [0, 1, 1, 1, 1, 2]


# Freshness


class Freshness:
    """States that change, and the sensor that looks at them with the cursor it left."""

    def __init__(self, instance: dg.DagsterInstance, slack: SlackAlertResource) -> None:
        self.instance, self.slack, self.cursor = instance, slack, None
        self.state = FreshnessState.UNKNOWN

    def becomes(self, asset: str, state: FreshnessState) -> None:
        change = FreshnessStateChange(
            key=dg.AssetKey(asset),
            previous_state=self.state,
            new_state=state,
            state_change_timestamp=time.time(),
        )
        self.instance.report_runless_asset_event(change)
        self.state = state

    def tick(self) -> None:
        with dg.build_sensor_context(
            instance=self.instance,
            definitions=defs,
            cursor=self.cursor,
            resources={"slack": self.slack},
        ) as context:
            data = freshness_alert.evaluate_tick(context)
        self.cursor = data.cursor


@pytest.fixture
def freshness(resource: SlackAlertResource) -> Iterator[Freshness]:
    with dg.DagsterInstance.local_temp() as instance:
        yield Freshness(instance, resource)


def test_a_stale_asset_is_told_once_and_its_recovery_once(
    freshness: Freshness, slack: Slack
) -> None:
    freshness.tick()
    freshness.becomes("predictions", FreshnessState.PASS)
    freshness.tick()
    assert slack.texts == []

    freshness.becomes("predictions", FreshnessState.FAIL)
    freshness.tick()
    freshness.tick()
    assert len(slack.texts) == 1
    assert "predictions" in slack.texts[0]
    assert "stale (FAIL)" in slack.texts[0]

    freshness.becomes("predictions", FreshnessState.PASS)
    freshness.tick()
    freshness.tick()
    assert len(slack.texts) == 2
    assert "predictions is fresh again" in slack.texts[1]


def test_a_warning_that_becomes_a_failure_is_told_twice(freshness: Freshness, slack: Slack) -> None:
    for state in (FreshnessState.WARN, FreshnessState.FAIL):
        freshness.becomes("match_parquet", state)
        freshness.tick()
    assert ["(WARN)" in slack.texts[0], "(FAIL)" in slack.texts[1]] == [True, True]
    assert len(slack.texts) == 2


def test_assets_are_told_apart(freshness: Freshness, slack: Slack) -> None:
    freshness.becomes("features", FreshnessState.FAIL)
    freshness.tick()
    freshness.becomes("trained_model", FreshnessState.FAIL)
    freshness.tick()
    assert [text.split()[1] for text in slack.texts] == ["features", "trained_model"]


# A Slack that is not there


def test_a_slack_that_refuses_or_is_down_raises_nothing_and_is_logged(
    instance: dg.DagsterInstance,
    slack: Slack,
    resource: SlackAlertResource,
    caplog: pytest.LogCaptureFixture,
) -> None:
    slack.answer = {"ok": False, "error": "channel_not_found"}
    alert_of(instance, resource, refused)
    assert len(slack.requests) == 1
    slack.status = 500
    alert_of(instance, resource, refused)
    nowhere = SlackAlertResource(
        settings=get_settings(), channel=CHANNEL, api_url="http://127.0.0.1:9/api/"
    )
    alert_of(instance, nowhere, refused)
    undelivered = [r.getMessage() for r in caplog.records if "not delivered" in r.getMessage()]
    assert len(undelivered) == 3
    # What could not be said is in the log at least; the token is not.
    assert all("livescores 2025-02-26: HTTP 500" in message for message in undelivered)
    assert TOKEN not in caplog.text


def test_a_stale_asset_is_told_when_slack_is_back(freshness: Freshness, slack: Slack) -> None:
    slack.answer = {"ok": False, "error": "fatal_error"}
    freshness.becomes("predictions", FreshnessState.FAIL)
    freshness.tick()
    slack.answer = {"ok": True}
    slack.requests.clear()
    freshness.tick()
    assert len(slack.texts) == 1
    freshness.tick()
    assert len(slack.texts) == 1


@pytest.mark.usefixtures("without_token")
def test_without_a_token_nothing_is_sent_and_the_log_has_it(
    instance: dg.DagsterInstance,
    slack: Slack,
    resource: SlackAlertResource,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, logger="soccer_assets"):
        alert_of(instance, resource, refused)
    assert slack.requests == []
    assert "HTTP 500 (4 attempts)" in caplog.text


@pytest.mark.usefixtures("without_token")
def test_without_a_token_a_stale_asset_is_logged_once(
    freshness: Freshness, caplog: pytest.LogCaptureFixture
) -> None:
    freshness.becomes("predictions", FreshnessState.FAIL)
    freshness.tick()
    freshness.tick()
    assert sum("predictions is stale" in r.getMessage() for r in caplog.records) == 1


def test_the_sensors_run_by_default_and_are_part_of_the_definitions() -> None:
    for name in ("run_failure_alert", "check_alert", "freshness_alert", "automation", "catch_up"):
        sensor = defs.resolve_sensor_def(name)
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
