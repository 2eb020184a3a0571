from collections.abc import Iterator

import dagster as dg
import pytest

from soccer_assets.definitions import defs
from soccer_assets.settings import get_settings
from soccer_assets.warehouse.connection import get_engine
from soccer_assets_tests.automation.alert_desk import TOKEN, UI, Desk
from soccer_assets_tests.automation.loop import BLOCKING, REPORTS, UNPARTITIONED, Loop
from soccer_assets_tests.fake_slack import Slack, slack_server


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as told:
        yield told


@pytest.fixture
def desk(slack: Slack, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """On the real definitions; it has looked once, so that it tells what comes."""
    monkeypatch.setenv("POSTGRES_URL", database_url)
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("DAGSTER_WEBSERVER_URL", UI)
    with dg.DagsterInstance.ephemeral() as instance:
        desk = Desk(instance, slack, defs)
        desk.tell()
        yield desk
    get_engine(get_settings()).dispose()


@pytest.fixture
def loop() -> Iterator[Loop]:
    """Everything exists, made from the newest, and every check passes."""
    with dg.DagsterInstance.ephemeral() as instance:
        loop = Loop(instance)
        make_everything(loop)
        yield loop


def make_everything(loop: Loop) -> None:
    for assets in (("match_raw", "match"), ("match_raw_parquet", "match_parquet")):
        loop.made(*assets, partition="2025-03-01")
    loop.made(*(asset for asset in UNPARTITIONED if asset not in REPORTS))
    for asset, checks in BLOCKING.items():
        for check in checks:
            loop.checked(asset, check, True, blocking=True)
    for report in REPORTS:
        loop.reported(report, passed=True)
