"""The lake against the database it is exported from."""

import itertools
import json
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import orjson
import psycopg2.errors
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from soccer_assets.feed.faults import PayloadFault
from soccer_assets.ingestion.parsing import parse_day
from soccer_assets.lake import export
from soccer_assets.lake.export import export_months
from soccer_assets.lake.manifest import (
    MANIFEST_KEY,
    PREVIOUS_KEY,
    Manifest,
    MonthFile,
    read_manifest,
)
from soccer_assets.lake.relations import RELATIONS, Relation
from soccer_assets.lake.tables import (
    SchemaMismatch,
    read_month_file,
    read_table,
)
from soccer_assets.storage.store import LocalStore, ObjectStore
from soccer_assets.warehouse.copying import copy_rows
from soccer_assets.warehouse.load import load_days
from soccer_assets.warehouse.rows import arrow_schema
from soccer_assets.warehouse.schema import match
from soccer_assets_tests.feed_days import (
    FETCHED,
    a_match,
    a_payload,
    any_json,
    finished,
    parsed,
)
from soccer_assets_tests.lake.months import (
    JANUARY,
    LEAP_DAY,
    MARCH,
    MONTHS,
    assert_lake_equals_database,
    differences,
    keys,
    months_written,
    rewrite_day,
    shown_first,
)

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


def test_a_month_without_matches_has_no_file(engine: sa.Engine, any_store: ObjectStore) -> None:
    for day in (JANUARY, MARCH):
        load_days(engine, [parsed(*shown_first(day).values(), day=day)])
    manifest = export_months(engine, any_store).manifest
    assert {name: list(months) for name, months in manifest.tables.items() if months} == {
        name: ["2024-01", "2024-03"] for name in ("match_raw", "match")
    }
    assert export_months(engine, any_store).written == []


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
    unchanged = export_months(three_months, any_store)  # replaces nothing, so removes nothing
    assert second.removed == unchanged.removed == []
    assert read_manifest(any_store, PREVIOUS_KEY) == first.manifest
    assert first.manifest.keys < set(any_store.list("tables/"))
    rewrite_day(three_months, LEAP_DAY, finished(10, 9, 2, LEAP_DAY))
    third = export_months(three_months, any_store)
    replaced = first.manifest.keys - second.manifest.keys
    assert set(third.removed) == replaced
    assert len(replaced) == 2
    kept = second.manifest.keys | third.manifest.keys
    assert any_store.list("tables/") == sorted([MANIFEST_KEY, PREVIOUS_KEY, *kept])


def test_what_a_crashed_export_left_is_removed_and_other_objects_are_not(
    three_months: sa.Engine, store: LocalStore
) -> None:
    store.put("tables/match/month=2024-02/0123456789abcdef.parquet", b"half an export")
    store.put("tables/README.txt", b"mine")
    store.put("livescores/x.parquet", b"mine")
    result = export_months(three_months, store)
    assert result.removed == ["tables/match/month=2024-02/0123456789abcdef.parquet"]
    assert store.get("tables/README.txt") == store.get("livescores/x.parquet") == b"mine"


class Failing(LocalStore):
    """A lake whose disk fills up: the put of this number raises, and all after it."""

    def __init__(self, root: Path, fails_at: int) -> None:
        super().__init__(root)
        self._counter = itertools.count(1)
        self._fails_at = fails_at

    def put(self, key: str, body: bytes | IO[bytes], *, sync: bool = True) -> None:
        if next(self._counter) >= self._fails_at:
            raise OSError("no space left")
        super().put(key, body, sync=sync)


def test_an_export_that_dies_at_any_put_leaves_readers_with_the_old_lake(
    three_months: sa.Engine, store: LocalStore, tmp_path: Path
) -> None:
    old = export_months(three_months, store).manifest
    before = read_table(store, old, "match")
    for day in (LEAP_DAY, MARCH):
        rewrite_day(three_months, day, finished(next(iter(shown_first(day))), 9, 1, day))
    puts = 2 * 2 + 2  # two months of two tables, the manifest that is replaced, the new one
    for number in range(1, puts + 1):
        lake = shutil.copytree(tmp_path / "lake", tmp_path / f"dies at {number}")
        with pytest.raises(OSError, match="no space left"):
            export_months(three_months, Failing(lake, number))
        here = LocalStore(lake)
        assert read_manifest(here) == old
        assert read_table(here, old, "match") == before

        (lake / "tables/match/.killed.tmp").write_bytes(b"half a file")
        new = export_months(three_months, here).manifest
        assert here.list("tables/") == sorted([MANIFEST_KEY, PREVIOUS_KEY, *(old.keys | new.keys)])
        assert not list(lake.rglob("*.tmp"))
        assert_lake_equals_database(three_months, here)


