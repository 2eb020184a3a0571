"""Which day feeds the tables hold, and how fresh each is."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa

from soccer_assets.clock import utc_now
from soccer_assets.warehouse.schema import SCHEMA


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
