"""What of the warehouse the lake holds: its tables, and what gives their rows."""

from dataclasses import dataclass

import pyarrow as pa
import sqlalchemy as sa

from soccer_assets.warehouse.rows import arrow_schema
from soccer_assets.warehouse.schema import SCHEMA, match, match_odds, match_raw, match_statistics


@dataclass(frozen=True)
class Relation:
    """A table of the lake, with a ``feed_day`` by which it is cut into months and a
    ``content_hash`` by which its rows are compared."""

    name: str
    schema: pa.Schema
    sql: str
    """What stands in FROM."""
    order: str
    """Of the rows of a month, as SQL; total, and the same on every server."""
    is_indexed: bool
    """By ``feed_day``: it costs little to see whether a month has any row."""
    sums: tuple[str, ...] = ()
    """Columns whose sums are compared besides."""


def _own_rows(table: sa.Table) -> Relation:
    """A table that has both."""
    return Relation(
        name=str(table.name),
        schema=arrow_schema(table),
        sql=f"{SCHEMA}.{table.name}",
        order="match_id",
        is_indexed=True,
        sums=("home_score", "away_score"),
    )


def _rows_of_matches(table: sa.Table, sums: tuple[str, ...] = ()) -> Relation:
    """A table beside ``match``: a row is of the day that shows its match, wherever that moves."""
    schema = arrow_schema(table)
    columns, content = (
        ", ".join(f"d.{name}" for name in schema.names if name not in left_out)
        for left_out in ((), ("changed_at",))
    )
    feed_day, content_hash = pa.field("feed_day", pa.date32()), pa.field("content_hash", pa.int64())
    key = [column.name for column in table.primary_key.columns]
    is_text = {name: schema.field(name).type == pa.string() for name in key}
    return Relation(
        name=str(table.name),
        schema=schema.insert(1, feed_day).append(content_hash),
        sql=f"(SELECT m.feed_day, {columns}, hash_record_extended(ROW({content}), 0) AS content_hash"
        f" FROM {SCHEMA}.{table.name} d JOIN {SCHEMA}.match m USING (match_id)) AS {table.name}",
        order=", ".join(f'{name} COLLATE "C"' if is_text[name] else name for name in key),
        is_indexed=False,
        sums=sums,
    )


RELATIONS = (
    _own_rows(match_raw),
    _own_rows(match),
    _rows_of_matches(match_statistics, ("home_shots", "away_shots")),
    _rows_of_matches(match_odds),
)
