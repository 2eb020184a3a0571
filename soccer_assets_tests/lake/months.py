"""Three days in three months, and what is to be in the lake of them."""

import json
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from soccer_assets.lake.export import ExportResult
from soccer_assets.lake.manifest import Manifest, read_manifest
from soccer_assets.lake.parity import compare_with_database
from soccer_assets.lake.relations import RELATIONS
from soccer_assets.lake.tables import read_table
from soccer_assets.storage.store import ObjectStore
from soccer_assets.warehouse.load import load_days
from soccer_assets_tests.feed_days import FETCHED, finished, parsed

JANUARY, LEAP_DAY, MARCH = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 1)
MONTHS = {JANUARY: "2024-01", LEAP_DAY: "2024-02", MARCH: "2024-03"}
DOCUMENTS = {"incidents", "bets", "extra"}


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
    return compare_with_database(engine, store, read_manifest(store)).differences


def assert_lake_equals_database(engine: sa.Engine, store: ObjectStore) -> None:
    """Every value of every row, documents as parsed."""
    manifest = read_manifest(store)
    for relation in RELATIONS:
        lake = read_table(store, manifest, relation.name)
        assert lake.schema == relation.schema
        query = f"""SELECT {", ".join(relation.schema.names)} FROM {relation.sql}
            ORDER BY date_trunc('month', feed_day), {relation.order}"""
        with engine.connect() as connection:
            rows = connection.execute(sa.text(query)).mappings().all()
        found = [
            {k: json.loads(v) if k in DOCUMENTS and v else v for k, v in row.items()}
            for row in lake.to_pylist()
        ]
        assert found == [dict(row) for row in rows]
