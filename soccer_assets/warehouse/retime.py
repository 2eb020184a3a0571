"""Gives what a payload has left in the tables another time and another name."""

from collections.abc import Mapping

import sqlalchemy as sa

from soccer_assets.storage.archive import ArchivedPayload
from soccer_assets.warehouse.schema import (
    LOCK_KEY,
    SCHEMA,
    ingested_day,
    match,
    match_change,
    match_odds,
    match_raw,
    match_raw_shadow,
    match_shadow,
    match_statistics,
)
from soccer_assets.warehouse.session import allow_long

_TABLES = (
    match,
    match_shadow,
    match_raw,
    match_raw_shadow,
    match_change,
    match_odds,
    match_statistics,
    ingested_day,
)
#: Times of fetches; all others are of matches, or of questions.
_TIMES = {"fetched_at", "first_seen_at", "changed_at", "vanished_at"}
_KEY = "payload_key"


def retime(engine: sa.Engine, moved: Mapping[ArchivedPayload, ArchivedPayload]) -> None:
    """Put the fetch and the key of the new payload in place of those of the old one, everywhere."""
    names = [
        (table.name, column.name)
        for table in _TABLES
        for column in table.columns
        if column.name in _TIMES or column.name == _KEY
    ]
    with engine.begin() as connection:
        allow_long(connection)
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        for old, new in moved.items():
            keys = {"old": old.key, "new": new.key}
            times = {"old": old.fetched_at, "new": new.fetched_at}
            for table, column in names:
                statement = f"UPDATE {SCHEMA}.{table} SET {column} = :new WHERE {column} = :old"
                connection.execute(sa.text(statement), keys if column == _KEY else times)
            for column in ("old", "new"):  # the values of changes, where they are such times
                connection.execute(
                    sa.text(
                        f"UPDATE {SCHEMA}.match_change SET {column} = to_jsonb(CAST(:new AS"
                        f" timestamptz)) WHERE field = 'vanished_at'"
                        f" AND {column} = to_jsonb(CAST(:old AS timestamptz))"
                    ),
                    times,
                )
