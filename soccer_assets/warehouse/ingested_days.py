"""Which day feeds the tables hold, and how fresh each is."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from soccer_assets.warehouse.schema import SCHEMA


def matches_by_day(engine: sa.Engine) -> dict[date, int]:
    """How many matches the feed of each ingested day shows, 0 for empty ones."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text(f"SELECT day, matches FROM {SCHEMA}.ingested_day"))
        return {row.day: row.matches for row in rows}


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


def settled_days(engine: sa.Engine) -> set[date]:
    """Days whose feed was last asked for when it had stopped changing."""
    query = sa.text(
        f"SELECT day FROM {SCHEMA}.ingested_day WHERE checked_at >= day + CAST(:age AS interval)"
    )
    with engine.connect() as connection:
        return set(connection.scalars(query, {"age": SETTLES_AFTER}))
