"""A machine whose clock was a year ahead: what it fetched is not trusted to be newer than truth."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from soccer_assets.ingestion import clock_ahead
from soccer_assets.ingestion.clock_ahead import file_as_of_now
from soccer_assets.ingestion.ingest import IngestReport, ingest_days
from soccer_assets.ingestion.rebuild import rebuild_warehouse
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import LocalStore
from soccer_assets.warehouse.history import matches_as_of
from soccer_assets.warehouse.ingested_days import overdue_days, settled_days
from soccer_assets_tests.durability.scenario import ClockedArchive, contents
from soccer_assets_tests.feed_days import a_match, a_payload, finished

NOW = datetime.now(UTC)
DAY = NOW.date() - timedelta(days=9)
TRULY = NOW - timedelta(days=9)
AHEAD = NOW + timedelta(days=365)

#: Odds and statistics.
ROW = {"AvgH": "2", "AvgD": "3", "AvgA": "4", "HS": "9"}
COMING = orjson.dumps(a_payload(a_match(1, DAY), a_match(2, DAY), a_match(3, DAY)))
LIVE = orjson.dumps(a_payload(finished(1, 1, 0, DAY) | {"footballData": ROW}, a_match(2, DAY)))
RESULTS = orjson.dumps(
    a_payload(finished(1, 2, 1, DAY) | {"footballData": ROW}, finished(2, 0, 0, DAY))
)


class Machine:
    """Ingests the day with the clock set as it is told."""

    def __init__(self, engine: sa.Engine, store: LocalStore, patch: pytest.MonkeyPatch) -> None:
        self.engine, self.store, self.patch = engine, store, patch
        self.told: list[str] = []

    def ingest(self, body: bytes, at: datetime | None = None) -> IngestReport:
        """``at``: what the clock says; None: the truth."""
        archive = ClockedArchive(self.store, at, DAY) if at else self.archive
        with self.patch.context() as patch:
            if at:
                patch.setenv("SOCCER_AS_OF", at.isoformat())
                for module in ("ingestion.ingest", "warehouse.steps", "warehouse.ingested_days"):
                    patch.setattr(f"soccer_assets.{module}.stamped_now", lambda: at)
            fetch = {DAY: body}.__getitem__
            return ingest_days([DAY], fetch, archive, self.engine, progress=self.told.append)

    @property
    def archive(self) -> PayloadArchive:
        return PayloadArchive(self.store)

    def scores(self) -> dict[int, tuple[Any, ...]]:
        with self.engine.connect() as connection:
            rows = connection.execute(
                sa.text("SELECT match_id, home_score, away_score, vanished_at FROM soccer.match")
            )
            return {row[0]: (row[1], row[2], row[3] is not None) for row in rows}

    def times_of_the_future(self) -> list[datetime]:
        """In any table."""
        now = datetime.now(UTC)
        return [
            value
            for rows in contents(self.engine).values()
            for row in rows
            for column, value in row.items()
            if isinstance(value, datetime) and value > now and column != "kickoff"
        ]


@pytest.fixture
def machine(engine: sa.Engine, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(engine, store, monkeypatch)


RESULT = {1: (2, 1, False), 2: (0, 0, False), 3: (None, None, True)}


def test_what_is_fetched_in_truth_is_loaded_and_what_was_wrong_is_told(machine: Machine) -> None:
    machine.ingest(COMING, TRULY)
    machine.ingest(LIVE, AHEAD)
    assert machine.times_of_the_future()
    report = machine.ingest(RESULTS)
    assert machine.scores() == RESULT
    [told] = report.passed_over
    assert told.startswith(f"{DAY}: its payload of {AHEAD:%Y-%m-%d %H:%M} UTC, stamped by a clock")
    assert f"passed over: {told}" in machine.told
    assert machine.times_of_the_future() == []
    assert [p.fetched_at <= datetime.now(UTC) for p in machine.archive.of_day(DAY)] == [True] * 3


def test_the_past_is_seen_as_it_was_and_a_rebuild_comes_to_the_same(machine: Machine) -> None:
    machine.ingest(COMING, TRULY)
    machine.ingest(LIVE, AHEAD)
    machine.ingest(RESULTS)
    known = matches_as_of(machine.engine, datetime.now(UTC))
    assert dict(zip(known["match_id"], known["home_score"], strict=True))[1] == 2
    before = contents(machine.engine)
    rebuild_warehouse(machine.engine, machine.archive)
    assert contents(machine.engine) == before


def test_a_day_does_not_settle_in_the_future(machine: Machine) -> None:
    machine.ingest(COMING, AHEAD)
    assert settled_days(machine.engine) == set()
    assert DAY in overdue_days(machine.engine, NOW, DAY)
    machine.ingest(RESULTS)
    assert settled_days(machine.engine) == {DAY}
    assert DAY not in overdue_days(machine.engine, datetime.now(UTC), DAY)


def test_the_same_payload_fetched_in_truth_is_the_one_that_is_loaded(machine: Machine) -> None:
    machine.ingest(RESULTS, AHEAD)
    machine.ingest(RESULTS)
    [payload] = machine.archive.of_day(DAY)
    with machine.engine.connect() as connection:
        query = "SELECT payload_key, fetched_at FROM soccer.ingested_day"
        assert connection.execute(sa.text(query)).one() == (payload.key, payload.fetched_at)
        keys = connection.scalars(sa.text("SELECT DISTINCT payload_key FROM soccer.match_raw"))
        assert list(keys) == [payload.key]
    assert machine.times_of_the_future() == []


def test_a_rebuild_corrects_the_times_as_well(machine: Machine) -> None:
    machine.ingest(LIVE, AHEAD)
    told: list[str] = []
    rebuild_warehouse(machine.engine, machine.archive, told.append)
    assert f"{DAY}: payloads stamped by a clock that was ahead" in told[0]
    assert machine.times_of_the_future() == []
    machine.ingest(RESULTS)
    assert machine.scores()[1] == (2, 1, False)


@pytest.mark.parametrize(
    "step", [(clock_ahead, "retime"), (PayloadArchive, "discard")], ids=["retime", "discard"]
)
def test_cut_off_in_between_it_goes_on_where_it_was(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, step: tuple[Any, str]
) -> None:
    machine.ingest(COMING, TRULY)
    machine.ingest(LIVE, AHEAD)
    archive, known = machine.archive, machine.archive.of_day(DAY)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*step, killed)
        with pytest.raises(KeyboardInterrupt):
            file_as_of_now(known, archive, machine.engine, datetime.now(UTC))
    assert len(archive.of_day(DAY)) == 3
    machine.ingest(RESULTS)
    assert machine.scores() == RESULT
    assert machine.times_of_the_future() == []
    assert len(archive.of_day(DAY)) == 3


def test_a_payload_that_comes_after_a_newer_one_is_passed_over_and_told(machine: Machine) -> None:
    machine.ingest(RESULTS)
    slow = ClockedArchive(machine.store, NOW - timedelta(hours=1), DAY)
    report = ingest_days([DAY], lambda _: LIVE, slow, machine.engine)
    assert machine.scores()[1] == (2, 1, False)
    assert report.passed_over == [f"{DAY}: what is loaded was fetched after it"]
