"""The bulk upsert: one row a match, whichever days show it and in whatever order they come."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import orjson
import psycopg2.errors
import psycopg2.extensions
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from soccer_assets.feed.faults import PayloadFault
from soccer_assets.feed.fields import FeedStatus
from soccer_assets.feed.payload import Row
from soccer_assets.ingestion.parsing import parse_day
from soccer_assets.warehouse.ingested_days import settled_days
from soccer_assets.warehouse.load import LoadResult, load_days
from soccer_assets.warehouse.merge import TableChange
from soccer_assets.warehouse.migrate import migrate
from soccer_assets.warehouse.rows import Gap, ParsedDay
from soccer_assets.warehouse.schema import (
    RAW_FIELDS,
    STATUSES,
    ingested_day,
    match,
    match_raw,
)
from soccer_assets_tests.databases import empty
from soccer_assets_tests.feed_days import (
    DAY,
    FETCHED,
    a_match,
    a_payload,
    any_json,
    finished,
    parsed,
)

DAYS = [DAY + timedelta(days=k) for k in range(4)]
LATER = FETCHED + timedelta(hours=1)
BOOKKEEPING = {"first_seen_at", "changed_at"}
FEW = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

Rows = list[dict[str, Any]]


def rows(engine: sa.Engine, table: sa.Table = match) -> Rows:
    with engine.connect() as connection:
        found = connection.execute(sa.select(table).order_by(table.primary_key.columns[0]))
        return [dict(row) for row in found.mappings()]


def content(engine: sa.Engine) -> tuple[Rows, Rows]:
    """Both tables without what depends on when they were loaded."""
    raw, canonical = (
        [{k: v for k, v in row.items() if k not in BOOKKEEPING} for row in rows(engine, table)]
        for table in (match_raw, match)
    )
    return raw, canonical


def where(engine: sa.Engine) -> dict[int, tuple[str, date]]:
    """Status and day of every match; both tables must agree on the day."""
    found = {row["match_id"]: (row["status"], row["feed_day"]) for row in rows(engine)}
    assert {row["match_id"]: row["feed_day"] for row in rows(engine, match_raw)} == {
        match_id: day for match_id, (_, day) in found.items()
    }
    return found


def shown(day: date, *statuses: tuple[int, str]) -> ParsedDay:
    """A day that shows these matches with these statuses."""
    return parsed(*(with_status(match_id, day, status) for match_id, status in statuses), day=day)


def with_status(match_id: int, day: date, status: str) -> Row:
    if status == "unknown":  # finished, but without a score
        return a_match(match_id, day, status=FeedStatus.FINISHED.value)
    return a_match(match_id, day, status=FeedStatus[status.upper()].value, homeScore=1)


def test_inserted_updated_and_untouched_rows_are_counted(engine: sa.Engine) -> None:
    first = parsed(a_match(1), a_match(2), finished(3, 1, 0))
    assert load_days(engine, [first]) == LoadResult(TableChange(3, 0), TableChange(3, 0))
    assert load_days(engine, [first]) == LoadResult(TableChange(), TableChange())
    second = parsed(
        a_match(1), a_match(2, commentCount=5), finished(3, 2, 0), a_match(4), fetched_at=LATER
    )
    assert load_days(engine, [second]) == LoadResult(TableChange(1, 2), TableChange(1, 1))


def test_nothing_is_written_to_the_rows_of_matches_that_are_as_before(engine: sa.Engine) -> None:
    load_days(engine, [parsed(a_match(1), a_match(2))])
    load_days(engine, [parsed(a_match(1), a_match(2, homeTeamName="New"), fetched_at=LATER)])
    with engine.connect() as connection:
        for table in ("match", "match_raw"):
            # Of a row's versions, the one that is left; xmax: who deleted or only locked it.
            locked = connection.scalars(
                sa.text(f"SELECT match_id FROM soccer.{table} WHERE xmax <> 0")
            )
            assert list(locked) == [], table


def copied(database_url: str, *days: ParsedDay) -> dict[str, int]:
    """Load days; the table of every COPY -> its rows."""
    counts: dict[str, int] = {}

    class Noting(psycopg2.extensions.cursor):
        def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
            super().copy_expert(sql, file, size)
            counts[sql.split()[1]] = self.rowcount

    engine = sa.create_engine(
        database_url, connect_args={"options": "-c timezone=UTC", "cursor_factory": Noting}
    )
    load_days(engine, days)
    engine.dispose()
    return counts


def test_only_what_is_known_is_compared_with_what_is_there(
    engine: sa.Engine, database_url: str
) -> None:
    first, second = (parsed(a_match(n, day), day=day) for n, day in enumerate(DAYS[:2], 1))
    assert copied(database_url, first, second) == {"soccer.match_raw": 2, "soccer.match": 2}
    mixed = parsed(finished(1, 1, 0), a_match(3), fetched_at=LATER)
    assert copied(database_url, mixed) == {
        "soccer.match_raw": 1,
        "soccer.match": 1,
        "stage_match_raw": 1,
        "stage_match": 1,
    }
    assert where(engine) == {
        1: ("finished", DAYS[0]),
        2: ("scheduled", DAYS[1]),
        3: ("scheduled", DAYS[0]),
    }
    assert [row["vanished_at"] for row in rows(engine)] == [None] * 3


@pytest.mark.parametrize("table", ["match", "match_raw"])
def test_a_match_that_somebody_deleted_from_one_table_is_there_again(
    engine: sa.Engine, table: str
) -> None:
    day = parsed(a_match(1), a_match(2))
    load_days(engine, [day])
    before = content(engine)
    with engine.begin() as connection:
        connection.execute(sa.text(f"DELETE FROM soccer.{table} WHERE match_id = 1"))
    assert load_days(engine, [day], reparse=True).refused == ()
    assert content(engine) == before


def test_changes_add_up() -> None:
    assert TableChange(1, 2) + TableChange(3, 4) == TableChange(4, 6)


def test_an_update_keeps_when_a_match_was_first_seen(engine: sa.Engine) -> None:
    load_days(engine, [parsed(a_match(1), a_match(2))])
    load_days(engine, [parsed(a_match(1), finished(2, 0, 0), fetched_at=LATER)])
    for table in (match, match_raw):
        untouched, updated = rows(engine, table)
        assert (untouched["first_seen_at"], untouched["changed_at"]) == (FETCHED, FETCHED)
        assert (updated["first_seen_at"], updated["changed_at"]) == (FETCHED, LATER)


def test_no_days_and_empty_days(engine: sa.Engine) -> None:
    assert load_days(engine, [parsed(), parsed(day=DAYS[1])]).match == TableChange()
    assert rows(engine) == []
    assert [(d["day"], d["matches"]) for d in rows(engine, ingested_day)] == [
        (DAYS[0], 0),
        (DAYS[1], 0),
    ]


def test_of_a_day_that_comes_twice_the_last_counts(engine: sa.Engine) -> None:
    load_days(engine, [parsed(finished(1, 0, 0)), parsed(finished(1, 2, 0), a_match(2))])
    assert [row["home_score"] for row in rows(engine)] == [2, None]
    assert [d["matches"] for d in rows(engine, ingested_day)] == [2]


def test_a_day_that_the_database_refuses_is_named_and_the_others_are_loaded(
    engine: sa.Engine,
) -> None:
    good, bad, last = (parsed(a_match(n), day=day) for n, day in enumerate(DAYS[:3], 1))
    column = bad.match.schema.get_field_index("status")
    bad = replace(bad, match=bad.match.set_column(column, "status", pa.array(["delayed"])))
    [fault] = load_days(engine, [good, bad, last]).refused
    assert fault.day == DAYS[1]
    assert "match_status_known" in fault.fault
    assert isinstance(fault.__cause__, psycopg2.errors.CheckViolation)
    for table in (match, match_raw):
        assert [row["match_id"] for row in rows(engine, table)] == [1, 3]
    assert [row["day"] for row in rows(engine, ingested_day)] == [DAYS[0], DAYS[2]]


def test_migrating_again_keeps_what_is_in_the_tables(engine: sa.Engine) -> None:
    load_days(engine, [parsed(a_match(1))])
    migrate(engine)
    assert len(rows(engine)) == 1


# A match on several days


def test_a_postponed_match_moves_to_its_new_day_and_is_finished_there(engine: sa.Engine) -> None:
    load_days(engine, [shown(DAYS[0], (1, "scheduled"))])
    load_days(engine, [shown(DAYS[0], (1, "postponed"))])
    assert where(engine) == {1: ("postponed", DAYS[0])}
    load_days(engine, [shown(DAYS[1], (1, "scheduled"))])
    assert where(engine) == {1: ("scheduled", DAYS[1])}
    load_days(engine, [shown(DAYS[1], (1, "finished"))])
    load_days(engine, [shown(DAYS[0], (1, "postponed"))])
    assert where(engine) == {1: ("finished", DAYS[1])}


def test_of_two_days_with_the_same_status_the_later_wins(engine: sa.Engine) -> None:
    load_days(engine, [shown(DAYS[1], (1, "scheduled")), shown(DAYS[0], (1, "scheduled"))])
    assert where(engine) == {1: ("scheduled", DAYS[1])}
    load_days(engine, [shown(DAYS[2], (1, "scheduled"))])
    load_days(engine, [shown(DAYS[0], (1, "scheduled"))])
    assert where(engine) == {1: ("scheduled", DAYS[2])}


def test_on_its_own_day_a_match_may_step_back(engine: sa.Engine) -> None:
    load_days(engine, [shown(DAYS[0], (1, "finished"))])
    load_days(engine, [shown(DAYS[0], (1, "cancelled"))])
    assert where(engine) == {1: ("cancelled", DAYS[0])}


@pytest.mark.parametrize("days", [[0, 1], [1, 0]])
def test_a_match_abandoned_and_replayed_is_moved_by_one_load_of_both_days(
    engine: sa.Engine, days: list[int]
) -> None:
    load_days(engine, [shown(DAYS[0], (1, "in_play"))])
    now = [shown(DAYS[0], (1, "abandoned")), shown(DAYS[1], (1, "scheduled"))]
    load_days(engine, [now[k] for k in days])
    assert where(engine) == {1: ("scheduled", DAYS[1])}


def test_a_match_brought_forward_is_moved_by_one_load_of_both_days(engine: sa.Engine) -> None:
    load_days(engine, [shown(DAYS[2], (1, "scheduled"))])
    load_days(engine, [shown(DAYS[0], (1, "scheduled")), shown(DAYS[2], (1, "postponed"))])
    assert where(engine) == {1: ("scheduled", DAYS[0])}


shown_statuses = st.dictionaries(
    st.tuples(st.sampled_from(range(1, 4)), st.sampled_from(DAYS)),
    st.sampled_from(STATUSES),
    min_size=1,
)


def days_of(statuses: dict[tuple[int, date], str]) -> list[ParsedDay]:
    return [
        shown(day, *((m, status) for (m, shown_on), status in statuses.items() if shown_on == day))
        for day in DAYS
    ]


@FEW
@given(
    statuses=shown_statuses,
    order=st.permutations(range(len(DAYS))),
    cuts=st.sets(st.integers(1, len(DAYS) - 1)),
)
def test_neither_order_nor_batches_decide_which_record_wins(
    engine: sa.Engine,
    statuses: dict[tuple[int, date], str],
    order: list[int],
    cuts: set[int],
) -> None:
    days = days_of(statuses)
    empty(engine)
    load_days(engine, days)
    at_once = content(engine)
    assert where(engine) == {
        match_id: max(
            ((status, day) for (m, day), status in statuses.items() if m == match_id),
            key=lambda record: (STATUSES.index(record[0]), record[1]),
        )
        for match_id in {m for m, _ in statuses}
    }
    empty(engine)
    edges = [0, *sorted(cuts), len(DAYS)]
    for start, end in pairwise(edges):
        load_days(engine, [days[k] for k in order[start:end]])
    assert content(engine) == at_once


def test_loads_at_the_same_time_end_as_one_after_the_other(engine: sa.Engine) -> None:
    days = [
        shown(day, *((m, STATUSES[(m + k) % len(STATUSES)]) for m in range(k, 40 + k)))
        for k, day in enumerate(DAYS)
    ]
    load_days(engine, days)
    in_turn = content(engine)
    for _ in range(3):
        empty(engine)
        with ThreadPoolExecutor(2) as pool:
            loads = [
                pool.submit(load_days, engine, part)
                for part in (days[:3], days[:0:-1], days[2:], days[1::-1])
            ]
            changes = [load.result(timeout=30).match for load in loads]
        assert content(engine) == in_turn
        assert sum(change.inserted for change in changes) == len(in_turn[1])


# Whatever parses can be loaded


odd_matches = st.fixed_dictionaries(
    {
        "homeTeamName": st.text(),
        "startTime": st.none() | st.text(),
        "startTimeUtc": st.datetimes(datetime(2024, 3, 7), datetime(2024, 3, 11, 23, 59, 59)).map(
            datetime.isoformat
        ),
        "homeTeamId": st.integers(-(2**63) + 1, 2**63 - 1),
        "commentCount": st.none() | st.integers(-(2**31) + 1, 2**31 - 1),
        "isTopMatch": st.none() | st.booleans(),
        "incidents": st.none() | st.lists(any_json),
        "aNewField": any_json,
    }
)


@FEW
@given(odd=odd_matches)
def test_whatever_parses_can_be_loaded(engine: sa.Engine, odd: dict[str, Any]) -> None:
    body = json.dumps(a_payload({**a_match(1), **odd})).encode()
    try:
        day = parse_day(DAY, body, payload_key="key", fetched_at=FETCHED)
    except PayloadFault:
        assume(False)
    empty(engine)
    load_days(engine, [day])
    (raw,), (canonical,) = rows(engine, match_raw), rows(engine)
    kickoff = datetime.fromisoformat(odd["startTimeUtc"]).replace(tzinfo=UTC)
    assert canonical["kickoff"] == kickoff
    for field in ("homeTeamName", "startTime", "homeTeamId", "commentCount", "isTopMatch"):
        assert raw[RAW_FIELDS[field]] == odd[field]


@pytest.mark.parametrize(
    "text",
    ["", " ", '"', "a\nb", "a\r\nb", "\\.", "\\N", "NULL", "a,b", "İ中\U0001f600", "\x01\x7f"],
)
def test_texts_arrive_as_they_were_sent(engine: sa.Engine, text: str) -> None:
    document = [{"text": text, "numbers": [-(2**63), 1.5]}]
    day = parsed(a_match(1, homeTeamName=text, startTime=text, incidents=document))
    load_days(engine, [day])
    (raw,), (canonical,) = rows(engine, match_raw), rows(engine)
    assert raw["home_team_name"] == canonical["home_team_name"] == text
    assert raw["start_time"] == text
    assert raw["incidents"] == document
    assert raw["elapsed"] is None


# Settled days


@pytest.mark.parametrize(
    ("checked_at", "settled"),
    [
        (datetime(2024, 3, 11, 23, 59, 59, tzinfo=UTC), set()),
        (datetime(2024, 3, 12, tzinfo=UTC), {DAY}),
        (None, {DAY}),
    ],
)
def test_a_day_settles_three_days_later(
    engine: sa.Engine, checked_at: datetime | None, settled: set[date]
) -> None:
    load_days(engine, [parsed(a_match(1))], checked_at)
    assert settled_days(engine) == settled


def test_a_day_that_lacks_a_league_does_not_settle(engine: sa.Engine) -> None:
    whole = parsed(a_match(1))
    gap = Gap(frozenset({901}), "E0.csv: HTTP 500")
    later = datetime(2024, 4, 1, tzinfo=UTC)
    load_days(engine, [replace(whole, gaps=(gap,))], later)
    assert settled_days(engine) == set()
    load_days(engine, [whole], later)
    assert settled_days(engine) == {DAY}


def test_a_day_that_settled_stays_settled(engine: sa.Engine) -> None:
    load_days(engine, [parsed(), parsed(day=DAYS[3])], datetime(2024, 3, 12, tzinfo=UTC))
    load_days(engine, [parsed()])
    assert settled_days(engine) == {DAYS[0]}


def test_ingested_days_name_their_payload(engine: sa.Engine) -> None:
    load_days(engine, [parsed(a_match(1), a_match(2))])
    body = orjson.dumps(a_payload(a_match(1)))
    newer = parse_day(DAY, body, payload_key="newer", fetched_at=LATER)
    load_days(engine, [newer])
    assert rows(engine, ingested_day) == [
        {
            "day": DAY,
            "payload_key": "newer",
            "fetched_at": LATER,
            "checked_at": LATER,
            "matches": 1,
        }
    ]
