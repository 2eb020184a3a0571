"""From the database to the lake: monthly parquet files of one snapshot, then their manifest."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from hashlib import file_digest
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from tempfile import SpooledTemporaryFile, gettempdir
from typing import IO, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from soccer_assets.files import naming
from soccer_assets.lake.manifest import (
    FOLDER,
    MANIFEST_KEY,
    PREVIOUS_KEY,
    Manifest,
    MonthFile,
    describe_schema,
    month_revision,
    read_manifest,
    rows_fingerprint,
)
from soccer_assets.lake.relations import RELATIONS, Relation
from soccer_assets.storage.store import ObjectStore
from soccer_assets.warehouse.copying import copy_rows, parse_rows
from soccer_assets.warehouse.ingested_days import loads_fingerprint
from soccer_assets.warehouse.schema import EXPORT_LOCK_KEY
from soccer_assets.warehouse.session import allow_long

#: Months that are on their way at once, each in a thread with a connection of its own.
WORKERS = 4
#: A month's file beyond this waits for its upload on disk.
SPOOL_BYTES = 8 << 20
#: Parquet goes there in pieces of this size; written by Arrow, it would be hundreds of small ones,
#: each of which waits for the interpreter's lock.
WRITE_BYTES = 1 << 20
#: Months between two lines of progress. So many are begun ahead: workers have something to do while
#: those before are synced.
PROGRESS_MONTHS = 24

T = TypeVar("T")
Readers = SimpleQueue[sa.Connection]


@dataclass(frozen=True)
class ExportResult:
    """What one export did."""

    before: Manifest
    """What ``manifest`` replaces."""
    manifest: Manifest
    written: list[str]
    """Keys of files."""
    removed: list[str]
    """Keys of files."""
    loads: str
    """Those whose rows the export saw."""

    def changed(self, table: str) -> set[str]:
        """The table's months (``YYYY-MM``) that are not what they were before."""
        before, now = (of.tables.get(table, {}) for of in (self.before, self.manifest))
        return {month for month in before | now if before.get(month) != now.get(month)}

    def followed_by(self, later: "ExportResult") -> "ExportResult":
        """What this one and a later one did together."""
        return replace(
            later,
            before=self.before,
            written=[*self.written, *later.written],
            removed=[*self.removed, *later.removed],
        )


def export_months(
    engine: sa.Engine,
    store: ObjectStore,
    months: Iterable[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> ExportResult:
    """Bring the lake to parity with the database and publish the manifest.

    All tables are read in one repeatable-read snapshot. Written are the ``months`` asked for
    (``YYYY-MM``) and every other month whose rows or columns differ from what the manifest says,
    such as one that a match has moved out of. A file whose bytes did not change keeps its key.

    One export runs at a time, across processes: another one waits and then sees the first one's
    manifest. What is in memory does not grow with the size of a month.

    Raises:
        ValueError: a month is not ``YYYY-MM``.
    """
    asked = {date.fromisoformat(f"{month}-01").strftime("%Y-%m") for month in months}
    with _alone(engine, progress), engine.connect() as connection:
        old, existing = read_manifest(store), store.list(FOLDER)
        with (
            _snapshot(connection) as snapshot,
            _readers(engine, snapshot) as readers,
            _workers() as workers,
        ):
            loads = loads_fingerprint(connection)
            export = _Export(store, existing, readers, workers)
            tables = export.run(old, asked, progress)
        schemas = {relation.name: describe_schema(relation.schema) for relation in RELATIONS}
        manifest = Manifest(tables, schemas=schemas)
        _publish(store, old, manifest)
        removed = _remove_orphans(store, existing, manifest)
        return ExportResult(old, manifest, export.written, removed, loads)


@contextmanager
def _alone(engine: sa.Engine, progress: Callable[[str], None]) -> Iterator[None]:
    """Holds the lock until the block ends, even if by a crash.

    A transaction's lock, in one of its own: a session's would not be this process's alone behind a
    pooler, and the snapshot is to begin when the lock is held.
    """
    with engine.begin() as connection:
        allow_long(connection)
        key = {"key": EXPORT_LOCK_KEY}
        if not connection.scalar(sa.text("SELECT pg_try_advisory_xact_lock(:key)"), key):
            progress("another export is running: waiting for it")
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), key)
        yield


