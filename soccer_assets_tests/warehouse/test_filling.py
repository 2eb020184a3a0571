"""Rows on their way into the database."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
import sqlalchemy as sa

from soccer_assets.warehouse.filling import copy_in

SCHEMA = pa.schema(
    {"n": pa.int64(), "text": pa.string(), "at": pa.timestamp("us", tz="UTC"), "none": pa.string()}
)
NOON = datetime(2024, 3, 9, 12, tzinfo=UTC)


def some(*numbers: int) -> pa.Table:
    """A row for each number; none for none."""
    rows = [{"n": n, "text": 'a "b",\n', "at": NOON, "none": None} for n in numbers]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@pytest.mark.parametrize(
    "parts",
    [[some()], [some(1, 2)], [some(), some(1)], [some(), some(), some(1, 2), some(), some(3)]],
    ids=len,
)
def test_rows_arrive_as_they_are_whatever_pieces_they_come_in(
    engine: sa.Engine, parts: list[pa.Table]
) -> None:
    rows = pa.concat_tables(parts)
    with engine.begin() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("SET LOCAL timezone = 'UTC'")
        cursor.execute("CREATE TEMP TABLE arrived (n int, text text, at timestamptz, none text)")
        copy_in(cursor, "arrived", rows)
        found = connection.execute(sa.text("SELECT * FROM arrived ORDER BY n")).mappings()
        assert [dict(row) for row in found] == rows.to_pylist()
