"""Days from a feed over HTTP into the archive and PostgreSQL, with the feed misbehaving."""

import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from soccer_assets.feed.faults import FetchFault
from soccer_assets.feed.fields import FeedStatus
from soccer_assets.feed.limits import FeedLimits
from soccer_assets.ingestion import tables as rows_of_payload
from soccer_assets.ingestion.ingest import Fetch, IngestReport, days_between, ingest_days
from soccer_assets.ingestion.rebuild import rebuild_warehouse
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import HTML_ERROR, Fault, FeedServer
from soccer_assets.sources.livescores import LivescoresClient
from soccer_assets.sources.request_policy import RequestPolicy
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import LocalStore
from soccer_assets.warehouse.merge import TableChange
from soccer_assets.warehouse.schema import ingested_day, match, match_raw
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.feed_days import FETCHED, a_match, a_payload, finished
from soccer_assets_tests.sources.odd_hosts import Answer, host, says

DAYS = [date(2025, 2, 25), date(2025, 2, 26), date(2025, 2, 27)]
BAD = DAYS[1]
BOOKKEEPING = {"first_seen_at", "changed_at"}

Rows = dict[int, dict[str, Any]]


@pytest.fixture(scope="module")
def world() -> LeagueSimulator:
    simulator = LeagueSimulator(seed=20, first_season=2024)
    simulator.payload(BAD, MIDSEASON)
    return simulator


@pytest.fixture
def feed(world: LeagueSimulator) -> Iterator[FeedServer]:
    with FeedServer(world, clock=lambda: MIDSEASON) as server:
        yield server


@pytest.fixture
def fetch(feed: FeedServer) -> Iterator[Fetch]:
    with LivescoresClient(
        feed.url, policy=RequestPolicy(timeout=10, attempts=2, backoff=0.01)
    ) as client:
        yield client.fetch


@pytest.fixture
def hasty_fetch(feed: FeedServer) -> Iterator[Fetch]:
    """Fetches that do not wait for a slow answer."""
    with LivescoresClient(feed.url, policy=RequestPolicy(timeout=0.3, attempts=1)) as client:
        yield client.fetch


@pytest.fixture
def archive(store: LocalStore) -> PayloadArchive:
    return PayloadArchive(store)


def sent(feed: FeedServer, day: date) -> dict[str, Any]:
    return feed.backend.payload(day, MIDSEASON)


def table(engine: sa.Engine, which: sa.Table) -> Rows:
    with engine.connect() as connection:
        rows = connection.execute(sa.select(which)).mappings().all()
    return {row["match_id"]: dict(row) for row in rows}


def tables(engine: sa.Engine) -> tuple[Rows, Rows]:
    return table(engine, match_raw), table(engine, match)


def content(rows: Rows) -> Rows:
    return {k: {n: v for n, v in row.items() if n not in BOOKKEEPING} for k, row in rows.items()}


def ids_of(payload: dict[str, Any]) -> set[int]:
    return {row["id"] for header in payload["tournaments"] for row in header["matches"]}


def days_in(engine: sa.Engine) -> dict[date, int]:
    with engine.connect() as connection:
        return dict(connection.execute(sa.select(ingested_day.c.day, ingested_day.c.matches)).all())


def archived(store: LocalStore, day: date) -> list[str]:
    return store.list(f"livescores/{day:%Y/%m/%d}/")


