"""The lake through the graph: what is written when, and what the checks on it stop."""

import copy
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from soccer_assets.dagster_internals import DATA_VERSION_TAG
from soccer_assets.feed.fields import FeedStatus
from soccer_assets.lake.manifest import MANIFEST_KEY, Manifest, MonthFile, read_manifest
from soccer_assets.lake.tables import read_table
from soccer_assets.simulator.server import FeedServer
from soccer_assets.storage.store import LocalStore
from soccer_assets_tests.assets.conftest import INGESTION, LAKE
from soccer_assets_tests.conftest import MIDSEASON, S3Service
from soccer_assets_tests.feed_days import a_match, a_payload, finished
from soccer_assets_tests.platform import Platform, checks_of, metadata_of, platform

#: Days on both sides of a month's end.
RANGE = ("2025-02-26", "2025-03-02")
FEBRUARY, MARCH = "2025-02", "2025-03"
MONTHS = (f"{FEBRUARY}-01", f"{MARCH}-01")
TABLES = ("match_raw", "match")
#: What is made from the lake.
DOWNSTREAM = ("finished", "fixtures")


def months_of(manifest: Manifest, month: str) -> dict[str, MonthFile]:
    return {table: manifest.tables[table][month] for table in TABLES}


def files(home: Path) -> dict[str, tuple[int, int]]:
    """Every file of the lake's tables -> which file it is and when it was written."""
    root = home / "lake"
    return {
        path.relative_to(root).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in root.glob("tables/*/*/*.parquet")
    }


@pytest.fixture
def exported(midseason: Platform) -> Platform:
    """Both months in the lake."""
    midseason.run(*INGESTION, partitions=RANGE)
    midseason.run(*LAKE, partitions=MONTHS)
    return midseason


# What is written


def test_both_tables_come_as_months_of_one_manifest(exported: Platform) -> None:
    manifest = read_manifest(exported.store)
    again = exported.run(*LAKE, partition=MONTHS[0])
    assert {table: set(manifest.tables[table]) for table in TABLES} == {
        table: {FEBRUARY, MARCH} for table in TABLES
    }
    for asset, table in zip(LAKE, TABLES, strict=True):
        with exported.engine.connect() as connection:
            stored = connection.scalar(sa.text(f"SELECT count(*) FROM soccer.{table}"))
        told = metadata_of(again, asset)
        assert told["rows_in_table"] == stored == manifest.rows(table) > 20
        assert told["dagster/row_count"] == manifest.tables[table][FEBRUARY].rows
        assert told["manifest"] == manifest.digest
        assert told["dagster/uri"] == str(exported.home / "lake")
    assert exported.recorded(again) == {asset: {MONTHS[0]} for asset in LAKE}
    assert {check: found.passed for check, found in checks_of(again).items()} == {
        "parity_with_postgres": True,
        "unique_ids": True,
    }


def test_nothing_is_called_made_before_its_checks_are_told(exported: Platform) -> None:
    """Killed at any moment, a run leaves no asset behind whose checks are unknown."""
    result = exported.run(*LAKE, partition=MONTHS[0])
    told = [
        event.event_type_value
        for event in result.all_events
        if event.event_type_value in ("ASSET_CHECK_EVALUATION", "ASSET_MATERIALIZATION")
        and event.asset_key in (None, dg.AssetKey("match_parquet"))
    ]
    assert told == ["ASSET_CHECK_EVALUATION"] * 2 + ["ASSET_MATERIALIZATION"]


def test_an_export_of_unchanged_months_writes_nothing(exported: Platform) -> None:
    before = files(exported.home), exported.store.get(MANIFEST_KEY)
    exported.run(*LAKE, partitions=MONTHS)
    assert (files(exported.home), exported.store.get(MANIFEST_KEY)) == before


def test_only_the_month_that_changed_is_rewritten(exported: Platform, feed: FeedServer) -> None:
    before, old = files(exported.home), read_manifest(exported.store)
    payload = copy.deepcopy(feed.backend.payload(date(2025, 2, 26), MIDSEASON))
    match = next(m for t in payload["tournaments"] for m in t["matches"] if m["status"] == 6)
    match["awayScore"] += 1
    feed.override(date(2025, 2, 26), payload)
    exported.run(*INGESTION, partition="2025-02-26")
    result = exported.run(*LAKE, partition=MONTHS[0])

    new = read_manifest(exported.store)
    assert months_of(new, MARCH) == months_of(old, MARCH)
    for table, entry in months_of(new, FEBRUARY).items():
        assert entry.key != old.tables[table][FEBRUARY].key
        assert entry.rows == old.tables[table][FEBRUARY].rows
    # Files that were there are the same files; two are new, and nothing is lost to who still reads
    # by the old manifest.
    after = files(exported.home)
    assert {key: after.get(key) for key in before} == before
    assert after.keys() - before.keys() == {e.key for e in months_of(new, FEBRUARY).values()}
    assert [metadata_of(result, asset)["files_written"] for asset in LAKE] == [1, 1]
    rows = read_table(exported.store, new, "match", ["match_id", "away_score"]).to_pylist()
    [score] = [row["away_score"] for row in rows if row["match_id"] == match["id"]]
    assert score == match["awayScore"]


