"""The manifest."""

from dataclasses import replace

import orjson
import pytest
import sqlalchemy as sa

from soccer_assets.lake.export import export_months
from soccer_assets.lake.manifest import (
    MANIFEST_KEY,
    DamagedManifest,
    Manifest,
    read_manifest,
)
from soccer_assets.lake.tables import (
    read_table,
)
from soccer_assets.storage.store import LocalStore


def test_the_manifest_survives_its_bytes(three_months: sa.Engine, store: LocalStore) -> None:
    manifest = export_months(three_months, store).manifest
    again = Manifest.from_bytes(manifest.to_bytes())
    assert again == manifest
    assert again.digest == manifest.digest
    reordered = replace(manifest, tables=dict(reversed(manifest.tables.items())))
    assert reordered.to_bytes() == manifest.to_bytes()
    assert Manifest().digest != manifest.digest


def test_a_manifest_of_the_first_version_is_read_and_its_months_are_written_anew(
    three_months: sa.Engine, store: LocalStore
) -> None:
    manifest = export_months(three_months, store).manifest
    document = orjson.loads(manifest.to_bytes())
    del document["schemas"]
    document["schema_version"] = 1
    for months in document["tables"].values():
        for entry in months.values():
            entry["revision"] = "v1:3:-123"
    store.put(MANIFEST_KEY, orjson.dumps(document))
    first = read_manifest(store)
    assert (first.schema_version, first.schemas) == (1, {})
    assert read_table(store, first, "match").num_rows == 9
    assert len(export_months(three_months, store).written) == 6
    assert read_manifest(store) == manifest


@pytest.mark.parametrize("body", [b'{"x"', b"", b"[]", b"{}", b"\xff", b'{"tables": {"match": 1}}'])
def test_one_that_is_damaged_says_where_it_is_and_is_made_again_once_it_is_gone(
    three_months: sa.Engine, store: LocalStore, body: bytes
) -> None:
    manifest = export_months(three_months, store).manifest
    store.put(MANIFEST_KEY, body)
    with pytest.raises(DamagedManifest, match=f"^{store.uri}/{MANIFEST_KEY} cannot be understood"):
        export_months(three_months, store)
    store.delete(MANIFEST_KEY)
    assert export_months(three_months, store).manifest == manifest
