"""Days of the ledger: closed, chained in the lake, checked, and exported."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa

from soccer_assets.lake.ledger import close_days, export, key_of, verify
from soccer_assets.ledger_check import LedgerBroken, check_folder, manifest_of, text_hash
from soccer_assets.storage.store import LocalStore, ObjectStore
from soccer_assets.warehouse.ledger import texts_of
from soccer_assets.warehouse.serving_tables import publish_predictions
from soccer_assets_tests.warehouse.test_serving_tables import champion, predictions

FIRST = date(2024, 3, 9)
NOON = datetime(2024, 3, 9, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def publish(engine: sa.Engine, days: int, *match_ids: int, p_home: float = 0.5) -> None:
    now = NOON + days * DAY
    frame = predictions(*match_ids, kickoff=now + HOUR, p_home=p_home)
    publish_predictions(engine, frame, champion(), now)


def execute(engine: sa.Engine, statement: str) -> None:
    """As somebody who may switch off what keeps the tables from being changed."""
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role TO replica"))
        connection.execute(sa.text(statement))


def contents(store: ObjectStore) -> dict[str, bytes]:
    return {key: store.get(key) for key in store.list("ledger/")}


@pytest.fixture
def season(engine: sa.Engine, store: LocalStore) -> sa.Engine:
    """Predictions of the first and the third day, which are closed, and of the fourth, which is
    not."""
    publish(engine, 0, 1, 2)
    publish(engine, 2, 3)
    publish(engine, 3, 4)
    close_days(engine, store, NOON + 3 * DAY)
    return engine


def test_days_that_are_over_are_closed_and_chained(
    engine: sa.Engine, any_store: ObjectStore
) -> None:
    assert close_days(engine, any_store, NOON) == {}
    publish(engine, 0, 1, 2)
    publish(engine, 2, 3)
    assert close_days(engine, any_store, NOON + HOUR) == {}
    closed = close_days(engine, any_store, NOON + 3 * DAY)
    assert list(closed) == [FIRST, FIRST + DAY, FIRST + 2 * DAY]
    previous = None
    for day in closed:
        body = any_store.get(key_of(day))
        with engine.connect() as connection:
            hashes = [text_hash(text) for text, _ in texts_of(connection, day)]
        assert body == manifest_of(day, previous, hashes)
        previous = closed[day]
        assert sha256(body).hexdigest() == previous
    holds = verify(engine, any_store)
    assert (holds.days, holds.rows, holds.head) == (3, 3, previous)


def test_to_close_days_again_changes_nothing(season: sa.Engine, store: LocalStore) -> None:
    before = contents(store)
    closed = close_days(season, store, NOON + 3 * DAY)
    assert close_days(season, store, NOON + 3 * DAY + HOUR) == closed
    assert contents(store) == before
    assert list(close_days(season, store, NOON + 4 * DAY)) == [*closed, FIRST + 3 * DAY]
    assert contents(store).items() > before.items()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("puts", [0, 1, 2])
def test_who_is_killed_before_its_manifests_are_there_leaves_them_to_the_next(
    season: sa.Engine,
    store: LocalStore,
    puts: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = contents(store)
    lost = LocalStore(tmp_path / "other")
    put = lost.put

    def kill(key: str, body: bytes) -> None:
        if len(lost.list("ledger/")) == puts:
            raise Killed
        put(key, body)

    monkeypatch.setattr(lost, "put", kill)
    with pytest.raises(Killed):
        close_days(season, lost, NOON + 3 * DAY)
    with pytest.raises(LedgerBroken, match="manifest is not in the lake"):
        verify(season, lost)
    monkeypatch.undo()
    # What is published meanwhile, however late it is, is not of those days any more.
    publish(season, 2, 9)
    publish(season, 3, 10)
    close_days(season, lost, NOON + 3 * DAY)
    assert contents(lost) == wanted


def test_who_is_killed_before_the_days_are_closed_leaves_nothing(
    engine: sa.Engine, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from soccer_assets.lake import ledger

    publish(engine, 0, 1)

    def kill(*_: object) -> bytes:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "manifest_of", kill)
        with pytest.raises(Killed):
            close_days(engine, store, NOON + DAY)
    assert contents(store) == {}
    publish(engine, 0, 2)
    close_days(engine, store, NOON + DAY)
    assert len(json.loads(store.get(key_of(FIRST)))["hashes"]) == 2


def test_a_clock_that_is_ahead_closes_no_day_to_come(engine: sa.Engine, store: LocalStore) -> None:
    today = datetime.now(UTC)
    frame = predictions(1, kickoff=today + DAY)
    publish_predictions(engine, frame, champion(), today)
    assert close_days(engine, store, today + 900 * DAY) == {}


def of_the_row(column: str) -> Callable[[sa.Engine, LocalStore], None]:
    def change(engine: sa.Engine, store: LocalStore) -> None:
        execute(engine, f"UPDATE soccer.prediction_ledger SET {column} WHERE match_id = 3")

    return change


def deleted(engine: sa.Engine, store: LocalStore) -> None:
    execute(engine, "DELETE FROM soccer.prediction_ledger WHERE match_id = 3")


def reopened(engine: sa.Engine, store: LocalStore) -> None:
    execute(engine, "DELETE FROM soccer.prediction_ledger_day WHERE day = '2024-03-11'")


def rewritten(engine: sa.Engine, store: LocalStore) -> None:
    """By who makes manifest and rows agree, and forgets what the database closed the day with."""
    key = key_of(FIRST + 2 * DAY)
    execute(engine, "DELETE FROM soccer.prediction_ledger WHERE match_id = 3")
    document = json.loads(store.get(key))
    store.put(key, manifest_of(FIRST + 2 * DAY, document["previous"], []))


def lost(engine: sa.Engine, store: LocalStore) -> None:
    store.delete(key_of(FIRST + 2 * DAY))


def spoilt(engine: sa.Engine, store: LocalStore) -> None:
    key = key_of(FIRST + 2 * DAY)
    store.put(key, store.get(key).replace(b"0", b"1", 1))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (of_the_row("p_home = 0.6, p_draw = 0.2"), "the row of match 3 is not what was recorded"),
        (of_the_row("run_id = 'other'"), "the row of match 3 is not what was recorded"),
        (of_the_row("features_as_of = now()"), "the row of match 3 is not what was recorded"),
        (of_the_row("content_hash = repeat('0', 64)"), "the row of match 3 is not what was"),
        (deleted, "1 rows are gone"),
        (reopened, "the lake has a manifest, but the day is not closed"),
        (rewritten, "its manifest is not the one that it was closed with"),
        (lost, "its manifest is not in the lake"),
        (spoilt, "its manifest"),
    ],
)
def test_what_was_changed_since_is_found_and_its_day_named(
    season: sa.Engine,
    store: LocalStore,
    spoil: Callable[[sa.Engine, LocalStore], None],
    told: str,
) -> None:
    spoil(season, store)
    for since in (None, FIRST + 2 * DAY):
        with pytest.raises(LedgerBroken, match=f"^2024-03-11: {told}"):
            verify(season, store, since)
    if spoil is not reopened:
        verify(season, store, FIRST + 3 * DAY)


def test_an_entry_of_an_open_day_is_checked_too(season: sa.Engine, store: LocalStore) -> None:
    execute(season, "UPDATE soccer.prediction_ledger SET model_version = 9 WHERE match_id = 4")
    with pytest.raises(LedgerBroken, match=r"^2024-03-12: the row of match 4"):
        verify(season, store)


@pytest.mark.parametrize(
    ("since", "days", "rows"),
    [(0, 3, 4), (1, 2, 2), (2, 1, 2), (3, 0, 1), (4, 0, 0), (2000, 0, 0)],
)
def test_what_is_counted_lies_in_the_days_that_were_asked_for(
    season: sa.Engine, store: LocalStore, tmp_path: Path, since: int, days: int, rows: int
) -> None:
    first = FIRST + since * DAY
    holds = verify(season, store, first)
    assert (holds.days, holds.rows) == (days, rows)
    assert export(season, store, tmp_path / "ledger", first) == rows
    # What holds is still told with the manifest that stands for all before.
    assert holds.head == verify(season, store).head


def test_an_open_day_before_those_that_were_asked_for_is_not_checked(
    season: sa.Engine, store: LocalStore
) -> None:
    execute(season, "UPDATE soccer.prediction_ledger SET model_version = 9 WHERE match_id = 4")
    verify(season, store, FIRST + 4 * DAY)


def test_entries_that_are_put_before_the_first_day_are_found(
    season: sa.Engine, store: LocalStore
) -> None:
    execute(
        season,
        "UPDATE soccer.prediction_ledger SET made_at = '2024-03-01', match_id = 5"
        " WHERE match_id = 4",
    )
    with pytest.raises(LedgerBroken, match="entries before the first closed day"):
        verify(season, store)


def test_a_chain_that_was_made_anew_is_told_from_the_one_that_was_told_of(
    season: sa.Engine, store: LocalStore, tmp_path: Path
) -> None:
    closed = close_days(season, store, NOON + 3 * DAY)
    known = (max(closed), closed[max(closed)])
    verify(season, store, known=known)
    execute(season, "DELETE FROM soccer.prediction_ledger WHERE match_id = 3")
    execute(season, "DELETE FROM soccer.prediction_ledger_day")
    forged = LocalStore(tmp_path / "forged")
    close_days(season, forged, NOON + 3 * DAY)
    verify(season, forged)
    with pytest.raises(LedgerBroken, match=r"^2024-03-11: .* told of before"):
        verify(season, forged, known=known)


def test_a_day_of_a_restored_database_does_not_replace_the_manifest_that_there_was(
    season: sa.Engine, store: LocalStore
) -> None:
    before = contents(store)
    reopened(season, store)
    deleted(season, store)
    with pytest.raises(LedgerBroken, match="2024-03-11: the lake has another manifest"):
        close_days(season, store, NOON + 3 * DAY)
    assert contents(store) == before


def test_a_lost_manifest_is_made_again_of_what_was_recorded_or_not_at_all(
    season: sa.Engine, store: LocalStore
) -> None:
    before = contents(store)
    lost(season, store)
    close_days(season, store, NOON + 3 * DAY)
    assert contents(store) == before
    lost(season, store)
    deleted(season, store)
    with pytest.raises(LedgerBroken, match="2024-03-11: its manifest is gone"):
        close_days(season, store, NOON + 3 * DAY)


def test_an_exported_ledger_is_checked_by_what_is_exported_with_it(
    season: sa.Engine, store: LocalStore, tmp_path: Path
) -> None:
    folder = tmp_path / "ledger"
    assert export(season, store, folder) == 4
    here, there = verify(season, store), check_folder(folder)
    assert (here.days, here.rows, here.head) == (there.days, there.rows, there.head) == (
        3, 4, here.head,
    )  # fmt: skip
    command = [sys.executable, "-I", "-S", str(folder / "verify.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("4 predictions and 3 closed days hold")
    later = tmp_path / "later"
    assert export(season, store, later, FIRST + DAY) == 2
    assert check_folder(later).head == here.head