def test_odds_and_statistics_that_change_alone_make_another_day_and_another_month(
    exported: Platform, feed: FeedServer
) -> None:
    day, cells = date(2025, 2, 26), {"HS": "12", "AvgCH": "2", "AvgCD": "3.5", "AvgCA": "4"}

    def versions() -> list[str]:
        """Of ``match`` on the day, and of ``match_parquet`` in its month and in the next."""
        return [
            exported.instance.event_log_storage.get_latest_tags_by_partition(
                dg.AssetKey(key), dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
            )[partition][DATA_VERSION_TAG]
            for key, partition in (
                ("match", str(day)),
                ("match_parquet", MONTHS[0]),
                ("match_parquet", MONTHS[1]),
            )
        ]

    seen = [versions()]
    for changed in (cells, cells | {"HS": "13"}, cells | {"HS": "13", "AvgCH": "2.1"}):
        payload = copy.deepcopy(feed.backend.payload(day, MIDSEASON))
        payload["tournaments"][0]["matches"][0]["footballData"] = changed
        feed.override(day, payload)
        exported.run(*INGESTION, partition=str(day))
        result = exported.run(*LAKE, partition=MONTHS[0])
        assert checks_of(result)["parity_with_postgres"].passed
        assert metadata_of(result, "match_parquet")["rows_in_match_statistics"] == 1
        seen.append(versions())
    of_day, of_month, of_next = zip(*seen, strict=True)
    assert len(set(of_day)) == len(set(of_month)) == 4
    assert len(set(of_next)) == 1
    manifest = read_manifest(exported.store)
    [odds] = read_table(exported.store, manifest, "match_odds").to_pylist()
    assert (odds["feed_day"], odds["bookmaker"], odds["odds_home"]) == (day, "Avg", 2.1)


def test_a_match_that_moves_to_another_month_leaves_its_old_one(
    midseason: Platform, feed: FeedServer
) -> None:
    old_day, new_day = date(2025, 2, 28), date(2025, 3, 14)
    feed.override(old_day, a_payload(finished(1, 2, 0, old_day), a_match(2, old_day)))
    feed.override(new_day, a_payload(a_match(3, new_day)))
    for day in (old_day, new_day):
        midseason.run(*INGESTION, partition=str(day))
    midseason.run(*LAKE, partitions=MONTHS)
    assert ids_by_month(midseason) == {FEBRUARY: {1, 2}, MARCH: {3}}

    postponed = a_match(2, old_day, status=FeedStatus.POSTPONED.value)
    feed.override(old_day, a_payload(finished(1, 2, 0, old_day), postponed))
    feed.override(new_day, a_payload(a_match(3, new_day), a_match(2, new_day)))
    for day in (old_day, new_day):
        midseason.run(*INGESTION, partition=str(day))
    # Its new month alone is asked for; its old one is not overlooked.
    result = midseason.run(*LAKE, partition=MONTHS[1])
    assert ids_by_month(midseason) == {FEBRUARY: {1}, MARCH: {2, 3}}
    assert all(found.passed for found in checks_of(result).values())


def test_a_month_that_its_last_match_leaves_is_gone(midseason: Platform, feed: FeedServer) -> None:
    old_day, new_day = date(2025, 2, 28), date(2025, 3, 14)
    feed.override(old_day, a_payload(a_match(2, old_day)))
    midseason.run(*INGESTION, partition=str(old_day))
    midseason.run(*LAKE, partition=MONTHS[0])
    assert ids_by_month(midseason) == {FEBRUARY: {2}}

    feed.override(new_day, a_payload(a_match(2, new_day)))
    midseason.run(*INGESTION, partition=str(new_day))
    result = midseason.run(*LAKE, partitions=MONTHS)
    assert ids_by_month(midseason) == {MARCH: {2}}
    assert all(found.passed for found in checks_of(result).values())


