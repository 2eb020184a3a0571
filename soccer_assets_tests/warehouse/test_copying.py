"""Rows on their way out of the database: blocks of them, and the CSV that COPY writes."""

import pyarrow as pa
import pytest
import sqlalchemy as sa

from soccer_assets.warehouse.copying import copy_rows, parse_rows


@pytest.mark.parametrize("size", [1, 50, 1000, 10_000])
def test_blocks_are_whole_rows_and_all_of_them(engine: sa.Engine, size: int) -> None:
    """A block is handed over as soon as it is large enough, so none holds a row more than that."""
    query = r"SELECT n, repeat(E'x\n\"', n % 40) FROM generate_series(1, 100) n"
    rows: list[bytes] = []
    blocks: list[bytes] = []
    with engine.connect() as connection:
        copy_rows(connection, query, lambda row: rows.append(bytes(row)), 1)
        copy_rows(connection, query, lambda block: blocks.append(bytes(block)), size)
    assert [row.split(b",")[0] for row in rows] == [b"%d" % n for n in range(1, 101)]
    expected, block = [], b""
    for row in rows:
        block += row
        if len(block) >= size:
            expected.append(block)
            block = b""
    assert blocks == [*expected, *([block] if block else [])]


def test_no_rows_are_no_block(engine: sa.Engine) -> None:
    blocks: list[bytearray] = []
    with engine.connect() as connection:
        copy_rows(connection, "SELECT 1 WHERE false", blocks.append)
    assert blocks == []


@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_rows_come_out_of_the_database_as_they_are_whatever_the_blocks(
    engine: sa.Engine, size: int
) -> None:
    schema = pa.schema(
        [
            ("n", pa.int64()),
            ("text", pa.string()),
            ("flag", pa.bool_()),
            ("day", pa.date32()),
            ("at", pa.timestamp("us", tz="UTC")),
        ]
    )
    query = r"""SELECT n, (ARRAY['', NULL, E'two\nlines', '"', 'a,b', E'\\.', 'NULL'])[n % 7 + 1],
        (ARRAY[true, false, NULL])[n % 3 + 1], date '2024-02-28' + n,
        timestamptz '2024-02-28 12:00:00.123456+00' + n * interval '1 hour'
        FROM generate_series(0, 99) n"""
    parts: list[pa.Table] = []
    with engine.connect() as connection:
        copy_rows(connection, query, lambda block: parts.append(parse_rows(block, schema)), size)
        found = pa.concat_tables(parts)
        assert found.schema == schema
        assert [tuple(row.values()) for row in found.to_pylist()] == [
            tuple(row) for row in connection.execute(sa.text(query.replace(":", r"\:")))
        ]


def test_an_error_of_the_query_is_raised(engine: sa.Engine) -> None:
    query = "SELECT 1 / (50 - n) FROM generate_series(1, 99) n"
    with engine.connect() as connection, pytest.raises(Exception, match="division by zero"):
        copy_rows(connection, query, lambda block: None)


def test_an_error_of_the_consumer_is_raised_and_ends_the_copy(engine: sa.Engine) -> None:
    taken = []

    def consume(block: bytearray) -> None:
        taken.append(len(block))
        raise OSError("no space left")

    with engine.connect() as connection:
        with pytest.raises(OSError, match="no space left"):
            copy_rows(connection, "SELECT n FROM generate_series(1, 1000) n", consume, 100)
        assert len(taken) == 1
        connection.rollback()
        assert connection.scalar(sa.text("SELECT 1")) == 1
