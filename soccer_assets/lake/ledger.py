"""The ledger's days: closed one after the other, each with a manifest in the lake that names the hashes
of its predictions and the manifest before it.

A day is closed in the database first, from when on nothing is added to it, so whoever is killed before
its manifest is in the lake leaves what the next run makes of the same entries, byte by byte.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa

from soccer_assets import ledger_check
from soccer_assets.files import write_atomically
from soccer_assets.ledger_check import (
    Holds,
    LedgerBroken,
    check_day,
    check_row,
    consecutive,
    manifest_of,
    text_hash,
)
from soccer_assets.storage.store import ObjectNotFound, ObjectStore
from soccer_assets.warehouse import ledger
from soccer_assets.warehouse.session import allow_long

#: In the lake.
FOLDER = "ledger/"
_DAY = timedelta(days=1)


def key_of(day: date) -> str:
    """Of a day's manifest, in the lake."""
    return f"{FOLDER}{day.isoformat()}.json"


def close_days(engine: sa.Engine, store: ObjectStore, now: datetime) -> dict[date, str]:
    """Close every day that is over, and have the manifests of all closed days in the lake.

    Over is what ``now`` and the database's clock both say is: a clock that is ahead must not close the
    days to come.

    Returns:
        All closed days, in order, with the SHA-256 of their manifest.

    Raises:
        LedgerBroken: the lake has another manifest of a day than its entries make.
    """
    with engine.begin() as connection:
        allow_long(connection)
        ledger.lock_ledger(connection)
        there = set(store.list(FOLDER))
        closed = ledger.ledger_days(connection)
        missing = {
            day: _manifest_again(connection, day, closed)
            for day in closed
            if key_of(day) not in there
        }
        for day in _days_over(connection, closed, now):
            hashes = ledger.hashes_of(connection, day)
            manifest = manifest_of(day, closed.get(day - _DAY), hashes)
            if key_of(day) in there and store.get(key_of(day)) != manifest:
                raise LedgerBroken(f"{day}: the lake has another manifest than its entries make")
            closed[day] = sha256(manifest).hexdigest()
            ledger.close_day(connection, day, len(hashes), closed[day], now)
            missing[day] = manifest
    for day, manifest in missing.items():
        store.put(key_of(day), manifest)
    return closed


def _days_over(connection: sa.Connection, closed: dict[date, str], now: datetime) -> Iterator[date]:
    if closed:
        day = max(closed) + _DAY
    elif span := ledger.days_with_entries(connection):
        day = span[0]
    else:
        return
    today = min(now.date(), ledger.database_day(connection))
    while day < today:
        yield day
        day += _DAY


def _manifest_again(connection: sa.Connection, day: date, closed: dict[date, str]) -> bytes:
    manifest = manifest_of(day, closed.get(day - _DAY), ledger.hashes_of(connection, day))
    if sha256(manifest).hexdigest() != closed[day]:
        raise LedgerBroken(f"{day}: its manifest is gone, and its entries make another one")
    return manifest


def verify(
    engine: sa.Engine,
    store: ObjectStore,
    since: date | None = None,
    known: tuple[date, str] | None = None,
) -> Holds:
    """Check entries against their hashes, these against the manifests, and these against each other and
    against what the database knows of them.

    Args:
        since: first day that is looked at; the chain before it is taken as it is.
        known: a day, and the SHA-256 that its manifest had once, from elsewhere.

    Raises:
        LedgerBroken: naming the first day that is not what it was.
    """
    with _snapshot(engine) as connection:
        closed = ledger.ledger_days(connection)
        if known and closed.get(known[0]) != known[1]:
            raise LedgerBroken(f"{known[0]}: its manifest is not the one that was told of before")
        days = consecutive({*closed, *(_day_of(key) for key in store.list(FOLDER))})
        count = 0
        previous: str | None = None
        for day in days:
            if since and day < since:
                previous = closed.get(day)
                continue
            if day not in closed:
                raise LedgerBroken(f"{day}: the lake has a manifest, but the day is not closed")
            texts = _checked_texts(connection, day)
            previous = check_day(day, previous, _manifest(store, day), texts)
            if previous != closed[day]:
                raise LedgerBroken(f"{day}: its manifest is not the one that it was closed with")
            count += len(texts)
        if days and not since and ledger.count_before(connection, days[0]):
            raise LedgerBroken(f"{days[0]}: there are entries before the first closed day")
        for day in _open_days(connection, days):
            if since and day < since:
                continue
            texts = _checked_texts(connection, day)
            for text in texts:
                check_row(day, text)
            count += len(texts)
    checked = sum(since is None or day >= since for day in days)
    return Holds(checked, count, previous)


def export(engine: sa.Engine, store: ObjectStore, folder: Path, since: date | None = None) -> int:
    """Write manifests and rows of every day to a folder, with what checks them: ``verify.py``, which
    the standard library is enough for.

    Returns:
        Rows written.

    Raises:
        LedgerBroken: the manifest of a closed day is not in the lake.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with _snapshot(engine) as connection:
        closed = list(ledger.ledger_days(connection))
        for day in [*closed, *_open_days(connection, closed)]:
            if since and day < since:
                continue
            texts = [text for text, _ in ledger.texts_of(connection, day)]
            count += len(texts)
            write_atomically(folder / f"{day}.jsonl", "".join(f"{text}\n" for text in texts))
            if day in closed:
                (folder / f"{day}.json").write_bytes(_manifest(store, day))
    spec = find_spec(ledger_check.__name__)
    assert spec is not None
    assert spec.origin is not None
    write_atomically(folder / "verify.py", Path(spec.origin).read_text())
    return count


@contextmanager
def _snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.connect() as connection:
        snapshot = connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        allow_long(snapshot)
        yield snapshot


def _open_days(connection: sa.Connection, closed: list[date]) -> list[date]:
    """Days after the last closed one on which there are entries, in order."""
    span = ledger.days_with_entries(connection)
    if span is None:
        return []
    day = max(closed) + _DAY if closed else span[0]
    return [day + n * _DAY for n in range((span[1] - day).days + 1)]


def _checked_texts(connection: sa.Connection, day: date) -> list[str]:
    texts = []
    for text, recorded in ledger.texts_of(connection, day):
        if text_hash(text) != recorded:
            match = text.split(",")[0].partition(":")[2]
            raise LedgerBroken(f"{day}: the row of match {match} is not what was recorded")
        texts.append(text)
    return texts


def _manifest(store: ObjectStore, day: date) -> bytes:
    try:
        return store.get(key_of(day))
    except ObjectNotFound:
        raise LedgerBroken(
            f"{day}: its manifest is not in the lake (to materialize ledger writes it again)"
        ) from None


def _day_of(key: str) -> date:
    name = key.removeprefix(FOLDER)
    try:
        return date.fromisoformat(name.removesuffix(".json"))
    except ValueError:
        raise LedgerBroken(f"{name}: it is of no day") from None