def ids_by_month(here: Platform) -> dict[str, set[int]]:
    """Months of the lake -> the matches in them, the same in both tables."""
    manifest = read_manifest(here.store)
    raw, canonical = (
        {
            month: set(
                read_table(here.store, Manifest({table: {month: entry}}), table)["match_id"]
                .to_numpy()
                .tolist()
            )
            for month, entry in manifest.tables[table].items()
        }
        for table in TABLES
    )
    assert raw == canonical
    return canonical


# What the checks stop


def test_months_that_differ_are_exported_again_by_the_run_that_finds_them(
    exported: Platform,
) -> None:
    """A row changed behind the platform's back (its hash is the old one, so nothing rewrites it),
    and a file that lost a row."""
    with exported.engine.begin() as connection:
        connection.execute(
            sa.text(
                """UPDATE soccer.match SET home_score = home_score + 1 WHERE match_id =
                   (SELECT min(match_id) FROM soccer.match
                    WHERE status = 'finished' AND feed_day < '2025-03-01')"""
            )
        )
    tamper(exported, "match_raw", FEBRUARY, lambda rows: rows.slice(1))
    result = exported.run(*LAKE, partition=MONTHS[1])
    found = checks_of(result)["parity_with_postgres"]
    assert found.passed
    assert found.metadata["exported_again"].value == [FEBRUARY]
    # Whoever reads that month follows.
    assert exported.recorded(result) == {asset: set(MONTHS) for asset in LAKE}
    again = checks_of(exported.run(*LAKE, partition=MONTHS[1]))["parity_with_postgres"]
    assert again.metadata["exported_again"].value == []


