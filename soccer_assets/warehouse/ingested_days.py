"""Which day feeds the tables hold, and how fresh each is."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import psycopg2.extensions
import sqlalchemy as sa
from psycopg2.extras import execute_values

from soccer_assets.clock import CLOCKS_DISAGREE_BY, stamped_now, utc_now
from soccer_assets.warehouse.rows import ParsedDay
from soccer_assets.warehouse.schema import SCHEMA, match, match_odds, match_statistics


def matches_by_day(engine: sa.Engine) -> dict[date, int]:
    """How many matches the feed of each ingested day shows, 0 for empty ones."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text(f"SELECT day, matches FROM {SCHEMA}.ingested_day"))
        return {row.day: row.matches for row in rows}


def vanished_by_day(engine: sa.Engine, days: Sequence[date]) -> dict[date, int]:
    """How many matches each of these days was the last to show, and no day shows now."""
    query = f"""
        SELECT feed_day, count(*) FROM {SCHEMA}.match
        WHERE feed_day = ANY(:days) AND vanished_at IS NOT NULL GROUP BY 1
        """
    with engine.connect() as connection:
        return dict(connection.execute(sa.text(query), {"days": list(days)}).tuples().all())


def loads_fingerprint(connection: sa.Connection) -> str:
    """Changes when a day's payload is loaded that was not the day's last one; the tables of matches
    follow from the payloads."""
    query = f"""
        SELECT count(*) || ':' || coalesce(bit_xor(hashtextextended(payload_key, 0)), 0)
        FROM {SCHEMA}.ingested_day
        """
    return str(connection.scalar(sa.text(query)))


def payloads_loaded(engine: sa.Engine, days: Sequence[date]) -> dict[date, str]:
    """Day -> key of the payload that the tables hold of it."""
    query = sa.text(f"SELECT day, payload_key FROM {SCHEMA}.ingested_day WHERE day = ANY(:days)")
    with engine.connect() as connection:
        return {row.day: row.payload_key for row in connection.execute(query, {"days": list(days)})}


#: Version of a day without rows.
EMPTY = "empty"


def versions_by_day(
    engine: sa.Engine, table: sa.Table, days: Sequence[date] | None = None
) -> dict[date, str]:
    """Day -> version of its rows in one of the two tables of matches, with odds and statistics those
    of ``match``; unless days are given, of all days that have rows.

    It changes with their content, and when a match comes or goes. What changed back has a new one,
    for it says when each row changed: the lake holds that as well.
    """
    rows = [f"SELECT feed_day, content_hash AS hash, changed_at FROM {SCHEMA}.{table.name}"]
    if table is match:
        rows += [
            f"SELECT m.feed_day, hash_record_extended(ROW(d.*), 0), d.changed_at"
            f" FROM {SCHEMA}.{detail.name} d JOIN {SCHEMA}.match m USING (match_id)"
            for detail in (match_statistics, match_odds)
        ]
    query = sa.text(
        f"""
        SELECT feed_day, count(*) || ':' || bit_xor(
            hashint8extended(hash, (extract(epoch FROM changed_at) * 1000000)::bigint)
        ) AS version
        FROM ({" UNION ALL ".join(rows)}) AS shown
        {"" if days is None else "WHERE feed_day = ANY(:days)"} GROUP BY 1
        """
    )
    with engine.connect() as connection:
        versions = connection.execute(query, {} if days is None else {"days": list(days)})
        found = {row.feed_day: row.version for row in versions}
    return found if days is None else {day: found.get(day, EMPTY) for day in days}


def fetches_loaded(engine: sa.Engine, days: Sequence[date]) -> dict[date, datetime]:
    """When the payloads that the tables hold of these days were fetched."""
    query = sa.text(f"SELECT day, fetched_at FROM {SCHEMA}.ingested_day WHERE day = ANY(:days)")
    with engine.connect() as connection:
        return {row.day: row.fetched_at for row in connection.execute(query, {"days": list(days)})}


#: A day's feed keeps changing (late results, corrections) until this long after it.
SETTLES_AFTER = timedelta(days=3)

