"""Hostile and changing feeds through the whole ingest: a day is in the tables whole or not at all,
and the archive alone makes the same tables again."""

import json
import string
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soccer_assets.feed.faults import FetchFault
from soccer_assets.ingestion.ingest import ingest_days
from soccer_assets.ingestion.rebuild import rebuild_warehouse
from soccer_assets.lake.export import export_months
from soccer_assets.lake.parity import Parity, compare_with_database
from soccer_assets.lake.tables import read_table
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import LocalStore
from soccer_assets.warehouse.history import matches_as_of
from soccer_assets_tests.databases import empty
from soccer_assets_tests.durability.hostile import DAYS, good_days, hostile_days
from soccer_assets_tests.durability.scenario import (
    ClockedArchive,
    Contents,
    contents,
    fetch_of,
)
from soccer_assets_tests.feed_days import DAY, FETCHED, a_match, a_payload, finished

HOUR = timedelta(hours=1)
#: A fault is a line of a log, whatever it is about.
LONGEST_FAULT = 1000


def thorough(examples: int) -> settings:
    return settings(
        deadline=None,
        max_examples=examples,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def body(*rows: dict[str, Any], **header: Any) -> bytes:
    return orjson.dumps(a_payload(*rows, **header))


def known_days() -> dict[date, bytes]:
    """Three days that know one another: a match on two of them, one with odds."""
    priced = {"B365H": "2.0", "B365D": "3.0", "B365A": "4.0"}
    first, day, last = DAYS
    return {
        first: body(finished(1, 1, 0, first), a_match(2, first, status=2)),
        day: body(a_match(2, day), {**a_match(3, day), "footballData": priced}),
        last: body(a_match(3, last), finished(4, 2, 2, last)),
    }


class Lake:
    """A fresh archive for every example, in folders of one test's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def store(self) -> LocalStore:
        self._count += 1
        return LocalStore(self._folder / str(self._count))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def ids_of(payload: bytes) -> list[int]:
    return sorted(m["id"] for t in orjson.loads(payload)["tournaments"] for m in t["matches"])


def check_whole(found: Contents, day: date, shown: list[int]) -> None:
    """Every match that a day shows is known as shown by it, once, and by both tables alike."""
    for suffix in ("", "_shadow"):
        raw, canonical = (
            sorted((row["match_id"], row["feed_day"]) for row in found[table + suffix])
            for table in ("match_raw", "match")
        )
        assert raw == canonical
    ids = [row["match_id"] for row in found["match"]]
    assert len(set(ids)) == len(ids)
    records = [
        row["match_id"]
        for table in ("match", "match_shadow")
        for row in found[table]
        if row["feed_day"] == day and row["vanished_at"] is None
    ]
    assert sorted(records) == shown


def check_kickoffs(engine: sa.Engine) -> None:
    """No kick-off is far from the day that shows it, and no match is over before it begins."""
    for row in contents(engine)["match"]:
        assert abs(row["kickoff"].date() - row["feed_day"]) <= timedelta(days=2)
        assert row["status"] != "finished" or row["kickoff"] <= row["changed_at"]


@pytest.mark.slow
@thorough(60)
@given(data=st.data())
def test_a_hostile_day_is_refused_whole_or_loaded_whole(
    engine: sa.Engine, lake: Lake, data: st.DataObject
) -> None:
    hostile = data.draw(hostile_days(DAY))
    refused_or_loaded(engine, lake.store(), hostile)


@pytest.mark.slow
@thorough(1000)
@given(hostile=hostile_days(DAY))
def test_any_of_many_hostile_days_is_refused_whole_or_loaded_whole(
    engine: sa.Engine, lake: Lake, hostile: bytes
) -> None:
    refused_or_loaded(engine, lake.store(), hostile)


def refused_or_loaded(engine: sa.Engine, store: LocalStore, hostile: bytes) -> None:
    empty(engine)
    good = known_days()
    ingest_days(DAYS, fetch_of(good), ClockedArchive(store, FETCHED, DAYS[0]), engine)
    before = contents(engine)
    archive = ClockedArchive(store, FETCHED + HOUR, DAYS[0])
    report = ingest_days([DAY], fetch_of({DAY: hostile}), archive, engine)

    newest = [payload for payload in archive.payloads() if payload.day == DAY][-1]
    assert archive.read(newest) == hostile
    assert newest.rejected == bool(report.faults)
    if report.faults:
        [fault] = report.faults
        assert contents(engine) == before
        assert store.get(newest.key + ".rejected").decode() == fault.fault
        assert len(fault.fault) < LONGEST_FAULT
    else:
        aside = {found.match_id for found in report.set_aside.get(DAY, ())}
        known = set(ids_of(good[DAY]))  # of these, what is set aside stays as it was
        expected = [n for n in ids_of(hostile) if n not in aside or n in known]
        check_whole(contents(engine), DAY, expected)
        check_kickoffs(engine)
        can_be_read(engine, store)

    after = ClockedArchive(store, FETCHED + 2 * HOUR, DAYS[0])
    changed = body(a_match(2, DAY), finished(9, 1, 1, DAY))
    assert ingest_days([DAY], fetch_of({DAY: changed}), after, engine).faults == []
    check_whole(contents(engine), DAY, [2, 9])
    latest = after.latest(DAY)
    assert latest is not None
    assert after.read(latest) == changed


def can_be_read(engine: sa.Engine, store: LocalStore) -> None:
    """What is in the tables comes out: to the lake, and as of a moment."""
    manifest = export_months(engine, store).manifest
    assert compare_with_database(engine, store, manifest) == Parity()
    rows = contents(engine)
    for table in ("match_raw", "match"):
        lake_rows = sorted(
            read_table(store, manifest, table).to_pylist(), key=lambda row: row["match_id"]
        )
        for ours, theirs in zip(lake_rows, rows[table], strict=True):
            for name, value in theirs.items():
                if isinstance(value, list | dict):
                    # As the driver reads it; orjson would round integers of more than 64 bits.
                    assert json.loads(ours[name]) == value
                else:
                    assert ours[name] == value, name
    assert len(matches_as_of(engine, FETCHED + HOUR + HOUR / 2)) == len(rows["match"])


# Bodies that hypothesis would take long to find


def long_name(length: int) -> str:
    """One that does not compress."""
    return "".join(Random(20).choices(string.ascii_letters + string.digits, k=length))


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(
            body({**a_match(7), "id": "x" * 100_000}),
            id="id_is_a_long_text",
        ),
        pytest.param(body(a_match(7, homeTeamName="x" * 5_000_000)), id="name_of_5_mb"),
        pytest.param(body(a_match(7, stageId=2**63)), id="stage_beyond_bigint"),
        pytest.param(body(a_match(7, startTimeUtc="0001-01-01T00:00:00Z")), id="year_1"),
        pytest.param(body(a_match(7, startTimeUtc="9999-12-31T23:59:59Z")), id="year_9999"),
        pytest.param(body(a_match(7, id=-(2**63) + 1)), id="smallest_id"),
        pytest.param(
            body({**a_match(7), "footballData": {long_name(8_000) + o: "2" for o in "HDA"}}),
            id="bookmaker_of_8_kb",
        ),
        pytest.param(
            body({**a_match(7), "footballData": {"B365H": "2", "B365D": "9" * 308, "B365A": "3"}}),
            id="odds_of_308_digits",
        ),
        pytest.param(
            body(finished(7, 1, 0, startTimeUtc="2099-05-01T15:00:00Z")), id="finished_in_2099"
        ),
        pytest.param(
            body(finished(2, 1, 0, startTimeUtc="2099-05-01T15:00:00Z"), a_match(3)),
            id="a_known_match_in_2099",
        ),
        pytest.param(body(*(a_match(n) for n in range(10, 20_011))), id="20,001_matches"),
        pytest.param(b'{"tournaments": [], "gaps": [{"tournamentIds": [true]}]}', id="odd_gaps"),
        pytest.param(b" " * (32 * 1024 * 1024 + 1), id="33_mb"),
        pytest.param(body(a_match(7), regionName="\\.\n\\."), id="end_of_copy"),
        pytest.param(body(a_match(7, homeTeamName="a\0b")), id="nul_in_a_name"),
        pytest.param(body({**a_match(7), "new\0": 1}), id="nul_in_the_name_of_a_new_field"),
        pytest.param(body(a_match(7, incidents=[{"a": ["\0"]}])), id="nul_in_a_document"),
    ],
)
def test_a_day_with_one_outlandish_value_is_refused_whole_or_loaded_whole(
    engine: sa.Engine, store: LocalStore, hostile: bytes
) -> None:
    refused_or_loaded(engine, store, hostile)


# Sequences


Step = tuple[date, bytes, str]


def steps(day: date) -> st.SearchStrategy[Step]:
    """A day's answer: good, hostile, or good but sent with an error."""
    good = good_days(day).map(lambda b: (day, b, "answer"))
    hostile = hostile_days(day).map(lambda b: (day, b, "answer"))
    return st.one_of(good, good, good, hostile)


histories = st.lists(st.sampled_from(DAYS).flatmap(steps), min_size=1, max_size=9)


def tell(engine: sa.Engine, store: LocalStore, history: list[Step]) -> None:
    """Ingest one answer after the other, an hour apart."""
    for hour, (day, sent, how) in enumerate(history):
        archive = ClockedArchive(store, FETCHED + hour * HOUR, day)

        def fetch(day: date, sent: bytes = sent, how: str = how) -> bytes:
            if how == "error":
                raise FetchFault(day, "HTTP 500", sent)
            return sent

        ingest_days([day], fetch, archive, engine)


def objects(store: LocalStore) -> dict[str, bytes]:
    return {key: store.get(key) for key in store.list("livescores/")}


@thorough(30)
@given(history=histories)
def test_any_sequence_of_good_and_bad_days_is_rebuilt_from_the_archive_to_the_last_bit(
    engine: sa.Engine, lake: Lake, history: list[Step]
) -> None:
    rebuilt(engine, lake.store(), history)


@pytest.mark.slow
@thorough(300)
@given(history=histories)
def test_any_of_many_sequences_is_rebuilt_from_the_archive_to_the_last_bit(
    engine: sa.Engine, lake: Lake, history: list[Step]
) -> None:
    rebuilt(engine, lake.store(), history)


def rebuilt(engine: sa.Engine, store: LocalStore, history: list[Step]) -> None:
    empty(engine)
    tell(engine, store, history)
    before, kept = contents(engine), objects(store)
    rebuild_warehouse(engine, PayloadArchive(store))
    assert contents(engine) == before
    assert objects(store) == kept


@pytest.mark.parametrize("sent", ["other", "same"])
def test_a_day_that_came_with_an_error_is_not_loaded_by_a_rebuild_either(
    engine: sa.Engine, store: LocalStore, sent: str
) -> None:
    """The body of an error may well look like a day: an empty one, or the last one from a cache."""
    good = body(finished(1, 1, 0))
    error = good if sent == "same" else orjson.dumps({"tournaments": []})
    tell(engine, store, [(DAY, good, "answer")])
    archive = PayloadArchive(store)
    known = archive.latest(DAY)
    tell(engine, store, [(DAY, good, "answer"), (DAY, error, "error")])
    assert archive.latest(DAY) == known
    before = contents(engine)
    rebuild_warehouse(engine, archive)
    assert contents(engine) == before


# Batches


@st.composite
def rounds(draw: st.DrawFn) -> list[dict[date, bytes]]:
    """What the days answer, the first time, the second, ..."""
    return [{day: draw(steps(day))[1] for day in DAYS} for _ in range(draw(st.integers(1, 3)))]


@thorough(12)
@given(answers=rounds())
def test_batches_and_concurrency_make_no_difference(
    engine: sa.Engine, lake: Lake, answers: list[dict[date, bytes]]
) -> None:
    seen = []
    for batch_days, concurrency in ((1, 1), (2, 3), (31, 2)):
        empty(engine)
        store = lake.store()
        for hour, bodies in enumerate(answers):
            ingest_days(
                DAYS,
                fetch_of(bodies),
                ClockedArchive(store, FETCHED + hour * HOUR, DAYS[0]),
                engine,
                batch_days=batch_days,
                concurrency=concurrency,
            )
        tables = contents(engine)
        for row in tables["ingested_day"]:
            del row["checked_at"]
        seen.append((tables, objects(store)))
    assert seen[0] == seen[1] == seen[2]
