"""The manifest: which files are the lake's tables now.

Files are named by their content and never rewritten; readers follow the manifest only, which is
replaced last, so an export is seen whole or not at all. The manifest it replaced is kept beside it,
and so are that one's files, for readers that still hold it.
"""

from dataclasses import asdict, dataclass, field
from hashlib import sha256

import numpy as np
import orjson
import pyarrow as pa

from soccer_assets.storage.store import ObjectNotFound, ObjectStore

FOLDER = "tables/"
MANIFEST_KEY = f"{FOLDER}manifest.json"
PREVIOUS_KEY = f"{FOLDER}manifest.previous.json"
#: Part of every month's revision: raise it when the same rows are to be other bytes.
SCHEMA_VERSION = 3


@dataclass(frozen=True)
class MonthFile:
    """One month of one table. ``revision`` identifies its rows in the database."""

    key: str
    sha256: str
    rows: int
    first_day: str
    last_day: str
    revision: str

    def was_written_from(self, rows: int, fingerprint: int) -> bool:
        """Whether its rows were so many, with this fingerprint."""
        return self.revision.split(":")[2:] == [str(rows), str(fingerprint)]


@dataclass(frozen=True)
class Manifest:
    """Current files: table name -> ``YYYY-MM`` -> file.

    ``schemas``: table name -> its columns in order, as ``name type`` with Arrow's names of types;
    every file of the table has them. Manifests before version 2 do not say.
    """

    tables: dict[str, dict[str, MonthFile]] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION
    schemas: dict[str, list[str]] = field(default_factory=dict)

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
        return cls(tables, document["schema_version"], document.get("schemas", {}))

    @property
    def digest(self) -> str:
        return sha256(self.to_bytes()).hexdigest()

    @property
    def keys(self) -> set[str]:
        """Keys of all files."""
        return {entry.key for months in self.tables.values() for entry in months.values()}

    def rows(self, table: str) -> int:
        return sum(entry.rows for entry in self.tables.get(table, {}).values())


class DamagedManifest(Exception):
    """What the lake has is no manifest; says where it is."""


def read_manifest(store: ObjectStore, key: str = MANIFEST_KEY) -> Manifest:
    """The published manifest; an empty one before the first export.

    Raises:
        DamagedManifest: it cannot be understood.
    """
    try:
        return Manifest.from_bytes(store.get(key))
    except ObjectNotFound:
        return Manifest()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedManifest(
            f"{store.uri}/{key} cannot be understood ({error}): take it back from a backup, or "
            "remove it, then the next export writes every month again"
        ) from None


def describe_schema(schema: pa.Schema) -> list[str]:
    """Columns in order, as ``name type``."""
    return [f"{column.name} {column.type}" for column in schema]


def rows_fingerprint(rows: pa.Table) -> int:
    """The exclusive or of the rows' hashes: independent of their order, 0 of none."""
    return int(np.bitwise_xor.reduce(rows["content_hash"].to_numpy()))


def month_revision(columns: list[str], rows: int, fingerprint: int) -> str:
    """Of a month with so many rows, their fingerprint, and these columns."""
    return f"v{SCHEMA_VERSION}:{_schema_fingerprint(columns)}:{rows}:{fingerprint}"


def _schema_fingerprint(columns: list[str]) -> str:
    """12 hex digits that change with any name, type or the order of the columns."""
    return sha256("\n".join(columns).encode()).hexdigest()[:12]
