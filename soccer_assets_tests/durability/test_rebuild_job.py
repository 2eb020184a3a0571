"""The rebuild through the graph: both tables as they were, and not a question to the source."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import orjson
import pandas as pd
import pytest
import sqlalchemy as sa

from soccer_assets.assets.warehouse import NO_DAY_OVERDUE, USUAL_VOLUME
from soccer_assets.ingestion.ingest import days_between
from soccer_assets.ingestion.rebuild import rebuild_warehouse
from soccer_assets.simulator.server import Fault, FeedServer
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.warehouse.history import matches_as_of
from soccer_assets.warehouse.ingested_days import EMPTY, versions_by_day
from soccer_assets.warehouse.schema import match, metadata
from soccer_assets_tests.durability.scenario import Contents, contents
from soccer_assets_tests.platform import Platform, checks_of, platform

pytestmark = pytest.mark.system

TABLES = ("match_raw", "match")
INGESTION = ("livescores", *TABLES)
#: A month in which the simulation postpones matches and corrects scores, asked for weekly.
DAYS = list(days_between(date(2025, 2, 1), date(2025, 3, 16)))
RANGE = (str(DAYS[0]), str(DAYS[-1]))
MOMENTS = [datetime(2025, 2, day, 12, tzinfo=UTC) for day in (1, 8, 9, 15, 16, 22)]
#: The columns as the schema names them: a migration adds its own at the end of the table.
SAID = sa.select(match).order_by(match.c.match_id)


@pytest.fixture
def season(tmp_path: Path, feed: FeedServer, database_url: str) -> Iterator[Platform]:
    environment = {"SOCCER_AS_OF": MOMENTS[0].isoformat(), "LIVESCORES_ATTEMPTS": "1"}
    with platform(tmp_path, feed, database_url, environment) as made:
        yield made


def stand(engine: sa.Engine) -> pd.DataFrame:
    with engine.connect() as connection:
        frame = pd.read_sql(SAID, connection)
    # Not when a match was last touched.
    return frame.drop(columns=["content_hash", "changed_at"])


def follow(
    here: Platform, feed: FeedServer, patch: pytest.MonkeyPatch
) -> list[tuple[datetime, pd.DataFrame]]:
    """Ingest the range at every moment of the season; one that the source spoils is among them, and
    one that lacks a match that was there before. Returns the table after each, and by which moment
    of the real clock, which is the archive's, it was so."""
    stands = []
    for number, moment in enumerate(MOMENTS):
        patch.setenv("SOCCER_AS_OF", moment.isoformat())
        spoilt, incomplete = DAYS[20], DAYS[28]
        feed.clear()
        if number == 3:
            feed.inject(spoilt, Fault.unknown_status())
        if number == 4:
            payload = feed.backend.payload(incomplete, moment)
            payload["tournaments"][0]["matches"].pop()
            feed.override(incomplete, payload)
        result = here.run(*INGESTION, partitions=RANGE, raise_on_error=False)
        assert result.success == (number != 3)
        stands.append((datetime.now(UTC), stand(here.engine)))
    return stands


def spoil(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE soccer.match SET home_score = 9"))
        connection.execute(sa.text("DELETE FROM soccer.match_raw WHERE match_id % 2 = 0"))
        connection.execute(sa.text("DELETE FROM soccer.match_change"))


def differences(before: Contents, after: Contents) -> set[str]:
    return {table for table in before if before[table] != after[table]}


def test_a_rebuild_restores_every_table_to_the_last_bit_without_asking_the_source(
    season: Platform, feed: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stands = follow(season, feed, monkeypatch)
    before, requests = contents(season.engine), feed.requests
    fields = {change["field"] for change in before["match_change"]}
    assert {"status", "home_score", "feed_day", "kickoff", "vanished_at"} <= fields
    corrected = [
        change
        for change in before["match_change"]
        if change["field"].endswith("_score") and change["old"] is not None
    ]
    assert corrected
    spoil(season.engine)
    season.run_job("rebuild")
    assert differences(before, contents(season.engine)) == set()
    assert feed.requests == requests

    for moment, known in stands:
        pd.testing.assert_frame_equal(matches_as_of(season.engine, moment), known)


def test_days_that_come_out_as_they_were_are_not_called_made(
    season: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    season.run(*INGESTION, partitions=RANGE)
    spoil(season.engine)
    rebuilt = season.run_job("rebuild")
    assert season.recorded(rebuilt) == {}
    assert checks_of(rebuilt).keys() == {USUAL_VOLUME, NO_DAY_OVERDUE}
    assert season.latest_check("match", NO_DAY_OVERDUE) is True
    monkeypatch.setenv("SOCCER_AS_OF", "2025-04-01T00:00:00Z")  # and nobody has asked since
    assert season.recorded(season.run_job("rebuild")) == {}
    assert season.latest_check("match", NO_DAY_OVERDUE) is False


@pytest.mark.parametrize("killed", [False, True], ids=["", "after a rebuild that was killed"])
def test_days_that_come_out_differently_are_called_made_by_their_versions(
    season: Platform, feed: FeedServer, *, killed: bool
) -> None:
    """A payload that was archived by an ingestion that died, and a day that is in no table."""
    season.run(*INGESTION, partitions=RANGE)
    finished = orjson.dumps(feed.backend.payload(DAYS[0], MOMENTS[-1]))
    archive = PayloadArchive(season.store)
    archive.put(DAYS[0], finished, datetime.now(UTC))
    known = {"dagster/data_version": "3:7", "dagster/data_version_is_user_provided": "true"}
    for table in TABLES:
        gone = dg.AssetMaterialization(table, partition="2025-05-01", tags=known)
        season.instance.report_runless_asset_event(gone)
    if killed:  # between its transaction and what it had to tell
        rebuild_warehouse(season.engine, archive)
    rebuilt = season.run_job("rebuild")
    assert season.recorded(rebuilt) == {key: {str(DAYS[0]), "2025-05-01"} for key in TABLES}
    for table in TABLES:
        versions = season.versions(rebuilt, table)
        assert versions["2025-05-01"] == EMPTY
        now = versions_by_day(season.engine, metadata.tables[f"soccer.{table}"], [DAYS[0]])
        assert versions[str(DAYS[0])] == now[DAYS[0]]
    assert season.recorded(season.run_job("rebuild")) == {}
