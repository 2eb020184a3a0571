"""The lake's tables: monthly parquet files and the one manifest that says which are current.

Files are named by their content and never rewritten; readers follow the manifest only, which is
replaced last, so an export is seen whole or not at all.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from hashlib import sha256
from io import BytesIO
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import sqlalchemy as sa

from soccer_assets.lake.store import ObjectNotFound, ObjectStore
from soccer_assets.livescores.parsing import arrow_schema
from soccer_assets.warehouse.schema import SCHEMA, match, match_raw

MANIFEST_KEY = "tables/manifest.json"
#: Part of every month's revision: raise it when what the files hold changes shape.
SCHEMA_VERSION = 1
TABLES = (match_raw, match)
#: Months between two lines of progress.
PROGRESS_MONTHS = 24


@dataclass(frozen=True)
class MonthFile:
    """One month of one table. ``revision`` identifies its rows in the database."""

    key: str
    sha256: str
    rows: int
    first_day: str
    last_day: str
    revision: str


@dataclass(frozen=True)
class Manifest:
    """Current files: table name -> ``YYYY-MM`` -> file."""

    tables: dict[str, dict[str, MonthFile]] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def to_bytes(self) -> bytes:
        """Canonical JSON: equal manifests are equal bytes."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)

    @classmethod
    def from_bytes(cls, body: bytes) -> "Manifest":
        document = orjson.loads(body)
        tables = {
            table: {month: MonthFile(**entry) for month, entry in months.items()}
            for table, months in document["tables"].items()
        }
        return cls(tables, document["schema_version"])

    @property
    def digest(self) -> str:
        return sha256(self.to_bytes()).hexdigest()

    def rows(self, table: str) -> int:
        return sum(entry.rows for entry in self.tables.get(table, {}).values())


def read_manifest(store: ObjectStore) -> Manifest:
    """The published manifest; an empty one before the first export."""
    try:
        return Manifest.from_bytes(store.get(MANIFEST_KEY))
    except ObjectNotFound:
        return Manifest()


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
    (``YYYY-MM``) and every other month whose rows differ from what the manifest says, such as one
    that a match has moved out of. A file whose bytes did not change keeps its key.

    Raises:
        ValueError: a month is not ``YYYY-MM``.
    """
    asked = {date.fromisoformat(f"{month}-01").strftime("%Y-%m") for month in months}
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.execute(sa.text("SET TRANSACTION READ ONLY"))
        old = read_manifest(store)
        tables: dict[str, dict[str, MonthFile]] = {}
        written: list[str] = []
        for table in TABLES:
            current = old.tables.get(table.name, {})
            revisions = month_revisions(connection, table)
            months_now: dict[str, MonthFile] = {}
            tables[str(table.name)] = months_now
            for count, (month, revision) in enumerate(sorted(revisions.items()), 1):
                entry = current.get(month)
                if month in asked or entry is None or entry.revision != revision:
                    entry = _export(connection, store, table, month, revision)
                    written.append(entry.key)
                months_now[month] = entry
                if count == len(revisions) or count % PROGRESS_MONTHS == 0:
                    progress(f"{table.name} {month}: {count} of {len(revisions)} months")
    manifest = Manifest(tables)
    if manifest != old:
        store.put(MANIFEST_KEY, manifest.to_bytes())
    return ExportResult(manifest, written, _collect_orphans(store, old, manifest))


def month_revisions(connection: sa.Connection, table: sa.Table) -> dict[str, str]:
    """``YYYY-MM`` -> a fingerprint of the month's rows, independent of their order."""
    query = f"""
        SELECT to_char(feed_day, 'YYYY-MM'), count(*), bit_xor(content_hash)
        FROM {SCHEMA}.{table.name} GROUP BY 1
        """
    rows = connection.execute(sa.text(query))
    return {month: f"v{SCHEMA_VERSION}:{count}:{digest}" for month, count, digest in rows}


def _export(
    connection: sa.Connection,
    store: ObjectStore,
    table: sa.Table,
    month: str,
    revision: str,
) -> MonthFile:
    rows = _read_month(connection, table, month)
    buffer = BytesIO()
    pq.write_table(rows, buffer, compression="zstd")
    body = buffer.getvalue()
    digest = sha256(body).hexdigest()
    key = f"tables/{table.name}/month={month}/{digest[:16]}.parquet"
    if not _holds(store, key, body):
        store.put(key, body)
    days = pc.min_max(rows["feed_day"]).as_py()
    return MonthFile(key, digest, rows.num_rows, str(days["min"]), str(days["max"]), revision)


