"""Rows of PostgreSQL on their way out: COPY, a block of rows at a time, into Arrow."""

from collections.abc import Callable
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa

# Signals are Python's to handle: while Arrow reads CSV it would put handlers of its own in place of those by
# which a process is sure to end when it is asked to.
pa.enable_signal_handlers(False)

#: CSV bytes of a block: what is in memory of a result, however long it is.
BLOCK_BYTES = 8 << 20


def copy_rows(
    connection: sa.Connection,
    query: str,
    consume: Callable[[bytearray], None],
    block_bytes: int = BLOCK_BYTES,
) -> None:
    """Hand the query's rows as CSV to ``consume``, block after block while others are to come.

    psycopg2 writes a row a call, so blocks can end where rows end without looking into them, and a
    row of any length fits: it is a block of its own. Where blocks end depends on the rows alone.

    Raises what the query or ``consume`` raises.
    """
    block = bytearray()

    def write(row: bytes) -> None:
        nonlocal block
        block += row
        if len(block) >= block_bytes:
            full, block = block, bytearray()
            consume(full)

    cursor = connection.connection.cursor()
    cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv)", SimpleNamespace(write=write))
    if block:
        consume(block)


def parse_rows(block: bytearray, schema: pa.Schema) -> pa.Table:
    """CSV as COPY writes it in UTF-8: an unquoted empty field is null, a quoted one an empty
    text."""
    return pa.csv.read_csv(
        pa.BufferReader(pa.py_buffer(block)),
        # One block: Arrow refuses a row that is longer than a block.
        read_options=pa.csv.ReadOptions(
            block_size=len(block), column_names=schema.names, use_threads=False
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types=schema,
            check_utf8=False,
            true_values=["t"],
            false_values=["f"],
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
    )
