"""From a payload to rows, or to a fault that names the day and what is wrong."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soccer_assets.feed.faults import PayloadFault
from soccer_assets.feed.fields import HEADER_FIELDS, MATCH_FIELDS, FeedStatus
from soccer_assets.feed.payload import day_feed
from soccer_assets.ingestion.parsing import NOT_NULL, REQUIRED_HEADER, REQUIRED_MATCH, parse_day
from soccer_assets.ingestion.tables import content_hash
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.warehouse.rows import MATCH_SCHEMA, RAW_SCHEMA, ParsedDay
from soccer_assets.warehouse.schema import RAW_FIELDS, match, match_raw
from soccer_assets_tests.conftest import REAL_DATA
from soccer_assets_tests.feed_days import DAY, FETCHED, a_match, a_payload, any_json, finished

Payload = dict[str, Any]


def parse(payload: Payload | bytes, day: date = DAY) -> ParsedDay:
    body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    return parse_day(day, body, payload_key="key", fetched_at=FETCHED)


def changed(**fields: Any) -> Payload:
    """Two good matches, of which the second has these values; header fields go to the header."""
    header = {k: v for k, v in fields.items() if k in HEADER_FIELDS and k != "stageId"}
    last = {k: v for k, v in fields.items() if k not in header}
    return a_payload(finished(1, 2, 0), {**finished(2, 1, 1), **last}, **header)


def without(name: str) -> Payload:
    payload = changed()
    tournament = payload["tournaments"][0]
    for row in (tournament, *tournament["matches"]):
        row.pop(name, None)
    return payload


def fault_of(payload: Payload | bytes) -> str:
    """What is wrong with the payload; the fault must carry it and name the day."""
    with pytest.raises(PayloadFault) as caught:
        parse(payload)
    assert caught.value.day == DAY
    assert caught.value.body == (payload if isinstance(payload, bytes) else orjson.dumps(payload))
    assert str(caught.value) == f"livescores 2024-03-09: {caught.value.fault}"
    return caught.value.fault


# Good payloads


def test_a_finished_match() -> None:
    day = parse(a_payload(finished(5, 3, 1, startTimeUtc="2024-03-09T16:00:00+01:00")))
    assert day.match.schema == MATCH_SCHEMA
    assert day.raw.schema == RAW_SCHEMA
    row = day.match.to_pylist()[0]
    assert row["match_id"] == 5
    assert row["status"] == "finished"
    assert row["kickoff"] == datetime(2024, 3, 9, 15, tzinfo=UTC)
    assert (row["home_score"], row["away_score"], row["home_penalty_score"]) == (3, 1, None)
    assert (row["home_team_id"], row["away_team_name"]) == (51, "Away 5")
    assert (row["tournament_id"], row["season_name"], row["sex"]) == (11, "2023/2024", 0)
    assert row["feed_day"] == DAY
    assert row["first_seen_at"] == row["changed_at"] == FETCHED


def test_every_field_is_kept_verbatim() -> None:
    fields = {"startTime": "2024-03-09T16:00:00", "incidents": [{"minute": "90+3'"}], "bets": {}}
    payload = a_payload(a_match(1, **fields, isTopMatch=True, commentCount=4), stageName="A “B”")
    row = parse(payload).raw.to_pylist()[0]
    sent = payload["tournaments"][0] | payload["tournaments"][0]["matches"][0]
    for name, column in RAW_FIELDS.items():
        is_text = isinstance(row[column], str) and isinstance(sent[name], list | dict)
        assert (json.loads(row[column]) if is_text else row[column]) == sent[name]
    assert row["extra"] is None
    assert row["payload_key"] == "key"


@pytest.mark.parametrize("payload", [day_feed([]), a_payload()])
def test_a_day_without_matches(payload: Payload) -> None:
    day = parse(payload)
    assert day.raw.num_rows == day.match.num_rows == 0
    assert day.new_fields == day.missing_fields == ()


def test_a_naive_kickoff_is_utc() -> None:
    row = parse(changed(startTimeUtc="2024-03-09T20:30:00")).match.to_pylist()[1]
    assert row["kickoff"] == datetime(2024, 3, 9, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize("status", FeedStatus)
def test_every_status_is_known(status: FeedStatus) -> None:
    row = parse(changed(status=status.value)).match.to_pylist()[1]
    assert row["status"] == status.name.lower()


def test_only_the_required_fields_are_needed() -> None:
    payload = changed()
    tournament = payload["tournaments"][0]
    needed = [{k: row[k] for k in REQUIRED_MATCH} for row in tournament["matches"]]
    header = {k: tournament[k] for k in REQUIRED_HEADER}
    day = parse(day_feed([(header, needed)]))
    assert day.match.num_rows == 2
    assert day.raw["comment_count"].null_count == 2
    assert set(day.missing_fields) == set(RAW_FIELDS) - {*needed[0], *header}


def test_a_finished_match_without_any_score_is_in_an_unknown_state() -> None:
    row = parse(changed(homeScore=None, awayScore=None)).match.to_pylist()[1]
    assert (row["status"], row["decided_in"]) == ("unknown", None)


def test_odds_are_taken_from_the_row_of_a_source_that_has_them() -> None:
    cells = {"HomeTeam": "Ayr", "B365H": "2.1", "B365D": "3.4", "B365A": "3.5", "AvgCH": "2"}
    day = parse(changed(footballData=cells))
    assert day.new_fields == ()
    assert day.odds.to_pylist() == [
        {
            "match_id": 2,
            "bookmaker": "B365",
            "phase": "pre",
            "odds_home": 2.1,
            "odds_draw": 3.4,
            "odds_away": 3.5,
            "changed_at": FETCHED,
        }
    ]


@pytest.mark.parametrize(
    "cells", [None, [], "x", {"B365H": 1, "B365D": None, "B365A": {}, "HS": 3}]
)
def test_what_is_no_row_holds_neither_odds_nor_statistics(cells: Any) -> None:
    day = parse(changed(footballData=cells))
    assert day.odds.num_rows == day.statistics.num_rows == 0


def test_statistics_are_taken_from_the_same_row() -> None:
    cells = {
        "HS": "12",
        "HST": "5",
        "HC": "6.0",
        "AC": "x",
        "B365H": "0",
        "B365D": "3",
        "B365A": "4",
    }
    day = parse(changed(footballData=cells))
    assert day.statistics.to_pylist() == [
        {
            "match_id": 2,
            "home_shots": 12,
            "away_shots": None,
            "home_shots_on_target": 5,
            "away_shots_on_target": None,
            "home_corners": 6,
            "away_corners": None,
            "changed_at": FETCHED,
        }
    ]
    assert day.unusable == (
        "match 2: B365H '0' are no odds (1 or more)",
        "match 2: AC 'x' is not a count (0 to 99)",
    )


@pytest.mark.parametrize("value", [True, False, None])
def test_neutral_ground_is_what_the_source_says(value: bool | None) -> None:
    day = parse(changed(isNeutral=value))
    assert day.match["is_neutral"].to_pylist() == [None, value]
    assert day.new_fields == day.unusable == ()


@pytest.mark.parametrize("value", [1, "true", [], {"a": 1}])
def test_ground_that_is_neither_is_told_and_unknown(value: Any) -> None:
    day = parse(changed(isNeutral=value))
    assert day.match["is_neutral"].to_pylist() == [None, None]
    assert day.unusable == (f"match 2: isNeutral {value!r} is neither true nor false",)


@pytest.mark.parametrize("kind", ["Extratime", "Penalty"])
def test_a_final_score_beyond_ninety_minutes_is_enough(kind: str) -> None:
    later = {f"home{kind}Score": 4, f"away{kind}Score": 3}
    assert parse(changed(homeScore=None, awayScore=None, **later)).match.num_rows == 2


def test_new_fields_are_kept_and_told() -> None:
    payload = changed(shots=[1, {"on": 2}])
    payload["tournaments"][0]["tier"] = "gold"
    day = parse(payload)
    first, second = (json.loads(text) for text in day.raw["extra"].to_pylist())
    assert first == {"tier": "gold"}
    assert second == {"tier": "gold", "shots": [1, {"on": 2}]}
    assert day.new_fields == ("shots", "tier")


def test_the_simulated_feed() -> None:
    now = datetime(2023, 10, 17, 12, tzinfo=UTC)
    world = LeagueSimulator(seed=20, first_season=2023)
    days = [DAY.replace(year=2023, month=10, day=1) + timedelta(days=k) for k in range(31)]
    found = [parse(world.payload(day, now), day) for day in days]
    assert sum(day.match.num_rows for day in found) > 300
    assert not any(day.new_fields for day in found)


@pytest.mark.real_data
def test_the_real_sample() -> None:
    path = REAL_DATA / "whoscored_livescores_sample.json"
    if not path.exists():
        pytest.skip(f"no real payload at {path} (set SOCCER_REAL_DATA)")
    day = parse(path.read_bytes(), date(2020, 9, 12))
    rows = {row["match_id"]: row for row in day.match.to_pylist()}
    assert len(rows) == 5
    palace = rows[1485186]
    assert (palace["home_team_name"], palace["away_team_name"]) == ("Crystal Palace", "Southampton")
    assert (palace["status"], palace["home_score"], palace["away_score"]) == ("finished", 1, 0)
    assert palace["kickoff"] == datetime(2020, 9, 12, 14, tzinfo=UTC)
    assert day.new_fields == day.missing_fields == ()


# Bad payloads


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (orjson.dumps(changed())[:-40], "truncated or invalid JSON"),
        (b"", "truncated or invalid JSON"),
        (b"\xff\xfe{}", "truncated or invalid JSON"),
        (b" \n<!DOCTYPE html><html></html>", "an HTML page instead of JSON"),
        (b"null", "missing field 'tournaments' (a list)"),
        (b"[]", "missing field 'tournaments' (a list)"),
        ({"tournaments": {}}, "missing field 'tournaments' (a list)"),
        ({"tournaments": ["x"]}, "missing field 'matches' (a list) of a tournament"),
        ({"tournaments": [{"matches": None}]}, "missing field 'matches' (a list) of a tournament"),
        ({"tournaments": [{"matches": [None]}]}, "a match is NoneType, not an object"),
        (changed(homeTeamName=7), "field 'homeTeamName' of match 2 is 7, not str"),
        (changed(homeTeamId="7"), "field 'homeTeamId' of match 2 is '7', not int"),
        (changed(homeTeamId=True), "field 'homeTeamId' of match 2 is True, not int"),
        (changed(homeScore=1.0), "field 'homeScore' of match 2 is 1.0, not int"),
        (changed(seasonId={}), "field 'seasonId' of match 1 is {}, not int"),
        (changed(isTopMatch=1), "field 'isTopMatch' of match 2 is 1, not bool"),
        (changed(incidents="goal"), "field 'incidents' of match 2 is 'goal', not dict or list"),
        (changed(status=99), "unknown status 99 of match 2"),
        (changed(sex=2), "unknown sex [2]"),
        (changed(id=1), "match id 1 twice in one payload"),
        (changed(homeScore=-1), "field 'homeScore' of match 2 is -1, not a score"),
        (changed(awayScore=100), "field 'awayScore' of match 2 is 100, not a score"),
        (changed(homePenaltyScore=100), "field 'homePenaltyScore' of match 2 is 100, not a score"),
        (changed(homeTeamId=2**63), "field 'homeTeamId' of match 2 is out of range"),
        (changed(commentCount=2**31), "field 'commentCount' of match 2 is out of range"),
        (changed(commentCount=-(2**31) - 1), "field 'commentCount' of match 2 is out of range"),
        (changed(homeTeamName="a\0b"), "field 'homeTeamName' holds a NUL character"),
        (changed(bets=[{"by": "a\0b"}]), "a NUL character in"),
        (changed(shots="a\0b"), "a NUL character in"),
        (changed(**{"a\0b": 1}), "a NUL character in"),
        (changed(startTimeUtc="tomorrow"), "startTimeUtc 'tomorrow' is not a time"),
        (changed(startTimeUtc="0001-01-01T00:00:00+05:00"), "startTimeUtc '0001-01-01T00:00:00+"),
    ],
)  # fmt: skip
def test_a_fault_says_what_is_wrong(payload: Payload | bytes, fault: str) -> None:
    assert fault_of(payload).startswith(fault)


@pytest.mark.parametrize("name", [*REQUIRED_HEADER, *REQUIRED_MATCH])
def test_a_missing_field_is_named(name: str) -> None:
    whose = "None" if name == "id" else "1"
    assert fault_of(without(name)) == f"missing field '{name}' of match {whose}"


@pytest.mark.parametrize("name", sorted(NOT_NULL))
def test_a_null_in_a_required_field_is_named(name: str) -> None:
    whose = "None" if name == "id" else "1" if name in REQUIRED_HEADER else "2"
    assert fault_of(changed(**{name: None})) == f"field '{name}' of match {whose} is null"


@pytest.mark.parametrize("name", ["homeTeamId", "id", "bets", "shots"])
@pytest.mark.parametrize("depth", [253, 1000])
def test_json_nested_deeper_than_it_can_be_written_is_refused(name: str, depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    payload = orjson.dumps(changed(**{name: "HERE"})).replace(b'"HERE"', nested)
    assert fault_of(payload).startswith("JSON nested too deeply")


def test_a_backslash_before_u0000_is_no_nul() -> None:
    texts = ["\\u0000", "\\\\u0000", "x\\"]
    row = parse(changed(shots=texts)).raw.to_pylist()[1]
    assert json.loads(row["extra"]) == {"shots": texts}


# Content hashes

OTHER_VALUES: dict[str, Any] = {
    "startTimeUtc": "2024-03-09T19:00:00Z",
    "status": FeedStatus.AWARDED.value,
    "sex": 1,
}
OTHER_BY_TYPE: dict[str, Any] = {
    "BIGINT": 999,
    "INTEGER": 9,
    "TEXT": "other",
    "BOOLEAN": True,
    "JSONB": [{"minute": 1}],
}


def hashes(payload: Payload, day: date = DAY) -> tuple[int, int]:
    """Of the second match, in ``match_raw`` and in ``match``."""
    parsed = parse(payload, day)
    return parsed.raw["content_hash"][1].as_py(), parsed.match["content_hash"][1].as_py()


@pytest.mark.parametrize("name", dict.fromkeys((*HEADER_FIELDS, *MATCH_FIELDS)))
def test_any_changed_value_changes_the_hash(name: str) -> None:
    column = RAW_FIELDS[name]
    other = OTHER_VALUES.get(name) or OTHER_BY_TYPE[str(match_raw.c[column].type)]
    raw, canonical = hashes(changed())
    new_raw, new_canonical = hashes(changed(**{name: other}))
    assert new_raw != raw
    is_canonical = column in match.columns or name == "startTimeUtc"
    assert (new_canonical != canonical) == is_canonical


def test_a_new_field_changes_the_raw_hash_only() -> None:
    raw, canonical = hashes(changed())
    new_raw, new_canonical = hashes(changed(shots=3))
    assert new_raw != raw
    assert new_canonical == canonical


def test_the_ground_is_content() -> None:
    assert len({hashes(changed(isNeutral=value)) for value in (None, False, True)}) == 3


def test_the_day_is_content() -> None:
    here, there = hashes(changed()), hashes(changed(), DAY + timedelta(days=1))
    assert here[0] != there[0]
    assert here[1] != there[1]


def test_the_order_of_fields_is_not_content() -> None:
    payload = changed(shots={"a": 1, "b": 2})
    backwards = json.loads(
        json.dumps(payload), object_pairs_hook=lambda pairs: dict(reversed(pairs))
    )
    assert hashes(backwards) == hashes(payload)


def test_the_same_instant_in_other_words_is_the_same_match() -> None:
    raw, canonical = hashes(changed(startTimeUtc="2024-03-09T15:00:00Z"))
    new_raw, new_canonical = hashes(changed(startTimeUtc="2024-03-09T16:00:00+01:00"))
    assert new_raw != raw
    assert new_canonical == canonical


def test_a_hash_fits_a_bigint_and_uses_its_sign() -> None:
    found = [content_hash(k) for k in range(200)]
    assert len(set(found)) == 200
    assert all(-(2**63) <= value < 2**63 for value in found)
    assert min(found) < 0 < max(found)


# Whatever a source may send


def every_place(node: Any, path: tuple = ()) -> list[tuple]:
    """The paths of all nodes below ``node``."""
    children = node.items() if isinstance(node, dict) else enumerate(node)
    found = []
    for key, child in children:
        found.append((*path, key))
        if isinstance(child, dict | list):
            found += every_place(child, (*path, key))
    return found


PLACES = every_place(changed(bets=[{"odds": 1.5}]))


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """The JSON of a payload in which values were replaced or deleted."""
    payload: Any = changed(bets=[{"odds": 1.5}])
    for path in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3)):
        node = payload
        try:
            for key in path[:-1]:
                node = node[key]
            if draw(st.booleans()):
                del node[path[-1]]
            else:
                node[path[-1]] = draw(any_json)
        except (KeyError, IndexError, TypeError):
            continue
    return json.dumps(payload).encode()


def rows_or_fault(body: bytes) -> None:
    try:
        day = parse(body)
    except PayloadFault:
        return
    assert day.raw["match_id"].to_pylist() == day.match["match_id"].to_pylist()
    assert set(day.match["status"].to_pylist()) <= {s.name.lower() for s in FeedStatus}


@settings(deadline=None, max_examples=300)
@given(body=mutations())
def test_a_spoilt_payload_gives_rows_or_a_fault(body: bytes) -> None:
    rows_or_fault(body)


@given(size=st.integers(0, len(orjson.dumps(changed())) - 1))
def test_a_truncated_payload_is_a_fault(size: int) -> None:
    assert fault_of(orjson.dumps(changed())[:size]).startswith("truncated or invalid JSON")


@given(body=st.binary() | any_json.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_give_a_fault_or_nothing(body: bytes) -> None:
    rows_or_fault(body)


@given(keep=st.integers(0, 2000), noise=st.binary(max_size=30))
def test_bytes_overwritten_in_transit_give_rows_or_a_fault(keep: int, noise: bytes) -> None:
    body = orjson.dumps(changed())
    rows_or_fault(body[:keep] + noise + body[keep + len(noise) :])