def _holds(store: ObjectStore, key: str, body: bytes) -> bool:
    try:
        return store.get(key) == body
    except ObjectNotFound:
        return False


def _read_month(connection: sa.Connection, table: sa.Table, month: str) -> pa.Table:
    """One month's rows, ordered by match id, through COPY and Arrow's CSV reader."""
    schema = arrow_schema(table)
    first = date.fromisoformat(f"{month}-01")
    buffer = BytesIO()
    cursor = connection.connection.cursor()
    cursor.copy_expert(
        f"""COPY (SELECT {", ".join(schema.names)} FROM {SCHEMA}.{table.name}
            WHERE feed_day >= '{first}' AND feed_day < date '{first}' + interval '1 month'
            ORDER BY match_id) TO STDOUT (FORMAT csv, HEADER)""",
        buffer,
    )
    size = buffer.tell()
    buffer.seek(0)
    return pa.csv.read_csv(
        buffer,
        # One block: Arrow refuses a row that is longer than a block.
        read_options=pa.csv.ReadOptions(block_size=size),
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


def _collect_orphans(store: ObjectStore, old: Manifest, new: Manifest) -> list[str]:
    """Remove files that neither the new manifest nor the one readers may still hold names."""
    kept = {
        entry.key
        for manifest in (old, new)
        for months in manifest.tables.values()
        for entry in months.values()
    }
    orphans = [key for key in store.list("tables/") if key.endswith(".parquet") and key not in kept]
    for key in orphans:
        store.delete(key)
    return orphans


class CorruptFile(Exception):
    """A lake file's bytes are not those its manifest promises."""


def read_month_file(
    store: ObjectStore, entry: MonthFile, columns: Sequence[str] | None = None
) -> pa.Table:
    """One month's rows.

    Raises:
        CorruptFile: the bytes do not have the manifest's hash.
    """
    body = store.get(entry.key)
    if sha256(body).hexdigest() != entry.sha256:
        raise CorruptFile(f"{entry.key}: content hash differs from the manifest")
    return pq.read_table(BytesIO(body), columns=columns)


def read_table(
    store: ObjectStore, manifest: Manifest, table: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """All months of a table, oldest first."""
    months = manifest.tables.get(table, {})
    parts = [read_month_file(store, months[month], columns) for month in sorted(months)]
    if parts:
        return pa.concat_tables(parts)
    schema = arrow_schema(next(t for t in TABLES if t.name == table))
    empty = schema.empty_table()
    return empty.select(columns) if columns else empty


def parity_differences(
    connection: sa.Connection, store: ObjectStore, manifest: Manifest
) -> dict[str, Any]:
    """``table/month`` -> what differs between database and lake file; empty at parity.

    Compared are row counts, content fingerprints, and sums over the typed 90-minute scores.
    """
    differences: dict[str, Any] = {}
    for table in TABLES:
        entries = manifest.tables.get(table.name, {})
        database = _facts_of_database(connection, table)
        for month in sorted(database.keys() | entries.keys()):
            theirs = database.get(month, "missing")
            ours = _facts_of_file(store, entries.get(month))
            if ours != theirs:
                differences[f"{table.name}/{month}"] = {"database": theirs, "lake": ours}
    return differences


def _facts_of_database(connection: sa.Connection, table: sa.Table) -> dict[str, dict[str, int]]:
    query = f"""
        SELECT to_char(feed_day, 'YYYY-MM') AS month, count(*) AS rows,
               bit_xor(content_hash) AS fingerprint,
               coalesce(sum(home_score), 0) AS home_goals, coalesce(sum(away_score), 0) AS away_goals
        FROM {SCHEMA}.{table.name} GROUP BY 1
        """
    return {
        row.pop("month"): {name: int(value) for name, value in row.items()}
        for row in map(dict, connection.execute(sa.text(query)).mappings())
    }


def _facts_of_file(store: ObjectStore, entry: MonthFile | None) -> dict[str, int] | str:
    if entry is None:
        return "missing"
    try:
        rows = read_month_file(store, entry, ["content_hash", "home_score", "away_score"])
    except (CorruptFile, ObjectNotFound) as error:
        return f"{type(error).__name__}: {error}"
    import numpy as np

    hashes = rows["content_hash"].to_numpy()
    return {
        "rows": rows.num_rows,
        "fingerprint": int(np.bitwise_xor.reduce(hashes)) if len(hashes) else 0,
        "home_goals": pc.sum(rows["home_score"]).as_py() or 0,
        "away_goals": pc.sum(rows["away_score"]).as_py() or 0,
    }
