"""A dump and its restore, as the runbook has them: what cannot be made again comes back as it was."""

import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from soccer_assets.alerting.kinds import Kind
from soccer_assets.alerting.outbox import OPEN, Alert, find, record
from soccer_assets.lake.ledger import close_days, key_of, verify
from soccer_assets.storage.store import LocalStore
from soccer_assets.warehouse.cluster import _program
from soccer_assets.warehouse.migrate import standing
from soccer_assets.warehouse.promotions import PROMOTED, Decision, Holder, decisions
from soccer_assets.warehouse.promotions import record as record_decision
from soccer_assets.warehouse.serving_tables import publish_predictions
from soccer_assets_tests.databases import empty_database
from soccer_assets_tests.warehouse.test_serving_tables import champion, predictions

NOON = datetime(2024, 3, 9, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def libpq(url: str) -> str:
    """As the programs of PostgreSQL take it."""
    parsed = sa.make_url(url)
    named = {**parsed.query, "user": parsed.username, "dbname": parsed.database}
    return " ".join(f"{name}='{value}'" for name, value in named.items() if name != "plugin")


def program(url: str, name: str) -> str:
    """Of the server's version: an older one refuses to dump."""
    return _program(Path(str(sa.make_url(url).query["host"])), name)


def dump(url: str, file: Path) -> None:
    command = [program(url, "pg_dump"), "--format=custom", f"--file={file}", libpq(url)]
    subprocess.run(command, check=True)


def restore(url: str, file: Path) -> None:
    command = [program(url, "pg_restore"), "--no-owner", f"--dbname={libpq(url)}", file]
    subprocess.run(command, check=True)


def publish(engine: sa.Engine, days: int, *match_ids: int) -> None:
    now = NOON + days * DAY
    publish_predictions(engine, predictions(*match_ids, kickoff=now + HOUR), champion(), now)


def test_ledger_promotions_and_alerts_come_back_from_a_dump_and_go_on(
    engine: sa.Engine, database_url: str, postgres_server: str, store: LocalStore, tmp_path: Path
) -> None:
    publish(engine, 0, 1, 2)
    publish(engine, 1, 3)
    close_days(engine, store, NOON + DAY)
    record_decision(engine, Decision("d", NOON, PROMOTED, None, Holder(1, "run-1"), "good", "gate"))
    record(engine, Alert(Kind.STALE, "a", "features is stale"), NOON)
    before = verify(engine, store)
    dump(database_url, tmp_path / "soccer.dump")
    manifest = store.get(key_of(date(2024, 3, 9)))
    # What the lake gets after the dump, the restored database makes again to the same bytes.
    close_days(engine, store, NOON + 2 * DAY)
    later = store.get(key_of(date(2024, 3, 10)))
    with empty_database(postgres_server) as url:
        restore(url, tmp_path / "soccer.dump")
        restored = sa.create_engine(url, poolclass=sa.NullPool)
        found, newest = standing(restored)
        assert found == newest
        assert decisions(restored) == decisions(engine)
        assert find(restored, state=OPEN) == find(engine, state=OPEN)
        close_days(restored, store, NOON + 2 * DAY)
        assert store.get(key_of(date(2024, 3, 9))) == manifest
        assert store.get(key_of(date(2024, 3, 10))) == later
        after = verify(restored, store)
        assert (before.days, before.rows, after.days, after.rows) == (1, 3, 2, 3)
        publish(restored, 2, 4)
        assert verify(restored, store).rows == 4
