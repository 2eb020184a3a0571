"""Whether the lake holds what the database holds."""

from dataclasses import replace
from datetime import date
from hashlib import sha256
from io import BytesIO

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from soccer_assets.lake.export import export_months
from soccer_assets.lake.manifest import MANIFEST_KEY, read_manifest
from soccer_assets.lake.parity import Parity, compare_with_database
from soccer_assets.lake.tables import read_month_file
from soccer_assets.storage.store import LocalStore, ObjectStore
from soccer_assets.warehouse.ingested_days import loads_fingerprint
from soccer_assets.warehouse.load import load_days
from soccer_assets.warehouse.schema import match, match_raw
from soccer_assets_tests.feed_days import a_match, finished, parsed
from soccer_assets_tests.lake.months import JANUARY, LEAP_DAY, differences, rewrite_day, shown_first


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
    assert found["match/2024-02"]["lake"]["home_score"] == 3


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


# Days that are loaded between the export and the comparison

APRIL = date(2024, 4, 1)
LOADED = ["match/2024-02", "match/2024-04", "match_raw/2024-02", "match_raw/2024-04"]


@pytest.fixture
def loads(three_months: sa.Engine, store: LocalStore) -> str:
    """Those an export saw; after them February has one match more, and April its first."""
    loads = export_months(three_months, store).loads
    rewrite_day(three_months, LEAP_DAY, finished(99, 4, 0, LEAP_DAY))
    load_days(three_months, [parsed(a_match(1000, APRIL), day=APRIL)])
    return loads


def compared(engine: sa.Engine, store: LocalStore, loads: str) -> Parity:
    return compare_with_database(engine, store, read_manifest(store), loads)


def test_months_that_were_loaded_since_are_behind(
    three_months: sa.Engine, store: LocalStore, loads: str
) -> None:
    found = compared(three_months, store, loads)
    assert found.differences == {}
    assert sorted(found.behind) == LOADED
    # The next export catches up.
    assert compared(three_months, store, export_months(three_months, store).loads) == Parity()


def test_a_match_that_has_moved_since_leaves_both_its_months_behind(
    three_months: sa.Engine, store: LocalStore
) -> None:
    loads = export_months(three_months, store).loads
    moved = [finished(match_id, 1, 1, LEAP_DAY) for match_id in shown_first(JANUARY)]
    rewrite_day(three_months, LEAP_DAY, *moved)
    found = compared(three_months, store, loads)
    assert found.differences == {}
    assert {"match/2024-01", "match/2024-02"} <= set(found.behind)


def test_without_a_load_the_same_difference_is_one(
    three_months: sa.Engine, store: LocalStore, loads: str
) -> None:
    """As it would be if the export had left the rows out."""
    with three_months.connect() as connection:
        now = loads_fingerprint(connection)
    assert now != loads
    assert sorted(compared(three_months, store, now).differences) == LOADED
    # The same payloads again are no news, whatever is in the tables.
    rewrite_day(three_months, LEAP_DAY, finished(99, 4, 0, LEAP_DAY))
    assert sorted(compared(three_months, store, now).differences) == LOADED


@pytest.mark.parametrize("month", ["2024-02", "2024-03"], ids=["behind", "as exported"])
@pytest.mark.parametrize("damage", ["corrupt", "missing", "a row less"])
def test_loads_since_excuse_no_file_that_is_not_what_was_exported(
    three_months: sa.Engine, store: LocalStore, loads: str, month: str, damage: str
) -> None:
    manifest = read_manifest(store)
    entry = manifest.tables["match"][month]
    if damage == "corrupt":
        store.put(entry.key, b"not parquet")
    elif damage == "missing":
        store.delete(entry.key)
    else:
        buffer = BytesIO()
        pq.write_table(read_month_file(store, entry).slice(1), buffer)
        store.put(entry.key, buffer.getvalue())
        digest = sha256(buffer.getvalue()).hexdigest()
        manifest.tables["match"][month] = replace(entry, sha256=digest)
        store.put(MANIFEST_KEY, manifest.to_bytes())
    found = compared(three_months, store, loads)
    assert list(found.differences) == [f"match/{month}"]
    assert sorted([*found.behind, *found.differences]) == sorted({*LOADED, f"match/{month}"})


def test_loads_since_excuse_no_value_that_was_changed_by_hand(
    three_months: sa.Engine, store: LocalStore, loads: str
) -> None:
    with three_months.begin() as connection:
        connection.execute(match.update().where(match.c.match_id == 21).values(home_score=7))
    assert list(compared(three_months, store, loads).differences) == ["match/2024-03"]
