"""From the database to the lake: monthly parquet files of one snapshot, then their manifest."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from hashlib import file_digest
from tempfile import SpooledTemporaryFile
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from soccer_assets.lake.copying import RowBlocks, copy_rows, parse_rows
from soccer_assets.lake.manifest import (
    FOLDER,
    MANIFEST_KEY,
    PREVIOUS_KEY,
    SCHEMA_VERSION,
    TABLES,
    Manifest,
    MonthFile,
    describe_schema,
    read_manifest,
    schema_fingerprint,
)
from soccer_assets.lake.store import ObjectStore
from soccer_assets.livescores.parsing import arrow_schema
from soccer_assets.warehouse.schema import LOCK_KEY, SCHEMA

#: Held by the one export that runs.
EXPORT_LOCK_KEY = LOCK_KEY + 1
#: Months that are encoded and uploaded at once, while the next one is read.
WRITERS = 4
#: A month's file beyond this waits for its upload on disk.
SPOOL_BYTES = 8 << 20
#: Months between two lines of progress.
PROGRESS_MONTHS = 24


@dataclass(frozen=True)
class ExportResult:
    manifest: Manifest
    written: list[str]
    removed: list[str]


def export_months(
    engine: sa.Engine,
    store: ObjectStore,
    months: Iterable[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> ExportResult:
    """Bring the lake to parity with the database and publish the manifest.

    Both tables are read in one repeatable-read snapshot. Written are the ``months`` asked for
    (``YYYY-MM``) and every other month whose rows or columns differ from what the manifest says,
    such as one that a match has moved out of. A file whose bytes did not change keeps its key.

    One export runs at a time, across processes: another one waits and then sees the first one's
    manifest. What is in memory does not grow with the size of a month.

    Raises:
        ValueError: a month is not ``YYYY-MM``.
    """
    asked = {date.fromisoformat(f"{month}-01").strftime("%Y-%m") for month in months}
    with _alone(engine, progress) as connection:
        old, existing = read_manifest(store), store.list(FOLDER)
        with _snapshot(connection), ThreadPoolExecutor(WRITERS, "lake-export") as writers:
            export = _Export(connection, store, writers, frozenset(existing))
            manifest = Manifest(
                {str(table.name): export.months(table, old, asked, progress) for table in TABLES},
                schemas={str(table.name): describe_schema(arrow_schema(table)) for table in TABLES},
            )
        _publish(store, old, manifest)
        removed = _remove_orphans(store, existing, manifest)
        return ExportResult(manifest, export.written, removed)


@contextmanager
def _alone(engine: sa.Engine, progress: Callable[[str], None]) -> Iterator[sa.Connection]:
    """A connection of its own that holds the lock until it ends, even if by a crash."""
    with engine.connect() as connection:
        connection.detach()
        key = {"key": EXPORT_LOCK_KEY}
        if not connection.scalar(sa.text("SELECT pg_try_advisory_lock(:key)"), key):
            progress("another export is running: waiting for it")
            connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), key)
        connection.commit()
        yield connection
        # A connection that is closed loses the lock as well, but some time after the call returns.
        connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), key)


@contextmanager
def _snapshot(connection: sa.Connection) -> Iterator[None]:
    """One read-only transaction, begun after the lock is held; texts of times are ISO, UTC."""
    with connection.begin():
        connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        connection.execute(sa.text("SET LOCAL TimeZone = 'UTC'"))
        connection.execute(sa.text("SET LOCAL DateStyle = 'ISO'"))
        yield


def month_revisions(connection: sa.Connection, table: sa.Table) -> dict[str, str]:
    """``YYYY-MM`` -> a fingerprint of the month's rows, independent of their order, and columns."""
    query = f"""
        SELECT to_char(month, 'YYYY-MM'), sum(rows), bit_xor(hash)
        FROM (SELECT date_trunc('month', feed_day) AS month,
                     count(*) AS rows, bit_xor(content_hash) AS hash
              FROM {SCHEMA}.{table.name} GROUP BY feed_day) AS day
        GROUP BY 1 ORDER BY 1
        """
    columns = schema_fingerprint(describe_schema(arrow_schema(table)))
    rows = connection.execute(sa.text(query))
    return {month: f"v{SCHEMA_VERSION}:{columns}:{n}:{digest}" for month, n, digest in rows}


