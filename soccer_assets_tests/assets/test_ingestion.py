"""Days of the feed through the graph, from a source that behaves and from one that does not."""

import copy
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import sqlalchemy as sa

from soccer_assets.clock import utc_now
from soccer_assets.feed.fields import FEED_PATH, FeedStatus
from soccer_assets.ingestion import parsing
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import Fault, FeedServer
from soccer_assets.storage.store import ObjectStore
from soccer_assets_tests.assets.conftest import INGESTION
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.platform import (
    Platform,
    checks_of,
    faults_of,
    metadata_of,
    platform,
)

FIRST, BAD, LAST = DAYS = [date(2025, 2, 25), date(2025, 2, 26), date(2025, 2, 27)]
RANGE = (str(FIRST), str(LAST))
TABLES = INGESTION[1:]
#: Before the matches of the bad day and of the last day, during none of the first.
EARLIER = "2025-02-25T06:00:00+00:00"


def rows(engine: sa.Engine, table: str) -> dict[int, str]:
    """Match id -> its row, with where and by which transaction it was written."""
    query = f"SELECT match_id, (ctid, xmin, t.*)::text FROM soccer.{table} t"
    with engine.connect() as connection:
        return dict(connection.execute(sa.text(query)).all())


def both_tables(engine: sa.Engine) -> dict[str, dict[int, str]]:
    return {table: rows(engine, table) for table in TABLES}


def shown(engine: sa.Engine, day: date) -> dict[int, tuple[str, int | None, int | None]]:
    """Match id -> status and score of the matches that the warehouse has on a day."""
    query = sa.text(
        "SELECT match_id, status, home_score, away_score FROM soccer.match WHERE feed_day = :day"
    )
    with engine.connect() as connection:
        return {row[0]: tuple(row[1:]) for row in connection.execute(query, {"day": day})}


def sent(feed: FeedServer, day: date) -> dict[int, tuple[str, int | None, int | None]]:
    """The same, as the feed shows it."""
    return {
        match["id"]: (
            FeedStatus(match["status"]).name.lower(),
            match["homeScore"],
            match["awayScore"],
        )
        for tournament in feed.backend.payload(day, utc_now())["tournaments"]
        for match in tournament["matches"]
    }


def archived(store: ObjectStore, day: date) -> list[str]:
    return store.list(f"livescores/{day:%Y/%m/%d}/")


# Odd days


def test_what_is_set_aside_or_missing_is_told_by_a_warning_and_the_day_is_loaded(
    midseason: Platform, feed: FeedServer
) -> None:
    payload = copy.deepcopy(feed.backend.payload(BAD, MIDSEASON))
    odd = payload["tournaments"][0]["matches"][0]
    odd["startTimeUtc"] = "2099-05-01T15:00:00Z"
    nowhere = payload["tournaments"][0]["matches"][1]
    nowhere["isNeutral"] = "perhaps"
    payload["gaps"] = [{"tournamentIds": [901], "fault": "E0.csv line 3: no goals"}]
    feed.override(BAD, payload)
    result = midseason.run(*INGESTION, partitions=RANGE)
    assert result.success
    assert midseason.recorded(result) == {name: set(map(str, DAYS)) for name in INGESTION}
    assert odd["id"] not in rows(midseason.engine, "match")
    found = checks_of(result)
    for check, told in (
        ("possible_kickoffs", f"{BAD}: match {odd['id']}: kick-off 2099-05-01 15:00 is more than"),
        ("possible_details", f"{BAD}: match {nowhere['id']}: isNeutral 'perhaps' is neither"),
        ("whole_days", f"E0.csv line 3: no goals (1 days from {BAD} to {BAD})"),
    ):
        assert not found[check].passed
        assert found[check].severity == dg.AssetCheckSeverity.WARN
        [line] = [str(v) for value in found[check].metadata.values() for v in value.value]
        assert line.startswith(told)


