"""The lake's tables against the database they are exported from."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from soccer_assets.lake.store import LocalStore, ObjectStore
from soccer_assets.lake.tables import (
    MANIFEST_KEY,
    CorruptFile,
    ExportResult,
    Manifest,
    export_months,
    parity_differences,
    read_manifest,
    read_month_file,
    read_table,
)
from soccer_assets.livescores.faults import PayloadFault
from soccer_assets.livescores.parsing import arrow_schema, parse_day
from soccer_assets.warehouse.load import load_days
from soccer_assets.warehouse.schema import match, match_raw
from soccer_assets_tests.feed_days import (
    FETCHED,
    a_match,
    a_payload,
    any_json,
    finished,
    parsed,
)

JANUARY, LEAP_DAY, MARCH = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 1)
MONTHS = {JANUARY: "2024-01", LEAP_DAY: "2024-02", MARCH: "2024-03"}
DOCUMENTS = {"incidents", "bets", "extra"}


@pytest.fixture
def three_months(engine: sa.Engine) -> sa.Engine:
    load_days(
        engine,
        [parsed(*shown_first(day).values(), day=day) for day in MONTHS],
    )
    return engine


def shown_first(day: date) -> dict[int, dict[str, Any]]:
    """The three matches of a day, by id."""
    first = 10 * list(MONTHS).index(day)
    return {first + n: finished(first + n, n, 1, day) for n in range(3)}


def rewrite_day(engine: sa.Engine, day: date, *matches: dict[str, Any]) -> None:
    """Show the day again, with these matches in place of, or besides, what it showed first."""
    shown = shown_first(day) | {row["id"]: row for row in matches}
    load_days(engine, [parsed(*shown.values(), day=day, fetched_at=FETCHED + timedelta(days=1))])


def keys(manifest: Manifest) -> dict[str, str]:
    """``table/month`` -> key."""
    return {
        f"{table}/{month}": entry.key
        for table, months in manifest.tables.items()
        for month, entry in months.items()
    }


def months_written(result: ExportResult) -> list[str]:
    """``table/month`` of the files written."""
    names = {key: name for name, key in keys(result.manifest).items()}
    return sorted(names[key] for key in result.written)


def differences(engine: sa.Engine, store: ObjectStore) -> dict[str, Any]:
    with engine.connect() as connection:
        return parity_differences(connection, store, read_manifest(store))


def assert_lake_equals_database(engine: sa.Engine, store: ObjectStore) -> None:
    """Every value of every row, documents as parsed."""
    manifest = read_manifest(store)
    for table in (match_raw, match):
        lake = read_table(store, manifest, table.name)
        assert lake.schema == arrow_schema(table)
        query = sa.select(table).order_by(sa.func.date_trunc("month", table.c.feed_day))
        with engine.connect() as connection:
            rows = connection.execute(query.order_by(table.c.match_id)).mappings().all()
        found = [
            {k: json.loads(v) if k in DOCUMENTS and v else v for k, v in row.items()}
            for row in lake.to_pylist()
        ]
        assert found == [dict(row) for row in rows]


# Export


def test_an_export_publishes_every_month_behind_one_manifest(
    three_months: sa.Engine, any_store: ObjectStore
) -> None:
    result = export_months(three_months, any_store)
    assert read_manifest(any_store) == result.manifest
    for table in ("match_raw", "match"):
        months = result.manifest.tables[table]
        assert list(months) == list(MONTHS.values())
        february = months["2024-02"]
        assert february.rows == 3
        assert february.first_day == february.last_day == "2024-02-29"
        assert february.key.startswith(f"tables/{table}/month=2024-02/{february.sha256[:16]}")
        assert read_month_file(any_store, february).num_rows == 3
        assert result.manifest.rows(table) == 9
    files = keys(result.manifest).values()
    assert any_store.list("tables/") == sorted([MANIFEST_KEY, *files])
    assert sorted(result.written) == sorted(files)
    assert result.removed == []
    assert_lake_equals_database(three_months, any_store)
    assert differences(three_months, any_store) == {}


def test_an_empty_database(engine: sa.Engine, any_store: ObjectStore) -> None:
    result = export_months(engine, any_store, ["2024-01"])
    assert result.written == []
    assert any_store.get(MANIFEST_KEY) == result.manifest.to_bytes()
    assert read_table(any_store, result.manifest, "match").schema == arrow_schema(match)
    assert read_table(any_store, Manifest(), "match", ["match_id"]).num_rows == 0


def test_a_second_export_writes_nothing(three_months: sa.Engine, any_store: ObjectStore) -> None:
    export_months(three_months, any_store)
    manifest, listed = any_store.get(MANIFEST_KEY), any_store.list("tables/")
    result = export_months(three_months, any_store)
    assert (result.written, result.removed) == ([], [])
    assert any_store.get(MANIFEST_KEY) == manifest
    assert any_store.list("tables/") == listed


def test_a_month_asked_for_again_keeps_its_key(three_months: sa.Engine, store: LocalStore) -> None:
    first = export_months(three_months, store)
    again = export_months(three_months, store, ["2024-02"])
    assert months_written(again) == ["match/2024-02", "match_raw/2024-02"]
    assert again.manifest == first.manifest


def test_two_lakes_of_one_database_are_equal_to_the_byte(
    three_months: sa.Engine, store: LocalStore, s3_store: ObjectStore
) -> None:
    export_months(three_months, store)
    export_months(three_months, s3_store)
    assert store.list("") == s3_store.list("")
    assert all(store.get(key) == s3_store.get(key) for key in store.list(""))


def test_a_changed_row_rewrites_its_month_alone(
    three_months: sa.Engine, any_store: ObjectStore
) -> None:
    before = keys(export_months(three_months, any_store).manifest)
    rewrite_day(three_months, LEAP_DAY, finished(10, 9, 1, LEAP_DAY))
    result = export_months(three_months, any_store)
    after = keys(result.manifest)
    assert months_written(result) == ["match/2024-02", "match_raw/2024-02"]
    assert {name for name in after if after[name] != before[name]} == set(months_written(result))
    assert_lake_equals_database(three_months, any_store)


def test_a_change_of_the_raw_table_alone_rewrites_that_one(
    three_months: sa.Engine, store: LocalStore
) -> None:
    export_months(three_months, store)
    rewrite_day(three_months, LEAP_DAY, finished(10, 0, 1, LEAP_DAY, commentCount=7))
    assert months_written(export_months(three_months, store)) == ["match_raw/2024-02"]


def test_a_match_moved_to_another_month_rewrites_both(
    three_months: sa.Engine, store: LocalStore
) -> None:
    export_months(three_months, store)
    rewrite_day(three_months, MARCH, finished(0, 5, 5, MARCH))
    result = export_months(three_months, store)
    assert months_written(result) == [
        "match/2024-01", "match/2024-03", "match_raw/2024-01", "match_raw/2024-03",
    ]  # fmt: skip
    rows = {m: entry.rows for m, entry in result.manifest.tables["match"].items()}
    assert rows == {"2024-01": 2, "2024-02": 3, "2024-03": 4}
    assert_lake_equals_database(three_months, store)


def test_a_month_left_empty_is_dropped(engine: sa.Engine, store: LocalStore) -> None:
    load_days(engine, [parsed(a_match(1, JANUARY), day=JANUARY)])
    export_months(engine, store)
    load_days(engine, [parsed(finished(1, 1, 0, MARCH), day=MARCH)])
    assert set(keys(export_months(engine, store).manifest)) == {
        "match/2024-03",
        "match_raw/2024-03",
    }
    assert_lake_equals_database(engine, store)


def test_files_of_the_last_but_one_manifest_are_removed(
    three_months: sa.Engine, any_store: ObjectStore
) -> None:
    first = export_months(three_months, any_store)
    rewrite_day(three_months, LEAP_DAY, finished(10, 9, 1, LEAP_DAY))
    second = export_months(three_months, any_store)
    assert second.removed == []
    assert set(keys(first.manifest).values()) < set(any_store.list("tables/"))
    third = export_months(three_months, any_store)
    replaced = set(keys(first.manifest).values()) - set(keys(second.manifest).values())
    assert set(third.removed) == replaced
    assert len(replaced) == 2
    assert any_store.list("tables/") == sorted([MANIFEST_KEY, *keys(third.manifest).values()])


def test_what_a_crashed_export_left_is_removed_and_other_objects_are_not(
    three_months: sa.Engine, store: LocalStore
) -> None:
    store.put("tables/match/month=2024-02/0123456789abcdef.parquet", b"half an export")
    store.put("tables/README.txt", b"mine")
    store.put("livescores/x.parquet", b"mine")
    result = export_months(three_months, store)
    assert result.removed == ["tables/match/month=2024-02/0123456789abcdef.parquet"]
    assert store.get("tables/README.txt") == store.get("livescores/x.parquet") == b"mine"


def test_a_crash_before_the_manifest_leaves_readers_with_the_old_one(
    three_months: sa.Engine, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = export_months(three_months, store).manifest
    rewrite_day(three_months, LEAP_DAY, finished(10, 9, 1, LEAP_DAY))
    put = LocalStore.put

    def crash_at_the_manifest(self: LocalStore, key: str, body: bytes) -> None:
        if key == MANIFEST_KEY:
            raise OSError("crash")
        put(self, key, body)

    with monkeypatch.context() as broken:
        broken.setattr(LocalStore, "put", crash_at_the_manifest)
        with pytest.raises(OSError, match="crash"):
            export_months(three_months, store)
    assert read_manifest(store) == old
    assert read_table(store, old, "match").num_rows == 9
    export_months(three_months, store)
    assert_lake_equals_database(three_months, store)


@pytest.mark.parametrize("month", ["2024-13", "March", "2024-3", "2024"])
def test_a_month_that_is_none_is_refused(engine: sa.Engine, store: LocalStore, month: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|month"):
        export_months(engine, store, [month])
    assert store.list("") == []


def test_progress_ends_with_all_months(three_months: sa.Engine, store: LocalStore) -> None:
    lines: list[str] = []
    export_months(three_months, store, progress=lines.append)
    assert lines == ["match_raw 2024-03: 3 of 3 months", "match 2024-03: 3 of 3 months"]


def test_the_manifest_survives_its_bytes(three_months: sa.Engine, store: LocalStore) -> None:
    manifest = export_months(three_months, store).manifest
    again = Manifest.from_bytes(manifest.to_bytes())
    assert again == manifest
    assert again.digest == manifest.digest
    reordered = Manifest(dict(reversed(manifest.tables.items())))
    assert reordered.to_bytes() == manifest.to_bytes()
    assert Manifest().digest != manifest.digest


# Reading and parity


def test_columns_and_months_in_order(three_months: sa.Engine, store: LocalStore) -> None:
    manifest = export_months(three_months, store).manifest
    table = read_table(store, manifest, "match", ["match_id", "home_score"])
    assert table.column_names == ["match_id", "home_score"]
    assert table["match_id"].to_pylist() == [0, 1, 2, 10, 11, 12, 20, 21, 22]


def test_a_corrupt_file_is_refused_and_is_a_difference(
    three_months: sa.Engine, any_store: ObjectStore
) -> None:
    manifest = export_months(three_months, any_store).manifest
    entry = manifest.tables["match"]["2024-02"]
    body = bytearray(any_store.get(entry.key))
    body[len(body) // 2] ^= 1
    any_store.put(entry.key, bytes(body))
    with pytest.raises(CorruptFile, match=r"month=2024-02.*content hash"):
        read_month_file(any_store, entry)
    with pytest.raises(CorruptFile):
        read_table(any_store, manifest, "match")
    found = differences(three_months, any_store)
    assert list(found) == ["match/2024-02"]
    assert "CorruptFile" in found["match/2024-02"]["lake"]


@pytest.mark.parametrize("damage", ["corrupt", "missing"])
def test_a_damaged_file_is_repaired_by_asking_for_its_month(
    three_months: sa.Engine, any_store: ObjectStore, damage: str
) -> None:
    manifest = export_months(three_months, any_store).manifest
    entry = manifest.tables["match"]["2024-02"]
    if damage == "corrupt":
        any_store.put(entry.key, b"not parquet")
    else:
        any_store.delete(entry.key)
    assert list(differences(three_months, any_store)) == ["match/2024-02"]
    export_months(three_months, any_store, ["2024-02"])
    assert differences(three_months, any_store) == {}
    assert read_manifest(any_store) == manifest


def test_a_missing_file_is_a_difference(three_months: sa.Engine, any_store: ObjectStore) -> None:
    manifest = export_months(three_months, any_store).manifest
    any_store.delete(manifest.tables["match_raw"]["2024-03"].key)
    found = differences(three_months, any_store)
    assert list(found) == ["match_raw/2024-03"]
    assert "ObjectNotFound" in found["match_raw/2024-03"]["lake"]


def test_a_row_missing_in_the_database_is_a_difference(
    three_months: sa.Engine, store: LocalStore
) -> None:
    export_months(three_months, store)
    with three_months.begin() as connection:
        connection.execute(match.delete().where(match.c.match_id == 11))
    found = differences(three_months, store)
    assert list(found) == ["match/2024-02"]
    assert found["match/2024-02"]["database"]["rows"] == 2
    assert found["match/2024-02"]["lake"]["rows"] == 3
    assert found["match/2024-02"]["lake"]["home_goals"] == 3


def test_a_row_missing_in_the_lake_is_a_difference(
    three_months: sa.Engine, store: LocalStore
) -> None:
    export_months(three_months, store)
    rewrite_day(three_months, LEAP_DAY, finished(99, 4, 0, LEAP_DAY))
    load_days(three_months, [parsed(a_match(1000, date(2024, 4, 1)), day=date(2024, 4, 1))])
    found = differences(three_months, store)
    assert set(found) == {
        "match/2024-02", "match_raw/2024-02", "match/2024-04", "match_raw/2024-04",
    }  # fmt: skip
    assert found["match/2024-04"]["lake"] == "missing"
    assert found["match/2024-04"]["database"]["rows"] == 1


def test_a_month_missing_in_the_database_is_a_difference(
    three_months: sa.Engine, store: LocalStore
) -> None:
    export_months(three_months, store)
    with three_months.begin() as connection:
        connection.execute(match.delete().where(match.c.feed_day == JANUARY))
    assert differences(three_months, store)["match/2024-01"]["database"] == "missing"


@pytest.mark.parametrize(
    "change", [{"home_score": 7}, {"content_hash": 12345}], ids=lambda change: next(iter(change))
)
def test_an_altered_value_is_a_difference(
    three_months: sa.Engine, store: LocalStore, change: dict[str, int]
) -> None:
    export_months(three_months, store)
    with three_months.begin() as connection:
        connection.execute(match_raw.update().where(match_raw.c.match_id == 11).values(change))
    assert list(differences(three_months, store)) == ["match_raw/2024-02"]


# Types

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
awkward = texts | st.sampled_from(
    ["", " ", '"', '""', "\n", "\r", "\r\n", "\\.", "NULL", ",", "NaN"]
)
odd_matches = st.fixed_dictionaries(
    {
        "homeTeamName": awkward,
        "startTime": st.none() | awkward,
        "elapsed": st.none() | awkward,
        "stageId": st.integers(-(2**63) + 1, 2**63 - 1),
        "lastScorer": st.none() | st.integers(-(2**31) + 1, 2**31 - 1),
        "isTopMatch": st.none() | st.booleans(),
        "startTimeUtc": st.datetimes().map(lambda moment: moment.isoformat()),
        "incidents": st.none() | st.lists(any_json, max_size=3),
        "aNewField": any_json,
    }
)


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(odd=st.lists(odd_matches, min_size=1, max_size=4), region=awkward)
def test_any_value_survives_the_way_into_the_lake(
    engine: sa.Engine, tmp_path: Path, odd: list[dict[str, Any]], region: str
) -> None:
    rows = [{**a_match(k - 2, MARCH), **fields} for k, fields in enumerate(odd)]
    body = json.dumps(a_payload(*rows, regionName=region)).encode()
    try:
        day = parse_day(MARCH, body, payload_key="key", fetched_at=FETCHED)
    except PayloadFault:
        assume(False)
    with engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE soccer.match_raw, soccer.match, soccer.ingested_day"))
    load_days(engine, [day])
    store = LocalStore(tmp_path / uuid4().hex)
    export_months(engine, store)
    assert_lake_equals_database(engine, store)
    assert differences(engine, store) == {}
    lake = read_table(store, read_manifest(store), "match_raw").to_pylist()
    assert [row["home_team_name"] for row in lake] == [row["homeTeamName"] for row in odd]
    assert [row["start_time"] for row in lake] == [row["startTime"] for row in odd]


def test_an_empty_text_is_not_a_missing_one(engine: sa.Engine, any_store: ObjectStore) -> None:
    fields = [{"elapsed": ""}, {"elapsed": None}, {"elapsed": "NULL"}, {"elapsed": '"'}]
    matches = (a_match(k, MARCH, **f) for k, f in enumerate(fields))
    load_days(engine, [parsed(*matches, day=MARCH)])
    export_months(engine, any_store)
    lake = read_table(any_store, read_manifest(any_store), "match_raw", ["elapsed"])
    assert lake["elapsed"].to_pylist() == ["", None, "NULL", '"']


def test_a_large_document(engine: sa.Engine, store: LocalStore) -> None:
    incidents = [{"minute": k, "text": "shot, saved\n" * 20} for k in range(10_000)]
    matches = (a_match(1, MARCH, incidents=incidents), a_match(2, MARCH))
    load_days(engine, [parsed(*matches, day=MARCH)])
    export_months(engine, store)
    lake = read_table(store, read_manifest(store), "match_raw", ["incidents"])
    assert orjson.loads(lake["incidents"][0].as_py()) == incidents