@contextmanager
def _snapshot(connection: sa.Connection) -> Iterator[str]:
    """One read-only transaction, begun after the lock is held; its name lets others join it."""
    with connection.begin():
        allow_long(connection)
        connection.execute(sa.text(_READ_ONLY))
        yield connection.execute(sa.select(sa.func.pg_export_snapshot())).scalar_one()


@contextmanager
def _readers(engine: sa.Engine, snapshot: str) -> Iterator[Readers]:
    """Connections that see the snapshot, one for each worker; texts are UTF-8, times ISO, UTC.

    A month of a table beside ``match`` is looked up by its matches: the database thinks that it had
    to wait for a disk to turn, and would go through all months instead.
    """
    with ExitStack() as stack:
        readers: Readers = SimpleQueue()
        for _ in range(WORKERS):
            connection = stack.enter_context(engine.connect())
            stack.enter_context(connection.begin())
            allow_long(connection)
            for statement in (
                _READ_ONLY,
                f"SET TRANSACTION SNAPSHOT '{snapshot}'",
                "SET LOCAL client_encoding = 'UTF8'",
                "SET LOCAL TimeZone = 'UTC'",
                "SET LOCAL DateStyle = 'ISO'",
                "SET LOCAL random_page_cost = 1.1",
            ):
                connection.execute(sa.text(statement))
            readers.put(connection)
        yield readers


_READ_ONLY = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


@contextmanager
def _workers() -> Iterator[ThreadPoolExecutor]:
    """Threads; what still waits for one when the block fails is given up."""
    workers = ThreadPoolExecutor(WORKERS, "lake-export")
    try:
        yield workers
    finally:
        workers.shutdown(cancel_futures=True)


def _month_revisions(connection: sa.Connection, relation: Relation) -> dict[str, str]:
    """``YYYY-MM`` -> the revision of the month's rows."""
    query = f"""
        SELECT to_char(month, 'YYYY-MM'), sum(rows), bit_xor(hash)
        FROM (SELECT date_trunc('month', feed_day) AS month,
                     count(*) AS rows, bit_xor(content_hash) AS hash
              FROM {relation.sql} GROUP BY feed_day) AS day
        GROUP BY 1 ORDER BY 1
        """
    rows = connection.execute(sa.text(query))
    columns = describe_schema(relation.schema)
    return {month: month_revision(columns, n, fingerprint) for month, n, fingerprint in rows}


def _months(connection: sa.Connection, relation: Relation) -> list[str]:
    """Those that have rows; costs less than a look at all of these."""
    query = f"""
        SELECT to_char(month, 'YYYY-MM')
        FROM (SELECT generate_series(date_trunc('month', min(feed_day)), max(feed_day),
                                     interval '1 month')::date AS month
              FROM {relation.sql}) AS every
        WHERE EXISTS (SELECT FROM {relation.sql}
                      WHERE feed_day >= month AND feed_day < month + interval '1 month')
        ORDER BY 1
        """
    return list(connection.scalars(sa.text(query)))


