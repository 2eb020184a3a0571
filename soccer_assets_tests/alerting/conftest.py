"""An outbox in PostgreSQL, Slack as a server, and a clock that the test moves."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from soccer_assets.alerting.delivery import Delivery, deliver
from soccer_assets.alerting.kinds import Kind
from soccer_assets.alerting.outbox import Alert, Entry, find, record, recover
from soccer_assets.alerting.params import AlertingParams
from soccer_assets.resources import SlackAlertResource
from soccer_assets.settings import get_settings
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.fake_slack import Slack, slack_server

CHANNEL, UI = "#alerts-of-this-test", "https://dagster.example:3443"
TOKEN = "xoxb-token-of-this-test"


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as told:
        yield told


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("DAGSTER_WEBSERVER_URL", UI)
    # What is waited between two tries of a request.
    monkeypatch.setattr(
        "slack_sdk.http_retry.handler.default_interval_calculator.backoff_factor", 0.001
    )


@pytest.fixture
def resource(slack: Slack, environment: None) -> SlackAlertResource:
    return SlackAlertResource(
        settings=get_settings(), channel=CHANNEL, api_url=slack.url, timeout_seconds=2.0
    )


@dataclass
class Office:
    """Who records, who delivers, and what time it is."""

    engine: sa.Engine
    slack: SlackAlertResource
    params: AlertingParams = AlertingParams()  # noqa: RUF009
    now: datetime = MIDSEASON

    def record(self, kind: Kind, key: str = "this", text: str = "", **more: object) -> bool:
        return record(self.engine, Alert(kind, key, text or f"{key} is off", **more), self.now)  # type: ignore[arg-type]

    def recover(self, kind: Kind, key: str = "this", text: str = "it is right again") -> bool:
        return recover(self.engine, kind, key, text, self.now)

    def deliver(self, after: timedelta = timedelta(0)) -> Delivery:
        self.now += after
        return deliver(self.engine, self.slack, self.params, self.now)

    def entry(self, key: str = "this") -> Entry:
        [found] = find(self.engine, key=key)
        return found


@pytest.fixture
def office(engine: sa.Engine, resource: SlackAlertResource) -> Office:
    return Office(engine, resource)
