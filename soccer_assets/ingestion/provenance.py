"""Whose matches a warehouse and an archive hold: those of one source, never of two.

Two sources number their matches, teams and days apart, so that one's results would be taken for the
other's. Each of the two places remembers its source by itself, since either can be moved or shared.
"""

import sqlalchemy as sa

from soccer_assets.clock import stamped_now
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.warehouse.schema import SCHEMA


class OtherSource(Exception):
    """There are matches of another source; says in one line whose, and the way out."""

    def __init__(self, where: str, held: str, name: str) -> None:
        super().__init__(
            f"{where} holds matches of {held!r}, and the settings name {name!r}: give those a "
            "SOCCER_HOME (POSTGRES_URL, LAKE_URI) of their own or, if they are the same matches "
            f"under another address, set LIVESCORES_NAME='{held}'"
        )


def claim(name: str, engine: sa.Engine, archive: PayloadArchive) -> None:
    """Have warehouse and archive remember their source before the first payload of it comes in.

    What holds nothing yet takes any name; what was filled before names were kept takes the first.

    Raises:
        OtherSource: one of them holds something of another source. Nothing is changed.
    """
    held = archive.source
    if held not in (None, name) and not archive.is_empty:
        raise OtherSource(f"the lake at {archive.uri}", held, name)
    with engine.begin() as connection:
        recorded = connection.scalar(sa.text(f"SELECT name FROM {SCHEMA}.source"))
        filled = connection.scalar(sa.text(f"SELECT EXISTS (TABLE {SCHEMA}.ingested_day)"))
        if recorded not in (None, name) and filled:
            raise OtherSource("the warehouse", recorded, name)
        connection.execute(
            sa.text(
                f"INSERT INTO {SCHEMA}.source (name, since) VALUES (:name, :now)"
                f" ON CONFLICT (singleton) DO UPDATE"
                f" SET name = excluded.name, since = excluded.since"
                f" WHERE source.name <> excluded.name"
            ),
            {"name": name, "now": stamped_now()},
        )
    if held != name:
        archive.source = name