def test_an_error_of_the_database_ends_the_export(
    three_months: sa.Engine, store: LocalStore
) -> None:
    with three_months.begin() as connection:
        connection.execute(sa.text("ALTER TABLE soccer.match RENAME COLUMN sex TO gender"))
    with pytest.raises(psycopg2.errors.UndefinedColumn):
        export_months(three_months, store)
    assert store.list("tables/match/") == []
    assert read_manifest(store) == Manifest()


@pytest.mark.parametrize("month", ["2024-13", "March", "2024-3", "2024"])
def test_a_month_that_is_none_is_refused(engine: sa.Engine, store: LocalStore, month: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|month"):
        export_months(engine, store, [month])
    assert store.list("") == []


def test_progress_ends_with_all_months(three_months: sa.Engine, store: LocalStore) -> None:
    lines: list[str] = []
    export_months(three_months, store, progress=lines.append)
    assert lines == ["match_raw 2024-03: 3 of 3 months", "match 2024-03: 3 of 3 months"]


# What a month costs


def test_a_month_of_any_size_takes_the_memory_of_a_few_blocks(
    engine: sa.Engine, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                """INSERT INTO soccer.match
                SELECT n, '2024-03-09', '2024-03-09 15:00+00', 'finished', 1, 'England', 1,
                    'Premier League', 1, '2023', 1, 0, n % 500, 'Home ' || n % 500, n % 499,
                    'Away ' || n % 499, n % 5, n % 3, null, null, null, null, 'normal', null,
                    n * 7919, now(), now()
                FROM generate_series(1, 60000) n"""
            )
        )
    monkeypatch.setattr(export, "copy_rows", partial(copy_rows, block_bytes=1 << 18))
    pool, usual = pa.proxy_memory_pool(pa.default_memory_pool()), pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        manifest = export_months(engine, store).manifest
    finally:
        pa.set_memory_pool(usual)
    rows = read_table(store, manifest, "match")
    assert rows["match_id"].to_pylist() == list(range(1, 60001))
    assert pool.max_memory() < rows.nbytes / 4
    file = pq.ParquetFile(path_of(store, manifest.tables["match"]["2024-03"]))
    assert file.num_row_groups > 20
    assert export_months(engine, store, ["2024-03"]).manifest == manifest
    assert differences(engine, store) == {}


def path_of(store: LocalStore, entry: MonthFile) -> Path:
    """A month's file on disk."""
    return Path(store.uri) / entry.key


def test_a_month_is_a_block_unless_it_is_large(three_months: sa.Engine, store: LocalStore) -> None:
    manifest = export_months(three_months, store).manifest
    for months in manifest.tables.values():
        for entry in months.values():
            assert pq.ParquetFile(path_of(store, entry)).num_row_groups == 1


# Several at once


def test_what_is_loaded_during_an_export_is_in_neither_table_or_in_both(
    three_months: sa.Engine, store: LocalStore
) -> None:
    def load_more(line: str) -> None:
        if line.startswith("match_raw"):  # read by now; match is not
            rewrite_day(three_months, MARCH, finished(99, 4, 0, MARCH))

    during = export_months(three_months, store, progress=load_more).manifest
    assert (during.rows("match_raw"), during.rows("match")) == (9, 9)
    after = export_months(three_months, store).manifest
    assert (after.rows("match_raw"), after.rows("match")) == (10, 10)
    assert_lake_equals_database(three_months, store)


def test_an_export_waits_for_the_one_that_runs_even_if_that_is_killed(
    three_months: sa.Engine, store: LocalStore
) -> None:
    holder = three_months.connect()
    holder.execute(sa.select(sa.func.pg_advisory_lock(export.EXPORT_LOCK_KEY)))
    process = holder.scalar(sa.select(sa.func.pg_backend_pid()))
    waits, lines = threading.Event(), []

    def progress(line: str) -> None:
        lines.append(line)
        waits.set()

    waiting = threading.Thread(target=export_months, args=(three_months, store, (), progress))
    waiting.start()
    assert waits.wait(30)
    assert lines == ["another export is running: waiting for it"]
    assert store.list("") == []
    # What is loaded while it waits is in its snapshot.
    rewrite_day(three_months, LEAP_DAY, finished(10, 9, 1, LEAP_DAY))
    with three_months.connect() as connection:
        connection.execute(sa.select(sa.func.pg_terminate_backend(process)))
    waiting.join(30)
    assert not waiting.is_alive()
    holder.invalidate()
    holder.close()
    assert_lake_equals_database(three_months, store)


