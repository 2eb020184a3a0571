"""Rows of PostgreSQL on their way out: COPY in one thread, Arrow in another, a block at a time."""

from collections.abc import Iterator
from queue import Queue

import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa

#: CSV bytes of a block: what is in memory of a result, some three of them, however long it is.
BLOCK_BYTES = 8 << 20
#: Blocks that wait for whoever reads them.
WAITING_BLOCKS = 2


class RowBlocks:
    """A file for COPY to write to, read by another thread as blocks of whole rows.

    psycopg2 writes a row a call, so blocks can end where rows end without looking into them, and a
    row of any length fits: it is a block of its own. Where blocks end depends on the rows alone.
    """

    def __init__(self, block_bytes: int = BLOCK_BYTES) -> None:
        self._block_bytes = block_bytes
        self._block = bytearray()
        self._queue: Queue[bytearray | BaseException | None] = Queue(WAITING_BLOCKS)
        self._ended = False

    def write(self, row: bytes) -> None:
        self._block += row
        if len(self._block) >= self._block_bytes:
            self._queue.put(self._block)
            self._block = bytearray()

    def end(self, error: BaseException | None = None) -> None:
        """No more rows; ``error``: because the writer failed."""
        if error is None and self._block:
            self._queue.put(self._block)
        self._queue.put(error)

    def __iter__(self) -> Iterator[bytearray]:
        """Raises what the writer failed with."""
        while not self._ended:
            block = self._queue.get()
            if isinstance(block, bytearray):
                yield block
                continue
            self._ended = True
            if block is not None:
                raise block

    def close(self) -> None:
        """The reader wants no more; the writer, which may be waiting for it, can finish."""
        while not self._ended:
            self._ended = not isinstance(self._queue.get(), bytearray)


def copy_rows(connection: sa.Connection, query: str, blocks: RowBlocks) -> None:
    """Write the query's rows as CSV, to the end."""
    cursor = connection.connection.cursor()
    try:
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv)", blocks)
    except BaseException as error:
        blocks.end(error)
        raise
    blocks.end()


def parse_rows(block: bytearray, schema: pa.Schema) -> pa.Table:
    """CSV as COPY writes it: an unquoted empty field is null, a quoted one is an empty text."""
    return pa.csv.read_csv(
        pa.BufferReader(pa.py_buffer(block)),
        # One block: Arrow refuses a row that is longer than a block.
        read_options=pa.csv.ReadOptions(
            block_size=len(block), column_names=schema.names, use_threads=False
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types=schema,
            true_values=["t"],
            false_values=["f"],
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
    )
