"""From the staging tables into those of the warehouse: what has changed, and nothing else."""

from dataclasses import dataclass

import psycopg2.extensions
import sqlalchemy as sa

from soccer_assets.warehouse.schema import (
    BOOKKEEPING,
    SCHEMA,
    match,
    match_odds,
    match_raw,
    match_statistics,
)
from soccer_assets.warehouse.staging import CAUSE, DAYS, column_list


@dataclass(frozen=True)
class TableChange:
    """What one load did to one table, in rows."""

    inserted: int = 0
    updated: int = 0

    def __add__(self, other: "TableChange") -> "TableChange":
        return TableChange(self.inserted + other.inserted, self.updated + other.updated)


def merge(cursor: psycopg2.extensions.cursor, touched: str) -> tuple[TableChange, TableChange, int]:
    """Merge what is staged; the changes of ``match_raw`` and ``match``, and how many vanished.

    Args:
        touched: ids of the matches that the step can change, an array as PostgreSQL writes it.
    """
    news, raw_news = (_news(cursor, table, touched) for table in (match, match_raw))
    cursor.execute(_NOTE_CHANGES, vars(news))
    raw, canonical = _write(cursor, match_raw, raw_news), _write(cursor, match, news)
    cursor.execute(_UPSERT_ODDS)
    cursor.execute(_UPSERT_STATISTICS)
    cursor.execute(_REMOVE_STATISTICS, {"touched": touched})
    cursor.execute(_MARK_VANISHED)
    return raw, canonical, max(cursor.rowcount, 0)


@dataclass(frozen=True)
class _News:
    """The staged records that a table does not hold as they are: their ids, two arrays as
    PostgreSQL writes them."""

    unknown: str
    different: str


def _news(cursor: psycopg2.extensions.cursor, table: sa.Table, touched: str) -> _News:
    """Of a day that is loaded again most records are as before; nothing more is done for those.
    ``ON CONFLICT`` would lock their rows, and so write to each."""
    cursor.execute(
        f"""
        SELECT coalesce(array_agg(match_id) FILTER (WHERE held IS NULL), '{{}}')::text,
               coalesce(array_agg(match_id) FILTER (WHERE held <> content_hash), '{{}}')::text
        FROM stage_{table.name} LEFT JOIN (
            SELECT match_id, content_hash AS held FROM {SCHEMA}.{table.name}
            WHERE match_id = ANY (%(touched)s)) t USING (match_id)
        WHERE held IS DISTINCT FROM content_hash
        """,
        {"touched": touched},
    )
    return _News(*(cursor.fetchone() or ()))


def _write(cursor: psycopg2.extensions.cursor, table: sa.Table, news: _News) -> TableChange:
    """Loads come one after the other: what is unknown is so still, and conflicts with nothing."""
    name, columns = table.name, column_list(table)
    replaced = ", ".join(
        f"{column.name} = s.{column.name}"
        for column in table.columns
        if column.name not in ("match_id", "first_seen_at")
    )
    cursor.execute(
        f"UPDATE {SCHEMA}.{name} t SET {replaced} FROM stage_{name} s"
        " WHERE t.match_id = ANY (%(different)s) AND t.match_id = s.match_id",
        vars(news),
    )
    updated = cursor.rowcount
    cursor.execute(
        f"INSERT INTO {SCHEMA}.{name} ({columns}) SELECT {columns} FROM stage_{name}"
        " WHERE match_id = ANY (%(unknown)s) ORDER BY match_id",
        vars(news),
    )
    return TableChange(cursor.rowcount, updated)


_NOT_CONTENT = ", ".join(f"'{name}'" for name in ("match_id", *BOOKKEEPING))
_NOTE_CHANGES = f"""
INSERT INTO {SCHEMA}.match_change (match_id, changed_at, field, old, new, payload_key)
SELECT m.match_id, s.changed_at, before.key, before.value, after.row -> before.key,
       {CAUSE.format("payload_key", "s.feed_day")}
FROM stage_match s JOIN {SCHEMA}.match m USING (match_id)
CROSS JOIN LATERAL (SELECT to_jsonb(s) AS row OFFSET 0) after
CROSS JOIN LATERAL jsonb_each(to_jsonb(m)) before
WHERE m.match_id = ANY (%(different)s) AND s.match_id = ANY (%(different)s)
  AND before.value <> after.row -> before.key AND before.key NOT IN ({_NOT_CONTENT})
ORDER BY s.changed_at, s.feed_day, m.match_id, before.key
"""

# Whoever of a step's days is not in the staging table now is shown by no day. The hash takes it in,
# so that it is seen wherever hashes are compared.
_MARK_VANISHED = f"""
WITH gone AS (
    UPDATE {SCHEMA}.match m SET vanished_at = d.fetched_at, changed_at = d.fetched_at,
        content_hash = ('x' || left(md5(m.content_hash || ' vanished'), 16))::bit(64)::bigint
    FROM stage_day d
    WHERE m.feed_day = {DAYS} AND m.feed_day = d.day AND m.vanished_at IS NULL
      AND NOT EXISTS (SELECT FROM stage_match s WHERE s.match_id = m.match_id)
    RETURNING m.match_id, d.fetched_at, d.payload_key)
INSERT INTO {SCHEMA}.match_change (match_id, changed_at, field, old, new, payload_key)
SELECT match_id, fetched_at, 'vanished_at', 'null', to_jsonb(fetched_at), payload_key
FROM gone ORDER BY match_id
"""

#: What comes with the record of a match counts where that record does: it is staged still, and no
#: other day's that has come back.
_OF_THE_RECORD = "r.feed_day IN (SELECT day FROM stage_day)"


def _upsert_details(table: sa.Table) -> str:
    """Of odds and statistics: rows whose values are new."""
    key = [column.name for column in table.primary_key.columns]
    values = [c.name for c in table.columns if c.name not in (*key, "changed_at")]
    old, new = (", ".join(f"{row}.{name}" for name in values) for row in ("t", "excluded"))
    return f"""
    INSERT INTO {SCHEMA}.{table.name} AS t ({column_list(table)})
    SELECT {", ".join(f"d.{column.name}" for column in table.columns)}
    FROM stage_{table.name} d JOIN stage_match r USING (match_id) WHERE {_OF_THE_RECORD}
    ON CONFLICT ({", ".join(key)}) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in (*values, "changed_at"))}
    WHERE ({old}) IS DISTINCT FROM ({new})
    """


# Odds that a source drops stay: it may show those of before a match until it is played.
_UPSERT_ODDS = _upsert_details(match_odds)
_UPSERT_STATISTICS = _upsert_details(match_statistics)
# Statistics are as the newest record has them.
_REMOVE_STATISTICS = f"""
DELETE FROM {SCHEMA}.match_statistics t USING stage_match r
WHERE t.match_id = ANY (%(touched)s) AND t.match_id = r.match_id AND {_OF_THE_RECORD}
  AND NOT EXISTS (SELECT FROM stage_match_statistics s WHERE s.match_id = t.match_id)
"""