# A check that claims to be later than now was made by a clock that was wrong.
_SETTLED = "checked_at BETWEEN day + CAST(:age AS interval) AND :now"


def settled_days(engine: sa.Engine, now: datetime | None = None) -> set[date]:
    """Days whose feed was last asked for when it had stopped changing."""
    query = sa.text(f"SELECT day FROM {SCHEMA}.ingested_day WHERE {_SETTLED}")
    with engine.connect() as connection:
        return set(connection.scalars(query, {"age": SETTLES_AFTER, "now": now or utc_now()}))


#: Two ingested days that lie further apart have no history between them: no outage lasts so long, and
#: whoever brings in a day of long ago does not ask for all the years since.
LONGEST_OUTAGE = timedelta(days=366)


def overdue_days(
    engine: sa.Engine, now: datetime, since: date, *, patience: timedelta = timedelta()
) -> list[date]:
    """Days that have had the time to settle by ``now`` and were not asked for after it, newest
    first. Days inside the known history that were never brought in are among them.

    Args:
        now: aware.
        since: the history begins here, or with the first day that was ever brought in.
        patience: for how long a day may have been so without being named.
    """
    query = sa.text(
        f"""
        WITH known AS (
            SELECT day, lead(day, 1, CAST(:today AS date)) OVER (ORDER BY day) - day AS apart
            FROM {SCHEMA}.ingested_day WHERE day <= :today
        )
        SELECT past::date FROM known, generate_series(
            day::timestamp,
            least(
                day + CASE WHEN apart <= :longest THEN apart - 1 ELSE 0 END,
                CAST(:now AS timestamptz) AT TIME ZONE 'UTC' - CAST(:of_age AS interval)),
            interval '1 day') AS past
        WHERE past >= :since AND NOT EXISTS (
            SELECT FROM {SCHEMA}.ingested_day WHERE day = past::date AND {_SETTLED})
        ORDER BY past DESC
        """
    )
    parameters = {
        "now": now,
        "today": now.astimezone(UTC).date(),
        "since": since,
        "age": SETTLES_AFTER,
        "of_age": SETTLES_AFTER + patience,
        "longest": LONGEST_OUTAGE.days,
    }
    with engine.connect() as connection:
        return list(connection.scalars(query, parameters))


def _checked(day: ParsedDay, at: datetime) -> datetime:
    return at if day.is_whole else min(at, datetime.combine(day.day, time(), UTC))


def note_ingested(
    cursor: psycopg2.extensions.cursor,
    days: Sequence[ParsedDay],
    checked_at: datetime | None,
) -> None:
    """Note that the source was asked for these days, those among them whose payload was passed over.

    A day that may lack matches counts as asked before it began, so that it is asked for until it is
    whole. Times beyond now give way to true ones.
    """
    possible = stamped_now() + CLOCKS_DISAGREE_BY, utc_now() + CLOCKS_DISAGREE_BY
    fetched_ahead, checked_ahead = (
        cursor.mogrify(f"d.{column} > %s", [latest]).decode()
        for column, latest in zip(("fetched_at", "checked_at"), possible, strict=True)
    )
    newest = f"(excluded.fetched_at >= d.fetched_at OR {fetched_ahead})"
    execute_values(
        cursor,
        f"""
        INSERT INTO {SCHEMA}.ingested_day AS d (day, payload_key, fetched_at, checked_at, matches)
        VALUES %s
        ON CONFLICT (day) DO UPDATE SET
            payload_key = CASE WHEN {newest} THEN excluded.payload_key ELSE d.payload_key END,
            fetched_at = CASE WHEN {newest} THEN excluded.fetched_at ELSE d.fetched_at END,
            checked_at = CASE WHEN {checked_ahead} THEN excluded.checked_at
                ELSE greatest(d.checked_at, excluded.checked_at) END,
            matches = CASE WHEN {newest} THEN excluded.matches ELSE d.matches END
        """,
        [
            (
                day.day,
                day.payload_key,
                day.fetched_at,
                _checked(day, checked_at or min(day.fetched_at, utc_now())),
                day.match.num_rows,
            )
            for day in days
        ],
    )
