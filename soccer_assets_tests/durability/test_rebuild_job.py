"""The rebuild through the graph: both tables as they were, and not a question to the source."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from soccer_assets.ingestion.ingest import days_between
from soccer_assets.simulator.server import Fault, FeedServer
from soccer_assets.warehouse.history import matches_as_of
from soccer_assets_tests.durability.scenario import Contents, contents
from soccer_assets_tests.platform import Platform, platform

INGESTION = ("livescores", "match_raw", "match")
#: A month in which the simulation postpones matches and corrects scores, asked for weekly.
DAYS = list(days_between(date(2025, 2, 1), date(2025, 3, 16)))
RANGE = (str(DAYS[0]), str(DAYS[-1]))
MOMENTS = [datetime(2025, 2, day, 12, tzinfo=UTC) for day in (1, 8, 9, 15, 16, 22)]
#: What the table says of a match but when it was last touched.
SAID = "SELECT * FROM soccer.match ORDER BY match_id"
REBUILD = {"ingest_days": {"config": {"rebuild": True}}}


@pytest.fixture
def season(tmp_path: Path, feed: FeedServer, database_url: str) -> Iterator[Platform]:
    environment = {"SOCCER_AS_OF": MOMENTS[0].isoformat(), "LIVESCORES_ATTEMPTS": "1"}
    with platform(tmp_path, feed, database_url, environment) as made:
        yield made


def stand(engine: sa.Engine) -> pd.DataFrame:
    with engine.connect() as connection:
        frame = pd.read_sql(sa.text(SAID), connection)
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

    def by_hand() -> None:
        season.run("match_raw", "match", partition=str(DAYS[3]), config=REBUILD)

    def by_the_job() -> None:
        job = season.definitions.resolve_job_def("rebuild")
        job.execute_in_process(instance=season.instance, partition_key=str(DAYS[3]))

    for rebuild in (by_hand, by_the_job):
        spoil(season.engine)
        rebuild()
        assert differences(before, contents(season.engine)) == set(), rebuild.__name__
    assert feed.requests == requests

    for moment, known in stands:
        pd.testing.assert_frame_equal(matches_as_of(season.engine, moment), known)


def test_the_rebuild_job_rebuilds_over_a_range_of_partitions_too(
    season: Platform, feed: FeedServer
) -> None:
    season.run(*INGESTION, partitions=RANGE)
    before = contents(season.engine)
    spoil(season.engine)
    season.run_job("rebuild", partitions=(str(DAYS[3]), str(DAYS[4])))
    assert differences(before, contents(season.engine)) == set()


def test_a_rebuild_that_selects_the_source_too_is_refused_and_changes_nothing(
    season: Platform, feed: FeedServer
) -> None:
    season.run(*INGESTION, partition=RANGE[0])
    before, requests = contents(season.engine), feed.requests
    result = season.run(*INGESTION, partition=RANGE[0], config=REBUILD, raise_on_error=False)
    assert not result.success
    assert contents(season.engine) == before
    assert feed.requests == requests
