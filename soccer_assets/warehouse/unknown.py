"""Matches that the warehouse has never seen: they are not compared with anything, and go straight into
the tables. Of a history that is loaded for the first time that is all of them."""

from collections.abc import Mapping, Sequence

import psycopg2.extensions
import pyarrow as pa
import pyarrow.compute as pc

from soccer_assets.warehouse.filling import copy_in
from soccer_assets.warehouse.rows import ParsedDay
from soccer_assets.warehouse.schema import (
    SCHEMA,
    match,
    match_odds,
    match_raw,
    match_raw_shadow,
    match_shadow,
    match_statistics,
)

#: Table of the warehouse -> rows for it.
Rows = Mapping[str, pa.Table]

#: What else can hold something of a match, beside the table itself.
_BESIDE = {match.name: match_shadow.name, match_raw.name: match_raw_shadow.name}


def rows_of(days: Sequence[ParsedDay]) -> Rows:
    """All rows of some days."""
    return {
        table.name: pa.concat_tables(parts)
        for table, parts in (
            (match_raw, [day.raw for day in days]),
            (match, [day.match for day in days]),
            (match_odds, [day.odds for day in days]),
            (match_statistics, [day.statistics for day in days]),
        )
    }


def tell_apart(cursor: psycopg2.extensions.cursor, rows: Rows) -> tuple[Rows, Rows]:
    """The rows of matches of which some table holds something, and those of unknown ones."""
    known = pa.array(sorted(_known(cursor, rows)), pa.int64())
    if not len(known):
        return {name: table.slice(0, 0) for name, table in rows.items()}, rows
    old, new = {}, {}
    for name, table in rows.items():
        whole = table.combine_chunks()  # a filter would make a piece of each of thousands
        is_known = pc.is_in(whole["match_id"], known)
        old[name], new[name] = whole.filter(is_known), whole.filter(pc.invert(is_known))
    return old, new


def _known(cursor: psycopg2.extensions.cursor, rows: Rows) -> set[int]:
    ids = "{" + ",".join(map(str, rows[match.name]["match_id"].to_pylist())) + "}"
    known = set[int]()
    for table in (name for name, its_rows in rows.items() if its_rows.num_rows):
        for name in filter(None, (table, _BESIDE.get(table))):
            cursor.execute(
                f"SELECT match_id FROM {SCHEMA}.{name} WHERE match_id = ANY (%(ids)s)", {"ids": ids}
            )
            known.update(match_id for (match_id,) in cursor)
    return known


def add(cursor: psycopg2.extensions.cursor, rows: Rows) -> None:
    """Add rows of matches that are unknown; those of a day lie together, as they are read."""
    for name, table in rows.items():
        copy_in(cursor, f"{SCHEMA}.{name}", table)
