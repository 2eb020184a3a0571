"""Backfills, hourly ingests of days of their range, exports and a reader, all at once."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa

from soccer_assets.feed.fields import FeedStatus
from soccer_assets.ingestion.ingest import days_between, ingest_days
from soccer_assets.ingestion.rebuild import rebuild_warehouse
from soccer_assets.lake.export import export_months
from soccer_assets.lake.manifest import read_manifest
from soccer_assets.lake.parity import Parity, compare_with_database
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import LocalStore
from soccer_assets.warehouse.load import LoadResult, load_days, load_in_transaction
from soccer_assets.warehouse.schema import LOCK_KEY
from soccer_assets_tests.databases import copy_of, empty
from soccer_assets_tests.durability.processes import (
    FORKS,
    export_until,
    ingest_often,
    read_until,
)
from soccer_assets_tests.durability.scenario import (
    LATE,
    ClockedArchive,
    archive_of,
    contents,
    fetch_of,
    late_view,
    open_engine,
    published,
    said,
)
from soccer_assets_tests.feed_days import DAY, FETCHED, a_match, a_payload, finished, parsed

BACKFILL = list(days_between(date(2025, 2, 10), date(2025, 3, 12)))
HOURLY = list(days_between(date(2025, 2, 26), date(2025, 3, 2)))
NEXT = DAY + timedelta(days=1)
HOUR = timedelta(hours=1)
#: Longer than anything but a deadlock takes.
PATIENCE = 240


@pytest.fixture
def changing_feed(world: LeagueSimulator, monkeypatch: pytest.MonkeyPatch) -> FeedServer:
    monkeypatch.setenv("SOCCER_AS_OF", LATE.isoformat())
    server = FeedServer(world, clock=lambda: LATE)
    for day, payload in late_view(world).items():
        server.override(day, payload)
    return server


def test_ingests_and_exports_at_once_leave_what_they_would_have_left_one_by_one(
    changing_feed: FeedServer, tables: str, tmp_path: Path
) -> None:
    alone, together, done = tmp_path / "alone", tmp_path / "together", tmp_path / "done"
    with (
        changing_feed as feed,
        copy_of(tables) as first,
        copy_of(tables) as second,
    ):
        assert ingest_often(first, alone, feed.url, LATE, BACKFILL, 31, 1) == 0

        with ProcessPoolExecutor(8, mp_context=FORKS) as pool:
            helpers = [
                pool.submit(export_until, second, together, done),
                pool.submit(export_until, second, together, done),
                pool.submit(read_until, together, done),
            ]
            ingests = [
                pool.submit(ingest_often, second, together, feed.url, LATE, *work)
                for work in (
                    (BACKFILL, 4, 1),
                    (BACKFILL, 31, 1),
                    (BACKFILL[::-1], 31, 1),
                    (HOURLY, 5, 3),
                    (HOURLY[::-1], 1, 3),
                )
            ]
            try:
                assert [ingest.result(PATIENCE) for ingest in ingests] == [0] * 5
            finally:
                done.touch()
            for helper in helpers:
                assert helper.result(PATIENCE) > 1

        engine = open_engine(second)
        assert said(contents(engine)) == said(contents(open_engine(first)))
        assert archive_of(together) == archive_of(alone)
        store = LocalStore(together)
        manifest = read_manifest(store)
        assert compare_with_database(engine, store, manifest) == Parity()
        published(together)
        assert export_months(engine, store).written == []


def test_loads_that_meet_take_effect_one_after_the_other(engine: sa.Engine) -> None:
    """A load that has not ended is waited for, so that its record of a match is not overlooked."""
    first = parsed(a_match(1, status=FeedStatus.POSTPONED.value), a_match(2))
    second = parsed(a_match(1, NEXT), day=NEXT, fetched_at=FETCHED + HOUR)
    for days in ([first], [second]):
        load_days(engine, days)
    one_by_one = contents(engine)
    assert [row["feed_day"] for row in one_by_one["match_shadow"]] == [DAY]

    empty(engine)
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
            load_in_transaction(connection, [first])
            meeting = pool.submit(load_days, engine, [second])
            while not connection.scalar(waiting):
                assert not meeting.done()
        meeting.result(PATIENCE)
    assert contents(engine) == one_by_one


def test_an_older_payload_that_arrives_after_a_newer_one_changes_nothing(
    engine: sa.Engine, store: LocalStore
) -> None:
    """Another process had fetched first and was slow."""
    archive = PayloadArchive(store)
    neighbour = orjson.dumps(a_payload(a_match(3, NEXT)))
    archive.put(NEXT, neighbour, FETCHED)
    archive.put(DAY, orjson.dumps(a_payload(finished(1, 2, 1), a_match(2))), FETCHED + HOUR)
    assert ingest_days([DAY, NEXT], None, archive, engine).faults == []
    before = contents(engine)

    old = orjson.dumps(a_payload(a_match(1), a_match(3), a_match(4)))
    slow = ClockedArchive(store, FETCHED, first=DAY)
    report = ingest_days([DAY], fetch_of({DAY: old}), slow, engine)
    assert (report.changes, report.faults) == (LoadResult(passed_over=(DAY,)), [])

    # The source was asked, and that is all.
    after = contents(engine)
    asked = [row.pop("checked_at") for row in after["ingested_day"]]
    known = [row.pop("checked_at") for row in before["ingested_day"]]
    assert after == before
    assert asked[0] > known[0]
    assert asked[1] == known[1]
    assert [archive.read(p) for p in archive.payloads()].count(old) == 1


def test_a_rebuild_after_an_older_payload_came_late_shows_the_same_matches(
    engine: sa.Engine, store: LocalStore
) -> None:
    """To the archive it came in time: beside what the days show, the rebuilt tables know of what
    it alone told, as of a match that has vanished."""
    archive = PayloadArchive(store)
    archive.put(DAY, orjson.dumps(a_payload(finished(1, 2, 1))), FETCHED + HOUR)
    ingest_days([DAY], None, archive, engine)
    old = orjson.dumps(a_payload(a_match(1), a_match(2)))
    ingest_days([DAY], fetch_of({DAY: old}), ClockedArchive(store, FETCHED, first=DAY), engine)
    before = said(contents(engine))
    rebuild_warehouse(engine, archive)
    after = said(contents(engine))
    vanished = [row["match_id"] for row in after["match"] if row["vanished_at"]]
    assert vanished == [2]
    for table in ("match", "match_raw"):
        assert [row for row in after[table] if row["match_id"] not in vanished] == before[table]
