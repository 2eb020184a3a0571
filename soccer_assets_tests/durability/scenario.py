"""A feed that changes its mind, an archive with a clock of its own, and what is compared."""

import os
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from soccer_assets.feed.fields import FeedStatus
from soccer_assets.feed.payload import Row
from soccer_assets.ingestion.ingest import Fetch, IngestReport, days_between, ingest_days
from soccer_assets.ingestion.rebuild import REBUILT
from soccer_assets.lake.export import export_months
from soccer_assets.lake.manifest import read_manifest
from soccer_assets.lake.relations import RELATIONS
from soccer_assets.lake.tables import read_table
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.sources.livescores import LivescoresClient
from soccer_assets.sources.request_policy import RequestPolicy
from soccer_assets.storage.archive import ArchivedPayload, PayloadArchive
from soccer_assets.storage.store import LocalStore, ObjectStore

#: Two months, so that an export has files of both to publish.
FIRST, LAST = date(2025, 2, 24), date(2025, 3, 3)
DAYS = list(days_between(FIRST, LAST))
EARLY, LATE = datetime(2025, 2, 25, 12, tzinfo=UTC), datetime(2025, 3, 1, 12, tzinfo=UTC)

Payload = dict[str, Any]
#: Table -> its rows.
Contents = dict[str, list[dict[str, Any]]]
#: What of a row tells when it came, not what it says.
BOOKKEEPING = {"first_seen_at", "changed_at", "fetched_at", "checked_at"}


class ClockedArchive(PayloadArchive):
    """An archive that takes a day's payload for fetched so many seconds after ``moment`` as the
    day is after ``first``, whenever that was."""

    def __init__(self, store: ObjectStore, moment: datetime, first: date = FIRST) -> None:
        super().__init__(store)
        self.moment = moment
        self.first = first

    def put(self, day: date, body: bytes, fetched_at: datetime, **known: Any) -> ArchivedPayload:
        moment = self.moment + timedelta(seconds=(day - self.first).days)
        return super().put(day, body, moment, **known)


def early_view(world: LeagueSimulator) -> dict[date, Payload]:
    """What the feed shows of the days at first."""
    view = {day: deepcopy(world.payload(day, EARLY)) for day in DAYS}
    for day in DAYS:
        rows_of(view[day])[0][1]["footballData"] = odds("2.10")
    return view


def late_view(world: LeagueSimulator) -> dict[date, Payload]:
    """And later: played, and, beside what the simulation has in store, a match gone, one moved to
    the next month and one brought forward, and other odds."""
    view = {day: deepcopy(world.payload(day, LATE)) for day in DAYS}
    for day in DAYS:
        rows_of(view[day])[0][1]["footballData"] = odds("1.95")
    take(view[FIRST], 1)
    old, new, forward = date(2025, 2, 28), date(2025, 3, 2), date(2025, 3, 1)
    tournament, postponed = rows_of(view[old])[1]
    postponed |= {"status": int(FeedStatus.POSTPONED), "homeScore": None, "awayScore": None}
    again = {"status": int(FeedStatus.SCHEDULED), "startTimeUtc": f"{new}T18:00:00Z"}
    give(view[new], tournament, {**postponed, **again})
    tournament, advanced = take(view[new], 2)
    give(view[forward], tournament, {**advanced, "startTimeUtc": f"{forward}T20:00:00Z"})
    return view


def odds(home: str) -> dict[str, str]:
    prices = {"B365H": home, "B365D": "3.40", "B365A": "3.60", "PSCH": home}
    return prices | ({"HS": "12", "HST": "5"} if home < "2" else {"HS": "11", "HC": "4"})


def rows_of(payload: Payload) -> list[tuple[Payload, Row]]:
    """Every match with the tournament that it is in."""
    return [(t, row) for t in payload["tournaments"] for row in t["matches"]]


def take(payload: Payload, number: int) -> tuple[Payload, Row]:
    tournament, row = rows_of(payload)[number]
    tournament["matches"].remove(row)
    return tournament, row


def give(payload: Payload, tournament: Payload, row: Row) -> None:
    payload["tournaments"].append({**tournament, "matches": [row]})


def open_engine(url: str, **connect_args: Any) -> sa.Engine:
    """A connection that ends with its use, so that no engine has to be disposed of."""
    return sa.create_engine(
        url,
        poolclass=sa.NullPool,
        connect_args={"options": "-c timezone=UTC", **connect_args},
    )


def ingest_and_export(
    engine: sa.Engine,
    lake: Path,
    feed_url: str,
    moment: datetime,
    *,
    days: list[date] = DAYS,
    batch_days: int = 3,
) -> IngestReport:
    """Fetch the days over HTTP into archive and tables, and bring the lake to parity. Everything
    that is written depends on ``moment`` and the feed alone."""
    os.environ["SOCCER_AS_OF"] = moment.isoformat()
    store = LocalStore(lake)
    archive = ClockedArchive(store, moment)
    with LivescoresClient(feed_url, policy=RequestPolicy(timeout=30)) as client:
        report = ingest_days(days, client.fetch, archive, engine, batch_days=batch_days)
    export_months(engine, store)
    return report


def fetch_of(bodies: dict[date, bytes]) -> Fetch:
    return lambda day: bodies[day]


def contents(engine: sa.Engine) -> Contents:
    """Every row of every table that is made from the feed, in the order of the keys. A change's
    number is its place, for a sequence keeps the gaps of what was rolled back."""
    found: Contents = {}
    with engine.connect() as connection:
        for table in REBUILT:
            query = sa.select(table).order_by(*table.primary_key.columns)
            found[table.name] = [dict(row) for row in connection.execute(query).mappings()]
    for place, change in enumerate(found["match_change"], 1):
        change["change_id"] = place
    return found


def said(found: Contents) -> Contents:
    """The same without bookkeeping, and without the log of changes, which is nothing but."""
    return {
        table: [{k: v for k, v in row.items() if k not in BOOKKEEPING} for row in rows]
        for table, rows in found.items()
        if table != "match_change"
    }


def archive_of(lake: Path) -> dict[str, bytes]:
    """Every object of the archive."""
    store = LocalStore(lake)
    return {key: store.get(key) for key in store.list("livescores/")}


def published(lake: Path) -> dict[str, bytes]:
    """The manifest and every file that it names; each of them is read as a reader would."""
    store = LocalStore(lake)
    manifest = read_manifest(store)
    for table in RELATIONS:
        rows = read_table(store, manifest, table.name)
        assert rows.num_rows == manifest.rows(table.name)
    keys = [entry.key for months in manifest.tables.values() for entry in months.values()]
    assert not [key for key in keys if key.endswith(".tmp")]
    return {"manifest": manifest.to_bytes(), **{key: store.get(key) for key in keys}}
