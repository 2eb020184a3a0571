"""Whether the lake holds what the database holds, month by month."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc
import sqlalchemy as sa

from soccer_assets.lake.manifest import Manifest, MonthFile, rows_fingerprint
from soccer_assets.lake.relations import RELATIONS, Relation
from soccer_assets.lake.tables import CorruptFile, SchemaMismatch, read_month_file
from soccer_assets.storage.store import ObjectNotFound, ObjectStore
from soccer_assets.warehouse.ingested_days import loads_fingerprint
from soccer_assets.warehouse.session import allow_long


@dataclass(frozen=True)
class Parity:
    """Whether the lake holds what the database does."""

    differences: dict[str, Any] = field(default_factory=dict)
    """``table/month`` -> what is in the database and what in the lake."""
    behind: list[str] = field(default_factory=list)
    """``table/month`` that the database has moved on from since the export."""

    @property
    def months(self) -> set[str]:
        """``YYYY-MM`` that differ in some table."""
        return {where.partition("/")[2] for where in self.differences}

    @property
    def tables(self) -> set[str]:
        """Those that differ in some month."""
        return {where.partition("/")[0] for where in self.differences}

    @property
    def figures(self) -> dict[str, str]:
        """``table/month`` -> what differs, for people."""
        return {where: _in_words(**found) for where, found in self.differences.items()}


def compare_with_database(
    engine: sa.Engine, store: ObjectStore, manifest: Manifest, exported_loads: str | None = None
) -> Parity:
    """Row counts, content fingerprints, and sums over typed scores and counts of every month.

    Args:
        exported_loads: the loads (see ``loads_fingerprint``) that the export saw. If there were
            others since, a file may hold the rows that it was written from instead of the
            present ones.
    """
    found = Parity()
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        allow_long(connection)
        moved_on = exported_loads not in (None, loads_fingerprint(connection))
        facts = [_facts_of_database(connection, relation) for relation in RELATIONS]
    for relation, database in zip(RELATIONS, facts, strict=True):
        name = relation.name
        entries = manifest.tables.get(name, {})
        for month in sorted(database.keys() | entries.keys()):
            theirs, entry = database.get(month, "missing"), entries.get(month)
            ours = _facts_of_file(store, entry, relation, manifest.schemas.get(name, ()))
            if ours == theirs:
                continue
            if moved_on and _is_of_another_time(entry, ours, theirs):
                found.behind.append(f"{name}/{month}")
            else:
                found.differences[f"{name}/{month}"] = {"database": theirs, "lake": ours}
    return found


def _in_words(database: dict[str, int] | str, lake: dict[str, int] | str) -> str:
    if isinstance(database, str) or isinstance(lake, str):
        return f"database: {_facts_in_words(database)}; lake: {_facts_in_words(lake)}"
    names = [name for name in database if database[name] != lake.get(name)]
    figures = [f"{n} {database[n]} in the database, {lake.get(n)} in the lake" for n in names]
    # Of other contents it is known that they are other.
    told = [text for text, name in zip(figures, names, strict=True) if name != "fingerprint"]
    return "; ".join(told) or f"{database['rows']} rows on either side, with other contents"


def _facts_in_words(facts: dict[str, int] | str) -> str:
    return facts if isinstance(facts, str) else f"{facts['rows']} rows"


def _is_of_another_time(
    entry: MonthFile | None, ours: dict[str, int] | str, theirs: dict[str, int] | str
) -> bool:
    """The database has other rows than those the file was written from, which it holds."""
    if entry is None:
        return True
    return (
        isinstance(ours, dict)
        and entry.was_written_from(ours["rows"], ours["fingerprint"])
        and not (
            isinstance(theirs, dict)
            and entry.was_written_from(theirs["rows"], theirs["fingerprint"])
        )
    )


def _facts_of_database(connection: sa.Connection, relation: Relation) -> dict[str, dict[str, int]]:
    sums = "".join(f", coalesce(sum({name}), 0) AS {name}" for name in relation.sums)
    query = f"""
        SELECT to_char(feed_day, 'YYYY-MM') AS month, count(*) AS rows,
               bit_xor(content_hash) AS fingerprint{sums}
        FROM {relation.sql} GROUP BY 1
        """
    return {
        row.pop("month"): {name: int(value) for name, value in row.items()}
        for row in map(dict, connection.execute(sa.text(query)).mappings())
    }


def _facts_of_file(
    store: ObjectStore, entry: MonthFile | None, relation: Relation, schema: Sequence[str]
) -> dict[str, int] | str:
    if entry is None:
        return "missing"
    try:
        rows = read_month_file(store, entry, ["content_hash", *relation.sums], schema)
    except (CorruptFile, SchemaMismatch, ObjectNotFound) as error:
        return f"{type(error).__name__}: {error}"
    return {
        "rows": rows.num_rows,
        "fingerprint": rows_fingerprint(rows),
        **{name: pc.sum(rows[name]).as_py() or 0 for name in relation.sums},
    }
