"""Reading the lake's tables."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from soccer_assets.lake.export import export_months
from soccer_assets.lake.manifest import MANIFEST_KEY
from soccer_assets.lake.tables import (
    CorruptFile,
    SchemaMismatch,
    read_month_file,
    read_table,
)
from soccer_assets.storage.store import LocalStore, ObjectStore
from soccer_assets_tests.lake.months import differences


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


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda rows: rows.set_column(0, "match_id", rows["match_id"].cast("string")),
            "column 'match_id' is string, not int64",
        ),
        (lambda rows: rows.drop_columns(["kickoff"]), "column 'kickoff' is missing"),
        (lambda rows: rows.append_column("more", rows["match_id"]), "more columns"),
        (lambda rows: rows.select(rows.column_names[::-1]), "another order"),
    ],
    ids=["type", "missing", "more", "order"],
)
def test_a_file_with_other_columns_than_its_manifest_promises_is_refused(
    three_months: sa.Engine,
    any_store: ObjectStore,
    change: Callable[[pa.Table], pa.Table],
    told: str,
) -> None:
    manifest = export_months(three_months, any_store).manifest
    entry = manifest.tables["match"]["2024-02"]
    buffer = BytesIO()
    pq.write_table(change(read_month_file(any_store, entry)), buffer)
    digest = sha256(buffer.getvalue()).hexdigest()
    any_store.put(entry.key, buffer.getvalue())
    manifest.tables["match"]["2024-02"] = replace(entry, sha256=digest)
    any_store.put(MANIFEST_KEY, manifest.to_bytes())
    with pytest.raises(SchemaMismatch, match=f"month=2024-02.*{told}"):
        read_table(any_store, manifest, "match", ["match_id"])
    found = differences(three_months, any_store)
    assert told in found["match/2024-02"]["lake"]


def test_a_column_that_no_table_has_is_named(three_months: sa.Engine, store: LocalStore) -> None:
    manifest = export_months(three_months, store).manifest
    with pytest.raises(SchemaMismatch, match="'shoe_size'"):
        read_month_file(store, manifest.tables["match"]["2024-02"], ["match_id", "shoe_size"])