def spoil(here: Platform, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, a disk that loses the last byte of the table's February."""
    put = LocalStore.put

    def lossy(self: LocalStore, key: str, data: Any, **how: Any) -> None:
        if f"/{table}/month={FEBRUARY}" in key:
            data = (data if isinstance(data, bytes) else data.read())[:-1]
        put(self, key, data, **how)

    key = read_manifest(here.store).tables[table][FEBRUARY].key
    here.store.put(key, here.store.get(key)[:-1])
    monkeypatch.setattr(LocalStore, "put", lossy)


def test_a_difference_that_stays_is_exported_again_once_and_stops_what_is_made_from_the_lake(
    exported: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(exported, "match", monkeypatch)
    result = exported.run(*LAKE, *DOWNSTREAM, partition=MONTHS[1], raise_on_error=False)
    assert_stopped(exported, result, failed={"parity_with_postgres", "unique_ids"})
    found = checks_of(result)["parity_with_postgres"]
    assert found.metadata["exported_again"].value == [FEBRUARY]
    [(where, figures)] = found.metadata["figures"].value.items()
    assert where == f"match/{FEBRUARY}"
    assert "rows; lake: CorruptFile" in figures
    # A check by itself writes nothing, and does not make anybody try again.
    exported.check("match_parquet", "parity_with_postgres")
    result = exported.run(*LAKE, partition=MONTHS[1], raise_on_error=False)
    assert not result.success
    assert checks_of(result)["parity_with_postgres"].metadata["exported_again"].value == []


def test_a_run_that_was_asked_for_without_the_checks_is_stopped_by_them_all_the_same(
    exported: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(exported, "match", monkeypatch)
    job = exported.definitions.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection={dg.AssetKey(name) for name in (*LAKE, *DOWNSTREAM)},
        asset_check_selection=set(),
    )
    result = job.execute_in_process(
        instance=exported.instance, partition_key=MONTHS[1], raise_on_error=False
    )
    assert_stopped(exported, result, failed={"parity_with_postgres", "unique_ids"})


def test_a_difference_in_what_nobody_reads_is_a_warning(
    exported: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(exported, "match_raw", monkeypatch)
    found = checks_of(exported.run(*LAKE, partition=MONTHS[1]))["parity_with_postgres"]
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert list(found.metadata["figures"].value) == [f"match_raw/{FEBRUARY}"]


def test_a_match_twice_in_the_lake_stops_what_is_made_from_it(exported: Platform) -> None:
    """A file in which one match has become another: rows, hashes and goals all add up."""

    def repeat_first_id(rows: pa.Table) -> pa.Table:
        ids = rows["match_id"].to_pylist()
        return rows.set_column(
            rows.schema.get_field_index("match_id"), "match_id", pa.array([ids[0], *ids[:-1]])
        )

    twice = tamper(exported, "match", FEBRUARY, repeat_first_id)["match_id"][0].as_py()
    result = exported.run(*LAKE, *DOWNSTREAM, partition=MONTHS[1], raise_on_error=False)
    assert_stopped(exported, result, failed={"unique_ids"})
    assert checks_of(result)["unique_ids"].metadata["twice"].value == [twice]


def test_a_lost_row_a_lost_file_and_rotten_bytes_each_fail_parity(exported: Platform) -> None:
    manifest = exported.store.get(MANIFEST_KEY)

    def differences() -> dict[str, dict[str, object]]:
        found = checks_of(exported.check("match_parquet", "parity_with_postgres"))
        assert not found["parity_with_postgres"].passed
        return found["parity_with_postgres"].metadata["differences"].value

    tamper(exported, "match_raw", MARCH, lambda rows: rows.slice(1))
    [(where, facts)] = differences().items()
    assert where == f"match_raw/{MARCH}"
    assert facts["database"]["rows"] == facts["lake"]["rows"] + 1

    exported.store.put(MANIFEST_KEY, manifest)
    entry = read_manifest(exported.store).tables["match"][MARCH]
    body = exported.store.get(entry.key)
    exported.store.put(entry.key, body[:-1] + bytes([body[-1] ^ 1]))
    assert "CorruptFile" in differences()[f"match/{MARCH}"]["lake"]
    exported.store.delete(entry.key)
    assert "ObjectNotFound" in differences()[f"match/{MARCH}"]["lake"]

    # An export of the month puts things right again.
    result = exported.run(*LAKE, partition=MONTHS[1])
    assert checks_of(result)["parity_with_postgres"].passed


def test_days_that_are_loaded_after_the_export_do_not_fail_parity(exported: Platform) -> None:
    """As a backfill loads them while the lake is exported."""
    exported.run(*INGESTION, partition="2025-03-03")
    found = checks_of(exported.check("match_parquet", "parity_with_postgres"))
    assert found["parity_with_postgres"].passed
    behind = found["parity_with_postgres"].metadata["behind"].value
    assert behind == [f"{table}/{MARCH}" for table in TABLES]

    result = exported.run(*LAKE, partition=MONTHS[1])
    assert checks_of(result)["parity_with_postgres"].metadata["behind"].value == []


def tamper(here: Platform, table: str, month: str, change) -> pa.Table:  # type: ignore[no-untyped-def]
    """Publish a month with other rows, properly hashed; returns them."""
    manifest = read_manifest(here.store)
    entry = manifest.tables[table][month]
    rows = change(pq.read_table(io.BytesIO(here.store.get(entry.key))))
    buffer = io.BytesIO()
    pq.write_table(rows, buffer)
    key = f"{entry.key}.tampered.parquet"
    here.store.put(key, buffer.getvalue())
    manifest.tables[table][month] = replace(
        entry, key=key, sha256=sha256(buffer.getvalue()).hexdigest(), rows=rows.num_rows
    )
    here.store.put(MANIFEST_KEY, manifest.to_bytes())
    return rows


def assert_stopped(here: Platform, result, failed: set[str]) -> None:  # type: ignore[no-untyped-def]
    """The run failed at these checks, and nothing after the lake was touched."""
    assert not result.success
    assert {name for name, found in checks_of(result).items() if not found.passed} == failed
    assert {event.step_key for event in result.get_step_failure_events()} == {"export_months"}
    assert set(here.recorded(result)) == set(LAKE)
    assert here.not_started(result) == set(DOWNSTREAM)
    assert not (here.home / "dvc").exists()


# On S3


@pytest.fixture
def on_s3(
    tmp_path: Path,
    feed: FeedServer,
    database_url: str,
    s3_service: S3Service,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Platform]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    environment = {
        "SOCCER_AS_OF": MIDSEASON.isoformat(),
        "LAKE_URI": f"s3://lake-{uuid4().hex[:12]}/soccer",
        "S3_ENDPOINT_URL": s3_service.url,
    }
    with platform(tmp_path, feed, database_url, environment) as made:
        yield made


@pytest.mark.system
def test_archive_and_tables_live_in_a_bucket_just_as_well(on_s3: Platform) -> None:
    on_s3.run(*INGESTION, partitions=RANGE)
    result = on_s3.run(*LAKE, partitions=MONTHS)
    assert all(found.passed for found in checks_of(result).values())
    assert metadata_of(result, "match_parquet")["dagster/uri"] == on_s3.store.uri
    assert on_s3.store.uri.startswith("s3://")
    assert len(on_s3.store.list("livescores/")) == 5
    ids = read_table(on_s3.store, read_manifest(on_s3.store), "match", ["match_id"])["match_id"]
    with on_s3.engine.connect() as connection:
        stored = set(connection.scalars(sa.text("SELECT match_id FROM soccer.match")))
    assert set(pc.unique(ids).to_pylist()) == stored
    assert not (on_s3.home / "lake").exists()
