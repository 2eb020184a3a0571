"""Bulk upsert of parsed days: COPY into staging tables, then one statement a table."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg2.extensions
import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa

from soccer_assets.livescores.parsing import ParsedDay
from soccer_assets.warehouse.schema import LOCK_KEY, SCHEMA, STATUSES, match, match_raw


@dataclass(frozen=True)
class TableChange:
    """What one load did to one table, in rows."""

    inserted: int = 0
    updated: int = 0

    def __add__(self, other: "TableChange") -> "TableChange":
        return TableChange(self.inserted + other.inserted, self.updated + other.updated)


@dataclass(frozen=True)
class LoadResult:
    match_raw: TableChange
    match: TableChange


_RANK = "array_position(ARRAY[{}], {{}}.status)".format(", ".join(f"'{s}'" for s in STATUSES))

# A match shown on two days (postponed, moved) is one row. Among the records of one load, and
# against the stored one of another day, the further status wins, then the later day. A stored one
# that this load brings anew is not compared with.
_KEEP_ONE_RECORD = f"""
DELETE FROM stage_match s USING {SCHEMA}.match m
WHERE m.match_id = s.match_id AND m.feed_day <> s.feed_day
  AND ({_RANK.format("s")}, s.feed_day) < ({_RANK.format("m")}, m.feed_day)
  AND NOT EXISTS (
    SELECT FROM stage_match newer WHERE newer.match_id = m.match_id AND newer.feed_day = m.feed_day);
DELETE FROM stage_match s USING (
    SELECT match_id, feed_day, row_number() OVER (
        PARTITION BY match_id ORDER BY {_RANK.format("x")} DESC, feed_day DESC) AS place
    FROM stage_match x) ranked
WHERE ranked.place > 1 AND s.match_id = ranked.match_id AND s.feed_day = ranked.feed_day;
DELETE FROM stage_match_raw r WHERE NOT EXISTS (
    SELECT FROM stage_match s WHERE s.match_id = r.match_id AND s.feed_day = r.feed_day);
"""


def load_days(
    engine: sa.Engine, days: Sequence[ParsedDay], checked_at: datetime | None = None
) -> LoadResult:
    """Upsert both tables and note the days as ingested, in one transaction.

    A row whose content is unchanged is not touched. Loads are serialised by an advisory lock, so
    concurrent ingests of overlapping days cannot deadlock or interleave.

    Args:
        days: of a day that comes twice, the last one counts.
        checked_at: when the source was last asked for these days; default: each payload's own
            fetch (a load from the archive).
    """
    days = list({day.day: day for day in days}.values())
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        cursor = connection.connection.cursor()
        for table, rows in (
            (match_raw, [day.raw for day in days]),
            (match, [day.match for day in days]),
        ):
            cursor.execute(
                f"CREATE TEMP TABLE stage_{table.name} (LIKE {SCHEMA}.{table.name}) ON COMMIT DROP"
            )
            _copy(cursor, f"stage_{table.name}", pa.concat_tables(rows))
        cursor.execute("ANALYZE stage_match")
        cursor.execute(_KEEP_ONE_RECORD)
        result = LoadResult(_upsert(cursor, match_raw), _upsert(cursor, match))
        _note_ingested(connection, days, checked_at)
    return result


def _copy(cursor: psycopg2.extensions.cursor, table: str, rows: pa.Table) -> None:
    buffer = io.BytesIO()
    pa.csv.write_csv(rows, buffer)
    buffer.seek(0)
    columns = ", ".join(rows.column_names)
    cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN (FORMAT csv, HEADER)", buffer)


def _upsert(cursor: psycopg2.extensions.cursor, table: sa.Table) -> TableChange:
    names = [column.name for column in table.columns]
    updated = ", ".join(
        f"{name} = excluded.{name}" for name in names if name not in ("match_id", "first_seen_at")
    )
    cursor.execute(
        f"""
        WITH changed AS (
            INSERT INTO {SCHEMA}.{table.name} AS t ({", ".join(names)})
            SELECT {", ".join(names)} FROM stage_{table.name} ORDER BY match_id
            ON CONFLICT (match_id) DO UPDATE SET {updated}
            WHERE t.content_hash <> excluded.content_hash
            RETURNING (xmax = 0) AS is_new)
        SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM changed
        """
    )
    inserted, changed = cursor.fetchone() or (0, 0)
    return TableChange(inserted, changed)


def _note_ingested(
    connection: sa.Connection, days: Sequence[ParsedDay], checked_at: datetime | None
) -> None:
    connection.execute(
        sa.text(
            f"""
            INSERT INTO {SCHEMA}.ingested_day AS d (day, payload_key, checked_at, matches)
            VALUES (:day, :payload_key, :checked_at, :matches)
            ON CONFLICT (day) DO UPDATE SET payload_key = excluded.payload_key,
                checked_at = greatest(d.checked_at, excluded.checked_at),
                matches = excluded.matches
            """
        ),
        [
            {
                "day": day.day,
                "payload_key": day.payload_key,
                "checked_at": checked_at or day.fetched_at,
                "matches": day.match.num_rows,
            }
            for day in days
        ],
    )


#: A day's feed keeps changing (late results, corrections) until this long after it.
SETTLES_AFTER = timedelta(days=3)


def settled_days(engine: sa.Engine) -> set[date]:
    """Days whose feed was last asked for when it had stopped changing."""
    query = sa.text(
        f"SELECT day FROM {SCHEMA}.ingested_day WHERE checked_at >= day + CAST(:age AS interval)"
    )
    with engine.connect() as connection:
        return set(connection.scalars(query, {"age": SETTLES_AFTER}))
