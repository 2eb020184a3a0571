from collections.abc import Iterator

import dagster as dg
import pytest

from soccer_assets_tests.automation.loop import BLOCKING, REPORTS, UNPARTITIONED, Loop


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
