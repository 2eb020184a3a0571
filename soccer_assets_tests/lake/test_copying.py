"""Blocks of rows between two threads, and the CSV that COPY writes."""

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.lake.copying import RowBlocks, copy_rows, parse_rows

rows_of_bytes = st.lists(st.binary(min_size=1, max_size=40), max_size=60)


@given(rows=rows_of_bytes, size=st.integers(1, 100))
def test_blocks_are_whole_rows_and_all_of_them(rows: list[bytes], size: int) -> None:
    blocks = RowBlocks(size)

    def write() -> None:
        for row in rows:
            blocks.write(row)
        blocks.end()

    with ThreadPoolExecutor(1) as writer:
        written = writer.submit(write)
        read = [bytes(block) for block in blocks]
        written.result()
    expected, block = [], b""
    for row in rows:
        block += row
        if len(block) >= size:
            expected.append(block)
            block = b""
    assert read == [*expected, *([block] if block else [])]
    assert list(blocks) == []


@given(rows=rows_of_bytes, size=st.integers(1, 20), wanted=st.integers(0, 3))
def test_a_reader_that_gives_up_does_not_hold_the_writer(
    rows: list[bytes], size: int, wanted: int
) -> None:
    blocks = RowBlocks(size)

    def write() -> None:
        for row in rows:
            blocks.write(row)
        blocks.end()

    with ThreadPoolExecutor(1) as writer:
        written = writer.submit(write)
        for _ in zip(range(wanted), blocks, strict=False):
            pass
        blocks.close()
        blocks.close()
        written.result()


def test_a_writer_that_fails_fails_the_reader_too() -> None:
    blocks = RowBlocks(1)
    blocks.write(b"row")
    blocks.end(OSError("connection lost"))
    read = iter(blocks)
    assert next(read) == b"row"
    with pytest.raises(OSError, match="connection lost"):
        next(read)
    blocks.close()


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
    blocks = RowBlocks(size)
    with engine.connect() as connection, ThreadPoolExecutor(1) as reader:
        parsed = reader.submit(lambda: [parse_rows(block, schema) for block in blocks])
        copy_rows(connection, query, blocks)
        found = pa.concat_tables(parsed.result())
        assert found.schema == schema
        assert [tuple(row.values()) for row in found.to_pylist()] == [
            tuple(row) for row in connection.execute(sa.text(query.replace(":", r"\:")))
        ]


def test_an_error_of_the_query_reaches_both_sides(engine: sa.Engine) -> None:
    blocks = RowBlocks()
    with engine.connect() as connection, ThreadPoolExecutor(1) as reader:
        read = reader.submit(list, blocks)
        with pytest.raises(Exception, match="division by zero"):
            copy_rows(connection, "SELECT 1 / (50 - n) FROM generate_series(1, 99) n", blocks)
        with pytest.raises(Exception, match="division by zero"):
            read.result()
