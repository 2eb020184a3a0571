"""The rows of the warehouse's tables in Arrow, and one day of them: what a parser makes and a load
takes."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

import pyarrow as pa

from soccer_assets.warehouse.schema import match, match_odds, match_raw, match_statistics

_ARROW_TYPES = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int64(),
    "SMALLINT": pa.int64(),
    "TEXT": pa.string(),
    "BOOLEAN": pa.bool_(),
    "DOUBLE": pa.float64(),
    "JSONB": pa.string(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}


@cache
def arrow_schema(table: Any) -> pa.Schema:
    """The Arrow schema of a warehouse table (integers wide, documents as JSON text)."""
    return pa.schema([(c.name, _ARROW_TYPES[str(c.type).split()[0]]) for c in table.columns])


RAW_SCHEMA = arrow_schema(match_raw)
MATCH_SCHEMA = arrow_schema(match)
ODDS_SCHEMA = arrow_schema(match_odds)
STATISTICS_SCHEMA = arrow_schema(match_statistics)


@dataclass(frozen=True)
class SetAside:
    """A match of a payload that is not let into the tables: no true match looks like it."""

    match_id: int
    reason: str

    def __str__(self) -> str:
        return f"match {self.match_id}: {self.reason}"


@dataclass(frozen=True)
class Gap:
    """A fault of a part of the source, and the tournaments that may lack matches for it."""

    tournament_ids: frozenset[int]
    fault: str


@dataclass(frozen=True)
class ParsedDay:
    """One day's rows, as Arrow tables with the columns of the warehouse tables of those names.

    ``fetched_at`` is when the source first sent this payload. ``new_fields`` are fields of the feed
    that no column holds, ``missing_fields`` known ones that no match of a day with matches has,
    ``unusable`` what a source added to its matches that cannot be true, in words.
    What is known of a match that is set aside, or that a gap hides, stays as it is.
    """

    day: date
    payload_key: str
    fetched_at: datetime
    raw: pa.Table
    match: pa.Table
    odds: pa.Table
    statistics: pa.Table
    new_fields: tuple[str, ...] = ()
    missing_fields: tuple[str, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    gaps: tuple[Gap, ...] = ()
    unusable: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the source could tell every match of the day."""
        return not any(gap.tournament_ids for gap in self.gaps)