class _Export:
    """Brings months to the lake, some at a time. ``written``: keys of their files, in order."""

    def __init__(
        self,
        store: ObjectStore,
        existing: Iterable[str],
        readers: Readers,
        workers: ThreadPoolExecutor,
    ) -> None:
        self._store = store
        self._existing = frozenset(existing)
        self._readers = readers
        self._workers = workers
        self.written: list[str] = []

    def run(
        self, old: Manifest, asked: set[str], progress: Callable[[str], None]
    ) -> dict[str, dict[str, MonthFile]]:
        """The tables' months, each as it was or written anew, all of them synced."""
        tables: dict[str, dict[str, MonthFile]] = {relation.name: {} for relation in RELATIONS}
        known = [old.tables.get(name, {}) for name in tables]
        due = dict(zip(tables, self._workers.map(self._due, RELATIONS, known), strict=True))
        unsynced = []
        for name, month, entry in _ahead(PROGRESS_MONTHS, self._begin(due, old, asked)):
            months, count = tables[name], len(due[name])
            if isinstance(entry, Future):
                entry = entry.result()
                unsynced.append(entry.key)
            months[month] = entry
            if len(months) == count or len(months) % PROGRESS_MONTHS == 0:
                self._store.sync(unsynced)
                self.written += unsynced
                unsynced.clear()
                progress(f"{name} {month}: {len(months)} of {count} months")
        return tables

    def _due(self, relation: Relation, known: dict[str, MonthFile]) -> dict[str, bool]:
        """The table's months, in order, and whether each differs from the file that is known."""
        with self._reader() as connection:
            if not known and relation.is_indexed:
                return dict.fromkeys(_months(connection, relation), True)
            revisions = _month_revisions(connection, relation)
        return {
            month: month not in known or known[month].revision != revision
            for month, revision in revisions.items()
        }

    def _begin(
        self, due: dict[str, dict[str, bool]], old: Manifest, asked: set[str]
    ) -> Iterator[tuple[str, str, MonthFile | Future[MonthFile]]]:
        """Table, month, and its file: the old one, or one that is being written."""
        for relation in RELATIONS:
            name = relation.name
            for month, differs in due[name].items():
                if differs or month in asked:
                    yield name, month, self._workers.submit(self._write, relation, month)
                else:
                    yield name, month, old.tables[name][month]

    def _write(self, relation: Relation, month: str) -> MonthFile:
        with self._reader() as connection, SpooledTemporaryFile(SPOOL_BYTES) as file:
            with naming(Path(gettempdir())):
                content = _encode(connection, relation, month, file)
            file.seek(0)
            digest = file_digest(file, "sha256").hexdigest()
            key = f"{FOLDER}{relation.name}/month={month}/{digest[:16]}.parquet"
            if key not in self._existing or self._store.digest(key) != digest:
                file.seek(0)
                self._store.put(key, file, sync=False)
        return MonthFile(
            key,
            digest,
            content.rows,
            str(min(content.days)),
            str(max(content.days)),
            month_revision(describe_schema(relation.schema), content.rows, content.fingerprint),
        )

    @contextmanager
    def _reader(self) -> Iterator[sa.Connection]:
        connection = self._readers.get()
        try:
            yield connection
        finally:
            self._readers.put(connection)


def _ahead(count: int, items: Iterator[T]) -> Iterator[T]:
    """The same items; so many are taken from the iterator before they are needed."""
    waiting = deque(islice(items, count))
    while waiting:
        item = waiting.popleft()
        waiting.extend(islice(items, 1))
        yield item


@dataclass
class _Content:
    """What a file holds. ``days``: the first and the last day of each block of rows."""

    rows: int = 0
    days: set[date] = field(default_factory=set)
    fingerprint: int = 0

    def add(self, part: pa.Table) -> None:
        self.rows += part.num_rows
        self.days.update(pc.min_max(part["feed_day"]).as_py().values())
        self.fingerprint ^= rows_fingerprint(part)


def _encode(connection: sa.Connection, relation: Relation, month: str, file: IO[bytes]) -> _Content:
    """Write a month as parquet, each block of rows as a row group."""
    schema = relation.schema
    content = _Content()

    def write(block: bytearray) -> None:
        part = parse_rows(block, schema)
        writer.write_table(part, row_group_size=part.num_rows)
        content.add(part)

    first = f"date '{date.fromisoformat(f'{month}-01')}'"
    query = f"""SELECT {", ".join(schema.names)} FROM {relation.sql}
        WHERE feed_day >= {first} AND feed_day < {first} + interval '1 month'
        ORDER BY {relation.order}"""
    out = pa.BufferedOutputStream(pa.PythonFile(file, "w"), WRITE_BYTES)
    with pq.ParquetWriter(out, schema, **_layout(schema)) as writer:
        copy_rows(connection, query, write)
    out.detach()  # closing it would close the file
    return content


@cache
def _layout(schema: pa.Schema) -> dict[str, Any]:
    """How columns are stored, in the words of ParquetWriter: small files that cost little time.

    Texts and odds repeat, so they have dictionaries; numbers and times are packed as differences, all but
    hashes, which would not shrink. LZ4 takes a third of zstd's time, and on top of these encodings
    its files are hardly larger. Statistics are where readers skip by them.
    """
    packed = [
        column.name
        for column in schema
        if pa.types.is_integer(column.type) or pa.types.is_temporal(column.type)
    ]
    return {
        "compression": "lz4",
        "use_dictionary": [
            column.name for column in schema if column.type in (pa.string(), pa.float64())
        ],
        "column_encoding": {
            name: "DELTA_BINARY_PACKED" for name in packed if name != "content_hash"
        },
        "write_statistics": [
            name for name in ("match_id", "feed_day", "kickoff") if name in schema.names
        ],
    }


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
