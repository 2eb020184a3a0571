"""Rows of Arrow on their way into PostgreSQL: COPY."""

import io
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import psycopg2.extensions
import pyarrow as pa
import pyarrow.csv

_NAIVE = pa.timestamp("us")
#: Rows that are written as CSV at once.
_CSV_ROWS = 4096


def copy_in(cursor: psycopg2.extensions.cursor, table: str, rows: pa.Table) -> None:
    """Add rows to a table that has columns of these names; in a transaction whose time is UTC.

    Rows are written as CSV while the database takes those before them.
    """
    if not rows.num_rows:
        return
    # What the feed leaves empty need not be written; and Arrow is ten times as fast with times that
    # have no zone, which the transaction reads as UTC.
    rows = pa.table(
        {
            name: column.cast(_NAIVE) if pa.types.is_timestamp(column.type) else column
            for name, column in zip(rows.column_names, rows.columns, strict=True)
            if column.null_count < rows.num_rows
        }
    )
    slices = (rows.slice(start, _CSV_ROWS) for start in range(0, rows.num_rows, _CSV_ROWS))
    with ThreadPoolExecutor(1, "load-csv") as writer:
        chunks = writer.map(_as_csv, slices)
        cursor.copy_expert(
            f"COPY {table} ({', '.join(rows.column_names)}) FROM STDIN (FORMAT csv)",
            # A chunk may be longer than COPY asks for.
            SimpleNamespace(read=lambda _: next(chunks, b"")),
        )


def _as_csv(rows: pa.Table) -> bytes:
    """In one piece: Arrow 25 writes what happens to be in memory where the first of several has no
    rows, as one of a day without matches."""
    buffer = io.BytesIO()
    pa.csv.write_csv(rows.combine_chunks(), buffer, pa.csv.WriteOptions(include_header=False))
    return buffer.getvalue()
