"""A lake of two simulated months, made as the platform makes it: parsed, loaded, exported."""

from datetime import UTC, date, datetime, timedelta

import orjson
import sqlalchemy as sa

from soccer_assets.ingestion.parsing import parse_day
from soccer_assets.lake.export import export_months
from soccer_assets.lake.manifest import Manifest
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.storage.store import ObjectStore
from soccer_assets.warehouse.load import load_days
from soccer_assets.warehouse.rows import ParsedDay
from soccer_assets_tests.databases import copy_of

FIRST_DAY, DAYS = date(2023, 9, 1), 60
#: As of then, the last two weeks are still to come.
NOW = datetime(2023, 10, 17, 12, tzinfo=UTC)


def simulated_days(now: datetime = NOW) -> list[ParsedDay]:
    world = LeagueSimulator(seed=20, first_season=2023)
    days = [FIRST_DAY + timedelta(days=k) for k in range(DAYS)]
    return [
        parse_day(day, orjson.dumps(world.payload(day, now)), payload_key=f"{day}", fetched_at=now)
        for day in days
    ]


def make_lake(tables: str, store: ObjectStore, now: datetime = NOW) -> Manifest:
    """Load the days into a copy of the empty ``tables`` and export it to ``store``."""
    with copy_of(tables) as url:
        engine = sa.create_engine(url, connect_args={"options": "-c timezone=UTC"})
        load_days(engine, simulated_days(now))
        manifest = export_months(engine, store).manifest
        engine.dispose()
    return manifest
