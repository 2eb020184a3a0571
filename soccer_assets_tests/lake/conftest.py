"""A lake of three months."""

import pytest
import sqlalchemy as sa

from soccer_assets.warehouse.load import load_days
from soccer_assets_tests.feed_days import parsed
from soccer_assets_tests.lake.months import MONTHS, shown_first


@pytest.fixture
def three_months(engine: sa.Engine) -> sa.Engine:
    load_days(
        engine,
        [parsed(*shown_first(day).values(), day=day) for day in MONTHS],
    )
    return engine