def test_days_become_rows(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    report = ingest_days(DAYS, fetch, archive, engine)
    expected = {day: ids_of(sent(feed, day)) for day in DAYS}
    raw, canonical = tables(engine)
    assert set(raw) == set(canonical) == set.union(*expected.values())
    assert [(d.day, d.matches) for d in report.loaded] == [(d, len(expected[d])) for d in DAYS]
    assert report.match == report.match_raw == TableChange(inserted=len(raw))
    assert report.matches == len(raw) > 20
    assert report.faults == []
    assert days_in(engine) == {day: len(found) for day, found in expected.items()}
    for loaded in report.loaded:
        payload = archive.latest(loaded.day)
        assert payload is not None
        assert payload.key == loaded.payload_key
        assert orjson.loads(archive.read(payload)) == sent(feed, loaded.day)
        assert all(
            raw[k]["payload_key"] == payload.key and raw[k]["changed_at"] == payload.fetched_at
            for k in expected[loaded.day]
        )


def test_unchanged_days_change_no_row_and_store_no_payload(
    fetch: Fetch, archive: PayloadArchive, engine: sa.Engine, store: LocalStore
) -> None:
    ingest_days(DAYS, fetch, archive, engine)
    before, keys = tables(engine), store.list("livescores/")
    report = ingest_days(DAYS, fetch, archive, engine)
    assert tables(engine) == before
    assert store.list("livescores/") == keys
    assert len(keys) == len(DAYS)
    assert report.match == report.match_raw == TableChange()
    assert len(report.loaded) == len(DAYS)


def test_a_changed_score_changes_that_row_alone(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine, store: LocalStore
) -> None:
    ingest_days(DAYS, fetch, archive, engine)
    before = tables(engine)
    payload = sent(feed, BAD)
    row = payload["tournaments"][0]["matches"][0]
    row["homeScore"] += 1
    feed.override(BAD, payload)
    report = ingest_days(DAYS, fetch, archive, engine)
    assert report.match == report.match_raw == TableChange(updated=1)
    for old, new in zip(before, tables(engine), strict=True):
        assert {k for k in old if old[k] != new[k]} == {row["id"]}
        was, now = old[row["id"]], new[row["id"]]
        assert now["home_score"] == was["home_score"] + 1
        assert now["first_seen_at"] == was["first_seen_at"]
        assert now["changed_at"] > was["changed_at"]
    assert [len(archived(store, day)) for day in DAYS] == [1, 2, 1]


def test_a_new_field_is_reported(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    feed.override(BAD, a_payload({**finished(1, 2, 0, BAD), "shots": 9}))
    assert ingest_days([BAD], fetch, archive, engine).new_fields == {"shots"}
    assert table(engine, match_raw)[1]["extra"] == {"shots": 9}


def test_an_empty_day_counts_as_ingested(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    feed.override(BAD, {"tournaments": []})
    report = ingest_days([BAD], fetch, archive, engine)
    assert report.faults == []
    assert days_in(engine) == {BAD: 0}


# Faults

SPOILT = [
    (Fault.unknown_status(99), "unknown status 99"),
    (Fault.truncated_json(), "truncated or invalid JSON"),
    (Fault.missing_field("homeTeamId"), "missing field 'homeTeamId'"),
    (Fault.missing_field("seasonId"), "missing field 'seasonId'"),
    (Fault.wrong_type("homeScore"), "field 'homeScore' of match"),
    (Fault.duplicate_id(), "twice in one payload"),
    (Fault.html_page(), "an HTML page instead of JSON"),
    (Fault.http_500(), "HTTP 500"),
    (Fault.http_429(retry_after=0), "HTTP 429"),
    (Fault.timeout(30), "timeout"),
]
every_fault = pytest.mark.parametrize(
    ("fault", "text"), SPOILT, ids=lambda value: value.kind if isinstance(value, Fault) else ""
)


def only_fault(report: IngestReport, text: str) -> None:
    """The report names the bad day and its fault, and has the other days loaded."""
    (fault,) = report.faults
    assert fault.day == BAD
    assert str(fault).startswith("livescores 2025-02-26: ")
    assert text in fault.fault
    assert [loaded.day for loaded in report.loaded] == [DAYS[0], DAYS[2]]


@every_fault
def test_a_bad_day_is_reported_and_leaves_no_trace_in_the_tables(
    feed: FeedServer,
    hasty_fetch: Fetch,
    archive: PayloadArchive,
    engine: sa.Engine,
    fault: Fault,
    text: str,
) -> None:
    good = set.union(*(ids_of(sent(feed, day)) for day in (DAYS[0], DAYS[2])))
    feed.inject(BAD, fault)
    only_fault(ingest_days(DAYS, hasty_fetch, archive, engine), text)
    raw, canonical = tables(engine)
    assert set(raw) == set(canonical) == good
    assert set(days_in(engine)) == {DAYS[0], DAYS[2]}


@every_fault
def test_a_bad_answer_leaves_what_is_known_of_the_day(
    feed: FeedServer,
    hasty_fetch: Fetch,
    archive: PayloadArchive,
    engine: sa.Engine,
    fault: Fault,
    text: str,
) -> None:
    ingest_days(DAYS, hasty_fetch, archive, engine)
    before, payload = tables(engine), archive.latest(BAD)
    feed.inject(BAD, fault)
    only_fault(ingest_days(DAYS, hasty_fetch, archive, engine), text)
    assert tables(engine) == before
    assert archive.latest(BAD) == payload


@pytest.mark.parametrize(
    ("fault", "body"),
    [(Fault.html_page(), HTML_ERROR), (Fault.http_500(), b'{"error":"injected"}')],
    ids=["html_page", "http_500"],
)
def test_a_bad_answer_is_kept_verbatim_and_marked_with_the_reason(
    feed: FeedServer,
    fetch: Fetch,
    archive: PayloadArchive,
    engine: sa.Engine,
    store: LocalStore,
    fault: Fault,
    body: bytes,
) -> None:
    feed.inject(BAD, fault)
    (reported,) = ingest_days([BAD], fetch, archive, engine).faults
    key, mark = archived(store, BAD)
    assert mark == f"{key}.rejected"
    assert store.get(mark).decode() == reported.fault
    (payload,) = archive.of_day(BAD)
    assert payload.rejected
    assert archive.read(payload) == body == reported.body
    assert archive.latest(BAD) is None


def test_no_answer_leaves_nothing_in_the_archive(
    feed: FeedServer,
    hasty_fetch: Fetch,
    archive: PayloadArchive,
    engine: sa.Engine,
    store: LocalStore,
) -> None:
    feed.inject(BAD, Fault.timeout(30))
    ingest_days([BAD], hasty_fetch, archive, engine)
    assert archived(store, BAD) == []


def test_a_day_the_site_does_not_have(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine, store: LocalStore
) -> None:
    with LivescoresClient(f"{feed.url}/nowhere") as elsewhere:
        report = ingest_days(
            DAYS,
            lambda day: elsewhere.fetch(day) if day == BAD else fetch(day),
            archive,
            engine,
        )
    only_fault(report, "HTTP 404")
    assert len(archived(store, BAD)) == 2


def test_a_bad_answer_that_repeats_itself_is_kept_once(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine, store: LocalStore
) -> None:
    feed.inject(BAD, Fault.html_page())
    for _ in range(3):
        assert len(ingest_days([BAD], fetch, archive, engine).faults) == 1
    assert len(archived(store, BAD)) == 2


def test_a_day_recovers_when_the_source_does(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    feed.inject(BAD, Fault.unknown_status())
    assert ingest_days(DAYS, fetch, archive, engine).faults
    feed.clear()
    assert not ingest_days(DAYS, fetch, archive, engine).faults
    assert set(days_in(engine)) == set(DAYS)


def test_a_payload_once_refused_is_readable_again_when_it_turns_out_usable(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    body = orjson.dumps(sent(feed, BAD))
    archive.reject(archive.put(BAD, body, FETCHED), "a status that was unknown then")
    assert ingest_days([BAD], fetch, archive, engine).faults == []
    payload = archive.latest(BAD)
    assert payload is not None
    assert payload.fetched_at == FETCHED
    assert ingest_days([BAD], None, archive, engine).faults == []


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (says(b"", 503, Retry_After=f"Wed, 21 Oct {10**20} 07:28:00 GMT"), "HTTP 503 (2 attempts)"),
        (says(b"", 503, Retry_After="9" * 400), "HTTP 503, which asks for a pause of inf s"),
        (says(b"", 200, Content_Encoding="br"), "unreadable compression"),
        (says(b"", 200, Content_Length="-5"), "no connection"),
    ],
)
def test_an_odd_header_is_the_fault_of_its_day(
    fetch: Fetch, archive: PayloadArchive, engine: sa.Engine, answer: Answer, text: str
) -> None:
    with (
        host(answer) as (url, _),
        LivescoresClient(url, policy=RequestPolicy(attempts=2, backoff=0.01)) as client,
    ):
        report = ingest_days(
            DAYS, lambda day: client.fetch(day) if day == BAD else fetch(day), archive, engine
        )
    only_fault(report, text)
    assert report.faults[0].passing == ("asks for a pause" not in text)  # that wish is kept
    assert report.unexpected == []


@pytest.mark.parametrize("error", [OverflowError, MemoryError])
def test_a_bug_in_a_source_costs_its_day_alone_and_keeps_its_stack(
    fetch: Fetch, archive: PayloadArchive, engine: sa.Engine, error: type[Exception]
) -> None:
    def stumbling(day: date) -> bytes:
        if day == BAD:
            raise error("a bug")
        return fetch(day)

    report = ingest_days(DAYS, stumbling, archive, engine, concurrency=2)
    only_fault(report, f"{error.__name__}: ")
    [fault] = report.unexpected
    assert isinstance(fault.__cause__, error)
    assert "stumbling" in "".join(traceback.format_exception(fault.__cause__))


def test_a_bug_in_the_parser_costs_its_day_alone(
    feed: FeedServer,
    fetch: Fetch,
    archive: PayloadArchive,
    engine: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest_days(DAYS, fetch, archive, engine)
    before, broken = tables(engine), rows_of_payload.match_state
    feed.override(BAD, a_payload(finished(1, 2, 0, BAD, elapsed="odd")))

    def stumbling(status: int, period: Any, elapsed: Any, *, has_score: bool) -> Any:
        if elapsed == "odd":
            raise ZeroDivisionError("a bug")
        return broken(status, period, elapsed, has_score=has_score)

    monkeypatch.setattr(rows_of_payload, "match_state", stumbling)
    report = ingest_days(DAYS, fetch, archive, engine)
    only_fault(report, "ZeroDivisionError: a bug")
    assert tables(engine) == before
    lines: list[str] = []
    rebuild_warehouse(engine, archive, lines.append)
    assert tables(engine) == before
    monkeypatch.undo()
    rebuild_warehouse(engine, archive)
    assert table(engine, match)[1]["home_score"] == 2


def test_an_archived_payload_that_is_torn_is_the_fault_of_its_day(
    fetch: Fetch, archive: PayloadArchive, engine: sa.Engine, store: LocalStore
) -> None:
    ingest_days(DAYS, fetch, archive, engine)
    expected = set(table(engine, match))
    payload = archive.latest(BAD)
    assert payload is not None
    lost = {row["match_id"] for row in table(engine, match).values() if row["feed_day"] == BAD}
    store.put(payload.key, store.get(payload.key)[:-10])
    lines: list[str] = []
    rebuild_warehouse(engine, archive, lines.append)
    assert set(table(engine, match)) == expected - lost
    assert any(f"refused: livescores {BAD}: the archived payload" in line for line in lines)


# Kick-offs


FAR = [
    *("0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2099-05-01T15:00:00Z"),
    *("9999-12-31T23:59:59Z", f"{BAD - timedelta(days=3)}T23:59:59Z"),
    f"{BAD + timedelta(days=3)}T00:00:00Z",
]
NEAR = [f"{BAD - timedelta(days=2)}T00:00:00Z", f"{BAD + timedelta(days=2)}T23:59:59Z"]


def test_a_kickoff_out_of_reason_is_named_and_set_aside_and_its_day_is_loaded(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    odd = [
        finished(2 * n + k, 1, 1, BAD, startTimeUtc=kickoff, status=int(status))
        for n, kickoff in enumerate(FAR, 10)
        for k, status in enumerate((FeedStatus.SCHEDULED, FeedStatus.FINISHED))
    ]
    near = [finished(n, 1, 1, BAD, startTimeUtc=kickoff) for n, kickoff in enumerate(NEAR)]
    feed.override(BAD, a_payload(*near, *odd))
    lines: list[str] = []
    report = ingest_days([BAD], fetch, archive, engine, progress=lines.append)
    assert report.faults == []
    assert [found.match_id for found in report.set_aside[BAD]] == [row["id"] for row in odd]
    for found, row in zip(report.set_aside[BAD], odd, strict=True):
        assert row["startTimeUtc"][:10] in found.reason
        assert f"{BAD}: set aside: {found}" in lines
    raw, canonical = tables(engine)
    assert set(raw) == set(canonical) == {row["id"] for row in near}
    assert days_in(engine) == {BAD: len(near)}
    rebuild_warehouse(engine, archive)
    assert (raw, canonical) == tables(engine)


def test_a_match_that_is_over_before_it_begins_is_set_aside_until_it_has_begun(
    archive: PayloadArchive, engine: sa.Engine
) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    done, coming = finished(1, 2, 0, tomorrow), a_match(2, tomorrow)
    body = orjson.dumps(a_payload(done, coming))
    report = ingest_days([tomorrow], lambda day: body, archive, engine)
    [match_set_aside] = report.set_aside[tomorrow]
    assert match_set_aside.match_id == 1
    assert "and yet finished" in match_set_aside.reason
    assert set(table(engine, match)) == {2}


@pytest.mark.parametrize("row", [finished(2, 1, 1, BAD), a_match(2, BAD)])
def test_a_match_of_a_team_against_itself_is_set_aside(
    row: dict[str, Any], archive: PayloadArchive, engine: sa.Engine
) -> None:
    itself = {**row, "awayTeamId": row["homeTeamId"]}
    body = orjson.dumps(a_payload(finished(1, 2, 0, BAD), itself))
    report = ingest_days([BAD], lambda day: body, archive, engine)
    [found] = report.set_aside[BAD]
    assert str(found) == f"match 2: team {row['homeTeamId']} plays itself"
    assert set(table(engine, match)) == {1}


def test_what_is_known_of_a_match_stays_when_its_row_is_set_aside(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    """Known matches, one that another day shows as well, and one that is gone in earnest."""
    other = DAYS[2]
    feed.override(other, a_payload(a_match(3, other, status=int(FeedStatus.POSTPONED))))
    good = [finished(n, 2, 0, BAD) for n in (1, 2, 3, 4)]
    feed.override(BAD, a_payload(*good))
    ingest_days([other, BAD], fetch, archive, engine)
    before = table(engine, match)
    odd = [{**row, "startTimeUtc": "2099-01-01T00:00:00Z", "homeScore": 9} for row in good[1:3]]
    feed.override(BAD, a_payload(good[0], *odd))
    report = ingest_days([other, BAD], fetch, archive, engine)
    assert [found.match_id for found in report.set_aside[BAD]] == [2, 3]
    after = table(engine, match)
    assert {k: after[k] for k in (1, 2, 3)} == {k: before[k] for k in (1, 2, 3)}
    assert after[4]["vanished_at"] is not None
    assert report.changes.vanished == 1
    rebuild_warehouse(engine, archive)
    assert table(engine, match) == after
    feed.override(BAD, a_payload(*good))
    assert ingest_days([BAD], fetch, archive, engine).set_aside == {}


# Sizes


def test_a_day_of_too_many_matches_is_refused_by_name(
    fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    count = len(ids_of(orjson.loads(fetch(BAD))))
    report = ingest_days(DAYS, fetch, archive, engine, limits=FeedLimits(max_matches=count - 1))
    assert f"livescores {BAD}: {count} matches, more than {count - 1}" in map(str, report.faults)


def test_a_body_of_too_many_bytes_is_refused_by_name_from_the_archive_too(
    fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    ingest_days([BAD], fetch, archive, engine)
    size = len(fetch(BAD))
    [fault] = ingest_days(
        [BAD], None, archive, engine, limits=FeedLimits(max_bytes=size - 1)
    ).faults
    assert fault.fault == f"{size:,} bytes, more than {size - 1:,}"


# From the archive


def truncate(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE soccer.match_raw, soccer.match, soccer.ingested_day"))


def test_the_archive_rebuilds_both_tables_to_the_last_bit(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    ingest_days(DAYS, fetch, archive, engine)
    before, requests = tables(engine), feed.requests
    truncate(engine)
    report = ingest_days(DAYS, None, archive, engine)
    assert tables(engine) == before
    assert feed.requests == requests
    assert report.match == TableChange(inserted=len(before[1]))


def test_the_archive_rebuilds_the_newest_content_of_days_that_changed(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    for score in (0, 1, 0):
        feed.override(BAD, a_payload(finished(1, score, 0, BAD), finished(2, 2, 2, BAD)))
        ingest_days([BAD], fetch, archive, engine)
    before = tables(engine)
    truncate(engine)
    ingest_days([BAD], None, archive, engine)
    after = tables(engine)
    assert content(after[1]) == content(before[1])
    assert after[1][1]["changed_at"] == before[1][1]["changed_at"]
    assert after[0][1]["payload_key"] == before[0][1]["payload_key"]


def test_the_archive_says_nothing_new_about_rows_that_are_there(
    fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    ingest_days(DAYS, fetch, archive, engine)
    before = tables(engine)
    assert ingest_days(DAYS, None, archive, engine).match == TableChange()
    assert tables(engine) == before


def test_a_refused_payload_is_not_read_from_the_archive(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    feed.inject(BAD, Fault.unknown_status())
    ingest_days(DAYS, fetch, archive, engine)
    truncate(engine)
    only_fault(ingest_days(DAYS, None, archive, engine), "no payload in the archive")
    assert set(days_in(engine)) == {DAYS[0], DAYS[2]}


# Batches


def test_progress_tells_of_every_batch_and_every_refusal(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    for count, day in enumerate(DAYS):
        matches = [finished(100 * count + k, 1, 0, day) for k in range(600)]
        feed.override(day, a_payload(*matches))
    feed.inject(BAD, Fault.html_page())
    lines: list[str] = []
    ingest_days(DAYS[:3], fetch, archive, engine, batch_days=2, progress=lines.append)
    assert lines == [
        "refused: livescores 2025-02-26: an HTML page instead of JSON",
        "2025-02-26: 2 of 3 days, 600 matches",
        "2025-02-27: 3 of 3 days, 1,200 matches",
    ]


def test_a_crash_leaves_the_batches_before_it(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine, store: LocalStore
) -> None:
    def fetch_until_it_breaks(day: date) -> bytes:
        if day == DAYS[2]:
            raise KeyboardInterrupt
        return fetch(day)

    days = [DAYS[0], DAYS[1], DAYS[0] - timedelta(days=1), DAYS[2]]
    with pytest.raises(KeyboardInterrupt):
        ingest_days(days, fetch_until_it_breaks, archive, engine, batch_days=2)
    assert set(days_in(engine)) == {DAYS[0], DAYS[1]}
    assert archived(store, days[2])


def test_days_are_fetched_together_when_asked_to(
    fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    together = threading.Barrier(3, timeout=5)

    def meet_and_fetch(day: date) -> bytes:
        together.wait()
        return fetch(day)

    report = ingest_days(DAYS, meet_and_fetch, archive, engine, concurrency=3)
    assert [loaded.day for loaded in report.loaded] == DAYS


def test_a_match_on_two_days_of_a_batch_is_one_row(
    feed: FeedServer, fetch: Fetch, archive: PayloadArchive, engine: sa.Engine
) -> None:
    postponed = finished(1, 0, 0, DAYS[0], status=FeedStatus.POSTPONED.value)
    feed.override(DAYS[0], a_payload(postponed))
    feed.override(DAYS[1], a_payload(finished(1, 3, 1, DAYS[1])))
    report = ingest_days(DAYS[:2], fetch, archive, engine)
    assert report.match == TableChange(
        inserted=1, updated=1
    )  # as if a day had come after the other
    assert table(engine, match)[1]["feed_day"] == DAYS[1]


def test_days_between_includes_both_ends() -> None:
    assert list(days_between(date(2024, 2, 28), date(2024, 3, 1))) == [
        date(2024, 2, 28),
        date(2024, 2, 29),
        date(2024, 3, 1),
    ]
    assert list(days_between(DAYS[0], DAYS[0])) == [DAYS[0]]
    assert list(days_between(DAYS[1], DAYS[0])) == []


def test_a_day_that_is_not_in_the_archive_is_a_fault(
    archive: PayloadArchive, engine: sa.Engine
) -> None:
    (fault,) = ingest_days([BAD], None, archive, engine).faults
    assert isinstance(fault, FetchFault)
    assert fault.body is None