def test_an_export_lets_go_of_the_lock_however_it_ends(
    three_months: sa.Engine, store: LocalStore, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="no space left"):
        export_months(three_months, Failing(tmp_path / "lake", 1))
    export_months(three_months, store)
    export_months(three_months, store)
    with three_months.connect() as connection:
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert connection.scalar(sa.text(locks)) == 0


EXPORTS = """
import sys
from pathlib import Path
import sqlalchemy as sa
from soccer_assets.lake.export import export_months
from soccer_assets.lake.manifest import read_manifest
from soccer_assets.storage.store import LocalStore
from soccer_assets.lake.tables import read_table
engine, store = sa.create_engine(sys.argv[1]), LocalStore(Path(sys.argv[2]))
for _ in range(6):
    manifest = export_months(engine, store, ["2024-02"]).manifest
    for table in ("match_raw", "match"):
        assert read_table(store, manifest, table).num_rows == manifest.rows(table)
    print(manifest.digest, flush=True)
"""


def test_two_processes_export_while_days_are_loaded(
    three_months: sa.Engine, store: LocalStore
) -> None:
    url = three_months.url.render_as_string(hide_password=False)
    exporters = [
        subprocess.Popen(
            [sys.executable, "-c", EXPORTS, url, store.uri],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        loads = 0
        while any(exporter.poll() is None for exporter in exporters):
            loads += 1
            changed = finished(10, loads % 90, 1, LEAP_DAY)
            at = FETCHED + timedelta(days=1, minutes=loads)
            shown = (shown_first(LEAP_DAY) | {10: changed}).values()
            load_days(three_months, [parsed(*shown, day=LEAP_DAY, fetched_at=at)])
        outs = [exporter.communicate() for exporter in exporters]
    finally:
        for exporter in exporters:
            exporter.kill()
            exporter.wait()
    assert [len(out.split()) for out, _ in outs] == [6, 6], outs
    last = export_months(three_months, store).manifest
    assert_lake_equals_database(three_months, store)
    previous = read_manifest(store, PREVIOUS_KEY)
    assert store.list("tables/") == sorted(
        [MANIFEST_KEY, PREVIOUS_KEY, *(last.keys | previous.keys)]
    )


# Columns


def test_a_changed_column_rewrites_the_table_and_is_named_to_readers_of_the_old_kind(
    three_months: sa.Engine, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = export_months(three_months, store).manifest
    assert old.schemas["match"][0] == "match_id int64"
    assert "kickoff timestamp[us, tz=UTC]" in old.schemas["match"]

    def narrower(relation: Relation) -> Relation:
        if relation.name != "match":
            return relation
        index = relation.schema.get_field_index("home_penalty_score")
        column = pa.field("home_penalty_score", pa.int32())
        return replace(relation, schema=relation.schema.set(index, column))

    with monkeypatch.context() as edited:
        edited.setattr(export, "RELATIONS", tuple(map(narrower, RELATIONS)))
        result = export_months(three_months, store)
        assert months_written(result) == ["match/2024-01", "match/2024-02", "match/2024-03"]
        assert export_months(three_months, store).written == []
    new = result.manifest
    assert new.tables["match_raw"] == old.tables["match_raw"]
    expected = "match: column 'home_penalty_score' is int32, not int64"
    for columns in (None, ["match_id", "home_penalty_score"]):
        with pytest.raises(SchemaMismatch, match=expected):
            read_table(store, new, "match", columns)
    # Who does not need the column is not concerned.
    assert read_table(store, new, "match", ["match_id"]).num_rows == 9
    # The old files are still there, and what they are is still known.
    assert read_table(store, old, "match").schema == arrow_schema(match)


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
        "startTimeUtc": st.datetimes(datetime(2024, 2, 28), datetime(2024, 3, 3)).map(
            lambda moment: moment.isoformat()
        ),
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
