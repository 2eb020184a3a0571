"""The lake's tables as readers see them: rows of the files that a manifest names."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq

from soccer_assets.lake.manifest import Manifest, MonthFile, describe_schema
from soccer_assets.lake.relations import RELATIONS
from soccer_assets.storage.store import ObjectStore

#: Files that are read at once: their way from S3 takes longer than their parsing.
READERS = 4


class CorruptFile(Exception):
    """A lake file's bytes are not those its manifest promises."""


class SchemaMismatch(Exception):
    """A lake file's columns are not those its manifest promises, or not those the reader needs."""


def read_month_file(
    store: ObjectStore,
    entry: MonthFile,
    columns: Sequence[str] | None = None,
    schema: Sequence[str] = (),
) -> pa.Table:
    """One month's rows; of the columns asked for only those are parsed.

    Args:
        schema: the table's columns as the manifest has them; unknown if empty.

    Raises:
        CorruptFile: the bytes do not have the manifest's hash.
        SchemaMismatch: names the first column that differs or is not there.
    """
    body = store.get(entry.key)
    if sha256(body).hexdigest() != entry.sha256:
        raise CorruptFile(f"{entry.key}: content hash differs from the manifest")
    file = pq.ParquetFile(pa.BufferReader(body))
    found = describe_schema(file.schema_arrow)
    if schema and found != list(schema):
        _require(entry.key, found, schema)
        raise SchemaMismatch(f"{entry.key}: more columns than the manifest has, or another order")
    if columns is None:
        return file.read()
    for name in columns:
        if name not in file.schema_arrow.names:
            raise SchemaMismatch(f"{entry.key}: no column {name!r}")
    return file.read(list(columns)).select(columns)


def read_table(
    store: ObjectStore,
    manifest: Manifest,
    table: str,
    columns: Sequence[str] | None = None,
    months: Iterable[str] | None = None,
) -> pa.Table:
    """A table's months, oldest first; all of them, or those of some that there are.

    Raises:
        CorruptFile: a file's bytes are not those the manifest promises.
        ObjectNotFound: a file is gone.
        SchemaMismatch: a file's columns are not those the manifest promises, or a column asked for
            has another type than this code's, or none.
    """
    expected = next(relation.schema for relation in RELATIONS if relation.name == table)
    promised = manifest.schemas.get(table, [])
    if promised:
        columns = expected.names if columns is None else columns
        needed = [f"{name} {expected.field(name).type}" for name in columns]
        _require(f"the manifest's {table}", promised, needed)
    files = manifest.tables.get(table, {})
    wanted = sorted(files if months is None else files.keys() & set(months))
    if not wanted:
        empty = expected.empty_table()
        return empty if columns is None else empty.select(columns)
    read = partial(read_month_file, store, columns=columns, schema=promised)
    with ThreadPoolExecutor(READERS, "lake-read") as readers:
        return pa.concat_tables(readers.map(read, [files[month] for month in wanted]))


def _require(what: str, found: Iterable[str], needed: Iterable[str]) -> None:
    """Columns, as ``name type``, that are among those found."""
    types = dict(column.split(" ", 1) for column in found)
    for name, kind in (column.split(" ", 1) for column in needed):
        if types.get(name) != kind:
            raise SchemaMismatch(
                f"{what}: column {name!r} is {types.get(name, 'missing')}, not {kind}"
            )