class _Export:
    """Reads months one after the other; writes them beside that."""

    def __init__(
        self,
        connection: sa.Connection,
        store: ObjectStore,
        writers: ThreadPoolExecutor,
        existing: frozenset[str],
    ) -> None:
        self._connection = connection
        self._store = store
        self._writers = writers
        self._existing = existing
        self.written: list[str] = []

    def months(
        self, table: sa.Table, old: Manifest, asked: set[str], progress: Callable[[str], None]
    ) -> dict[str, MonthFile]:
        """The table's months, each as it was or written anew."""
        current = old.tables.get(table.name, {})
        revisions = month_revisions(self._connection, table)
        entries: dict[str, MonthFile] = {}
        waiting: deque[tuple[str, MonthFile | Future[MonthFile]]] = deque()

        def settle() -> None:
            month, entry = waiting.popleft()
            if isinstance(entry, Future):
                entry = entry.result()
                self.written.append(entry.key)
            entries[month] = entry
            if len(entries) in (len(revisions), *range(0, len(revisions), PROGRESS_MONTHS)):
                progress(f"{table.name} {month}: {len(entries)} of {len(revisions)} months")

        for month, revision in revisions.items():
            if len(waiting) == WRITERS:
                settle()
            entry = current.get(month)
            if month in asked or entry is None or entry.revision != revision:
                waiting.append((month, self._start(table, month, revision)))
            else:
                waiting.append((month, entry))
        while waiting:
            settle()
        return entries

    def _start(self, table: sa.Table, month: str, revision: str) -> Future[MonthFile]:
        """Read a month whole; the future's writer has its last blocks still to do."""
        blocks = RowBlocks()
        written = self._writers.submit(self._write, table, month, revision, blocks)
        first = f"date '{date.fromisoformat(f'{month}-01')}'"
        copy_rows(
            self._connection,
            f"""SELECT {", ".join(arrow_schema(table).names)} FROM {SCHEMA}.{table.name}
            WHERE feed_day >= {first} AND feed_day < {first} + interval '1 month'
            ORDER BY match_id""",
            blocks,
        )
        return written

    def _write(self, table: sa.Table, month: str, revision: str, blocks: RowBlocks) -> MonthFile:
        with closing(blocks), SpooledTemporaryFile(SPOOL_BYTES) as file:
            rows, first_day, last_day = _encode(blocks, arrow_schema(table), file)
            file.seek(0)
            digest = file_digest(file, "sha256").hexdigest()
            key = f"{FOLDER}{table.name}/month={month}/{digest[:16]}.parquet"
            if key not in self._existing or self._store.digest(key) != digest:
                file.seek(0)
                self._store.put(key, file)
        return MonthFile(key, digest, rows, str(first_day), str(last_day), revision)


def _encode(
    blocks: Iterable[bytearray], schema: pa.Schema, file: IO[bytes]
) -> tuple[int, date, date]:
    """Each block as a row group; returns the count of rows, the first day and the last."""
    rows, days = 0, set()
    # Numbers hardly repeat: dictionaries of them make files larger and take time.
    texts = [column.name for column in schema if column.type == pa.string()]
    with pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=texts) as writer:
        for block in blocks:
            table = parse_rows(block, schema)
            writer.write_table(table, row_group_size=table.num_rows)
            rows += table.num_rows
            days |= set(pc.min_max(table["feed_day"]).as_py().values())
    return rows, min(days), max(days)


def _publish(store: ObjectStore, old: Manifest, new: Manifest) -> None:
    if new == old:
        return
    if old.tables:
        store.put(PREVIOUS_KEY, old.to_bytes())
    store.put(MANIFEST_KEY, new.to_bytes())


def _remove_orphans(store: ObjectStore, existing: Iterable[str], manifest: Manifest) -> list[str]:
    """Remove files that neither this manifest names nor the one before, which readers may still
    hold, and what writers that died have left."""
    kept = manifest.keys | read_manifest(store, PREVIOUS_KEY).keys
    orphans = [key for key in existing if key.endswith(".parquet") and key not in kept]
    for key in orphans:
        store.delete(key)
    store.discard_unfinished(FOLDER)
    return orphans