def test_a_bug_ends_the_run_with_its_stack_once_the_other_days_are_loaded(
    midseason: Platform, feed: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = parsing._parse_day

    def stumbling(day: date, *rest: Any) -> Any:
        if day == BAD:
            raise OverflowError("a bug of the parser")
        return whole(day, *rest)

    monkeypatch.setattr(parsing, "_parse_day", stumbling)
    result = midseason.run(*INGESTION, partitions=RANGE, raise_on_error=False)
    assert not result.success
    assert {day for day in DAYS if shown(midseason.engine, day)} == {FIRST, LAST}
    [failure] = result.get_step_failure_events()
    error = failure.step_failure_data.error
    assert error is not None
    assert "OverflowError: a bug of the parser" in error.to_string()
    assert "in stumbling" in error.to_string()


# A feed that behaves


def test_a_range_of_days_becomes_rows_and_materialized_partitions(
    midseason: Platform, feed: FeedServer
) -> None:
    result = midseason.run(*INGESTION, partitions=RANGE)
    everything = {day: sent(feed, day) for day in DAYS}
    assert {day: shown(midseason.engine, day) for day in DAYS} == everything
    count = sum(map(len, everything.values()))
    assert count > 20
    assert set(rows(midseason.engine, "match_raw")) == set(rows(midseason.engine, "match"))
    assert midseason.recorded(result) == {name: set(map(str, DAYS)) for name in INGESTION}
    assert {name: found.passed for name, found in checks_of(result).items()} == {
        "feed_schema": True,
        "feed_fields": True,
        "possible_kickoffs": True,
        "possible_details": True,
        "whole_days": True,
        "usual_volume": True,
        "no_day_overdue": True,
    }
    for day, matches in everything.items():
        [payload] = archived(midseason.store, day)
        for name in INGESTION:
            told = metadata_of(result, name, str(day))
            assert told["dagster/row_count"] == len(matches)
            assert told["payload"] == payload
            assert told["days_in_run"] == len(DAYS)
    assert rows_changed_by(result) == {"match_raw": (count, 0), "match": (count, 0)}


def test_unchanged_days_touch_no_row_and_no_archived_payload(midseason: Platform) -> None:
    midseason.run(*INGESTION, partitions=RANGE)
    before = both_tables(midseason.engine), midseason.store.list("livescores/")
    again = midseason.run(*INGESTION, partitions=RANGE)
    assert (both_tables(midseason.engine), midseason.store.list("livescores/")) == before
    assert rows_changed_by(again) == {"match_raw": (0, 0), "match": (0, 0)}
    assert midseason.recorded(again) == {name: set(map(str, DAYS)) for name in INGESTION}


def test_a_changed_score_changes_exactly_its_row_in_both_tables(
    midseason: Platform, feed: FeedServer
) -> None:
    midseason.run(*INGESTION, partitions=RANGE)
    before = both_tables(midseason.engine)
    payload = copy.deepcopy(feed.backend.payload(BAD, MIDSEASON))
    match = next(
        match
        for tournament in payload["tournaments"]
        for match in tournament["matches"]
        if match["status"] == FeedStatus.FINISHED
    )
    match["homeScore"] += 1
    feed.override(BAD, payload)
    result = midseason.run(*INGESTION, partitions=RANGE)
    for table, after in both_tables(midseason.engine).items():
        assert after.keys() == before[table].keys()
        changed = {key for key, row in after.items() if row != before[table][key]}
        assert changed == {match["id"]}
    assert rows_changed_by(result) == {"match_raw": (0, 1), "match": (0, 1)}
    assert shown(midseason.engine, BAD)[match["id"]][1] == match["homeScore"]


def test_a_field_the_feed_gains_is_kept_and_told(midseason: Platform, feed: FeedServer) -> None:
    payload = copy.deepcopy(feed.backend.payload(BAD, MIDSEASON))
    payload["tournaments"][0]["matches"][0]["attendance"] = 31_000
    feed.override(BAD, payload)
    result = midseason.run(*INGESTION, partition=str(BAD))
    assert_fields_told(result, new=["attendance"], missing=[])
    with midseason.engine.connect() as connection:
        kept = connection.scalars(
            sa.text("SELECT extra->>'attendance' FROM soccer.match_raw WHERE extra ? 'attendance'")
        ).all()
    assert kept == ["31000"]


def test_a_field_the_feed_loses_is_told_if_it_is_not_required(
    midseason: Platform, feed: FeedServer
) -> None:
    feed.inject(BAD, Fault.missing_field("elapsed"))
    result = midseason.run(*INGESTION, partition=str(BAD))
    assert_fields_told(result, new=[], missing=["elapsed"])
    assert shown(midseason.engine, BAD).keys() == sent(feed, BAD).keys()


def assert_fields_told(
    result: dg.ExecuteInProcessResult, new: list[str], missing: list[str]
) -> None:
    found = checks_of(result)["feed_fields"]
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    told = {name: value.value for name, value in found.metadata.items()}
    assert told == {"new_fields": new, "missing_fields": missing}


def test_a_day_with_far_fewer_matches_than_its_like_is_told_and_loaded(
    midseason: Platform, feed: FeedServer
) -> None:
    saturdays = [date(2025, 2, day) for day in (1, 8, 15, 22)]
    midseason.run(*INGESTION, partitions=(str(saturdays[0]), str(saturdays[-1])))
    usual = [len(sent(feed, day)) for day in saturdays]
    assert min(usual) > 10
    payload = feed.backend.payload(saturdays[-1], MIDSEASON)
    first = payload["tournaments"][0]
    one = {**first, "matches": first["matches"][:1]}
    feed.override(saturdays[-1], {"tournaments": [one]})
    result = midseason.run(*INGESTION, partition=str(saturdays[-1]))
    assert result.success
    found = checks_of(result)["usual_volume"]
    assert not found.passed
    assert not found.blocking
    [told] = found.metadata["unusual_days"].value
    assert told == f"2025-02-22 (Saturday): 1 matches, {usual[-1]} before"


def test_a_resumed_range_asks_only_for_days_that_may_still_change(
    midseason: Platform, feed: FeedServer
) -> None:
    midseason.run(*INGESTION, partitions=RANGE)
    before = feed.requests
    resume = {"ingest_days": {"config": {"resume": True}}}
    result = midseason.run(*INGESTION, partitions=RANGE, config=resume)
    # A day settles three days after it: the last one has not, as of midseason.
    assert feed.requests - before == 1
    assert metadata_of(result, "livescores", str(LAST))["days_in_run"] == 1


def rows_changed_by(result: dg.ExecuteInProcessResult) -> dict[str, tuple[int, int]]:
    """Table -> rows inserted and updated, as the run tells it."""
    told = {table: metadata_of(result, table) for table in TABLES}
    return {t: (one["inserted_by_run"], one["updated_by_run"]) for t, one in told.items()}


# A feed that does not


@dataclass(frozen=True)
class Case:
    """A way for the feed to misbehave, and what is said about it."""

    fault: Fault
    says: str
    environment: tuple[tuple[str, str], ...] = ()
    requests: int = 1
    answers: bool = True


CASES = {
    "unknown status": Case(Fault.unknown_status(99), "unknown status 99 of match"),
    "truncated JSON": Case(Fault.truncated_json(), "truncated or invalid JSON"),
    "missing required field": Case(
        Fault.missing_field("homeTeamId"), "missing field 'homeTeamId' of match"
    ),
    "missing field of the header": Case(
        Fault.missing_field("tournamentId"), "missing field 'tournamentId' of match"
    ),
    "wrong type": Case(Fault.wrong_type("awayTeamId"), "field 'awayTeamId' of match"),
    "duplicate id": Case(Fault.duplicate_id(), "twice in one payload"),
    "HTML page": Case(Fault.html_page(), "an HTML page instead of JSON"),
    "HTTP 500": Case(Fault.http_500(), "HTTP 500 (1 attempts)"),
    "HTTP 429 to the last attempt": Case(
        Fault.http_429(retry_after=0),
        "HTTP 429 (3 attempts)",
        (("LIVESCORES_ATTEMPTS", "3"),),
        requests=3,
    ),
    "timeout": Case(
        Fault.timeout(60),
        "timeout (ReadTimeout) (1 attempts)",
        (("LIVESCORES_TIMEOUT_SECONDS", "2"),),
        answers=False,
    ),
}


#: Of the default run: a body that is wrong, a status, no answer. Each fault by itself is a matter of
#: sources and parser.
SOME = ("wrong type", "HTTP 429 to the last attempt", "timeout")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=name, marks=() if name in SOME else pytest.mark.slow)
        for name, case in CASES.items()
    ],
)
def test_a_bad_day_fails_alone_loudly_and_is_made_good_later(
    case: Case,
    tmp_path: Path,
    feed: FeedServer,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = {"LIVESCORES_ATTEMPTS": "1", **dict(case.environment)}
    with platform(tmp_path, feed, database_url, environment) as here:
        monkeypatch.setenv("SOCCER_AS_OF", EARLIER)
        here.run(*INGESTION, partitions=RANGE)
        before = {table: on_day(here.engine, table, BAD) for table in TABLES}
        assert all(before.values())

        monkeypatch.setenv("SOCCER_AS_OF", MIDSEASON.isoformat())
        feed.inject(BAD, case.fault)
        requests = feed.requests
        failed = here.run(*INGESTION, partitions=RANGE, raise_on_error=False)

        assert not failed.success
        [told] = faults_of(failed)
        assert told.startswith("1 of 3 days failed: ")
        assert f"livescores {BAD}: " in told
        assert case.says in told
        assert feed.requests - requests == 2 + case.requests
        assert_kept_and_rejected(here.store, feed, case)
        # Of the bad day nothing was written; the days around it are loaded and recorded.
        assert {table: on_day(here.engine, table, BAD) for table in TABLES} == before
        assert {day: shown(here.engine, day) for day in (FIRST, LAST)} == {
            day: sent(feed, day) for day in (FIRST, LAST)
        }
        assert here.recorded(failed) == {name: {str(FIRST), str(LAST)} for name in INGESTION}
        assert here.latest_check("livescores", "feed_schema") is False

        feed.clear(BAD)
        recovered = here.run(*INGESTION, partitions=RANGE)
        assert here.recorded(recovered) == {name: set(map(str, DAYS)) for name in INGESTION}
        assert shown(here.engine, BAD) == sent(feed, BAD)
        assert here.latest_check("livescores", "feed_schema") is True


def on_day(engine: sa.Engine, table: str, day: date) -> dict[int, str]:
    query = f"SELECT match_id, (ctid, xmin, t.*)::text FROM soccer.{table} t WHERE feed_day = :day"
    with engine.connect() as connection:
        return dict(connection.execute(sa.text(query), {"day": day}).all())


def assert_kept_and_rejected(store: ObjectStore, feed: FeedServer, case: Case) -> None:
    """The refused payload is in the archive as it was sent, with the reason beside it."""
    payloads = [key for key in archived(store, BAD) if key.endswith(".json.gz")]
    marks = [key for key in archived(store, BAD) if key.endswith(".rejected")]
    if not case.answers:
        assert (len(payloads), marks) == (1, [])
        return
    assert marks == [f"{payloads[1]}.rejected"]
    assert case.says in store.get(marks[0]).decode()
    query = {"d": f"{BAD:%Y%m%d}", "isSummary": "true"}
    again = httpx.get(f"{feed.url}{FEED_PATH}", params=query).content
    assert gzip.decompress(store.get(payloads[1])) == again


def test_a_day_that_has_never_been_loaded_leaves_no_trace_in_the_tables_when_it_is_bad(
    midseason: Platform, feed: FeedServer
) -> None:
    feed.inject(BAD, Fault.unknown_status())
    failed = midseason.run(*INGESTION, partition=str(BAD), raise_on_error=False)
    assert not failed.success
    assert both_tables(midseason.engine) == {table: {} for table in TABLES}
    assert midseason.recorded(failed) == {}
    assert midseason.latest_check("livescores", "feed_schema") is False


def test_a_long_range_of_bad_days_is_told_in_short(midseason: Platform, feed: FeedServer) -> None:
    feed.inject(None, Fault.html_page())
    last = FIRST + timedelta(days=29)
    failed = midseason.run(*INGESTION, partitions=(str(FIRST), str(last)), raise_on_error=False)
    [told] = faults_of(failed)
    assert told.startswith("30 of 30 days failed: ")
    assert told.count("an HTML page instead of JSON") == 10


@pytest.fixture
def guarded(world: LeagueSimulator) -> Iterator[FeedServer]:
    """A feed that wants a token."""
    with FeedServer(world, clock=utc_now, token="right-token") as server:
        yield server


@pytest.mark.parametrize(("token", "loads"), [("right-token", True), ("wrong-token", False)])
def test_the_token_opens_the_feed_and_is_told_to_nobody_else(
    tmp_path: Path, guarded: FeedServer, database_url: str, token: str, loads: bool
) -> None:
    environment = {"SOCCER_AS_OF": MIDSEASON.isoformat(), "LIVESCORES_TOKEN": token}
    with platform(tmp_path, guarded, database_url, environment) as here:
        result = here.run(*INGESTION, partition=str(BAD), raise_on_error=False)
        assert result.success == loads
        if not loads:
            assert f"livescores {BAD}: HTTP 401" in faults_of(result)[0]
        events = here.instance.all_logs(result.run_id)
        assert not [entry for entry in events if token in dg.serialize_value(entry)]
        assert token not in str(here.instance.get_run_by_id(result.run_id))


# Without the feed


def test_tables_are_made_again_from_the_archive_without_a_request(
    midseason: Platform, feed: FeedServer
) -> None:
    midseason.run(*INGESTION, partitions=RANGE)
    requests = feed.requests
    before = {table: content(midseason.engine, table) for table in TABLES}
    with midseason.engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE soccer.match, soccer.match_raw"))
    result = midseason.run(*TABLES, partitions=RANGE)
    assert feed.requests == requests
    assert {table: content(midseason.engine, table) for table in TABLES} == before
    assert midseason.recorded(result) == {table: set(map(str, DAYS)) for table in TABLES}
    assert set(checks_of(result)) == {"usual_volume", "no_day_overdue"}


def content(engine: sa.Engine, table: str) -> list[Any]:
    query = f"SELECT t::text FROM soccer.{table} t ORDER BY 1"
    with engine.connect() as connection:
        return list(connection.scalars(sa.text(query)))


def test_everything_is_rebuilt_from_the_archive_as_it_was(
    midseason: Platform, feed: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The past included: what was scheduled, moved and finished comes in the order it came in."""
    for moment in (EARLIER, MIDSEASON.isoformat()):
        monkeypatch.setenv("SOCCER_AS_OF", moment)
        midseason.run(*INGESTION, partitions=RANGE)
    requests = feed.requests
    everything = (*TABLES, "match_change", "ingested_day")
    before = {table: content(midseason.engine, table) for table in everything}
    assert len(before["match_change"]) > 50
    with midseason.engine.begin() as connection:
        connection.execute(sa.text("UPDATE soccer.match SET home_score = 77"))
    midseason.run_job("rebuild")
    assert {table: content(midseason.engine, table) for table in everything} == before
    assert feed.requests == requests


def test_a_day_that_is_not_in_the_archive_cannot_be_made_from_it(
    midseason: Platform, feed: FeedServer
) -> None:
    midseason.run(*INGESTION, partition=str(FIRST))
    requests = feed.requests
    failed = midseason.run(*TABLES, partitions=(str(FIRST), str(BAD)), raise_on_error=False)
    [told] = faults_of(failed)
    assert f"livescores {BAD}: no payload in the archive" in told
    assert midseason.recorded(failed) == {table: {str(FIRST)} for table in TABLES}
    assert feed.requests == requests


def test_a_rejected_payload_is_not_what_the_tables_are_made_from(
    midseason: Platform, feed: FeedServer
) -> None:
    midseason.run(*INGESTION, partition=str(BAD))
    before = content(midseason.engine, "match")
    feed.inject(BAD, Fault.missing_field("status"))
    midseason.run(*INGESTION, partition=str(BAD), raise_on_error=False)
    midseason.run(*TABLES, partition=str(BAD))
    assert content(midseason.engine, "match") == before


def test_a_home_of_one_source_refuses_another(
    tmp_path: Path, feed: FeedServer, database_url: str
) -> None:
    """In the graph itself, whoever starts it, before a day is asked for."""

    def run(url: str, name: str = "") -> list[str]:
        environment = {
            "SOCCER_AS_OF": MIDSEASON.isoformat(),
            "LIVESCORES_URL": url,
            "LIVESCORES_NAME": name,
        }
        with platform(tmp_path, feed, database_url, environment) as here:
            result = here.run(*INGESTION, partition=str(FIRST), raise_on_error=False)
            return [*faults_of(result)]

    assert run(feed.url) == []
    (fault,) = run("")
    assert "'simulator 20'" in fault
    assert fault.endswith("set LIVESCORES_NAME='site 127.0.0.1'")
    assert run(feed.url.replace("127.0.0.1", "localhost"), "site 127.0.0.1") == []
