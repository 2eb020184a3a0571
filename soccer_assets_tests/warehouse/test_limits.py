"""Limits on time and number: of statements, of idle transactions, of connections."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from soccer_assets.settings import Settings
from soccer_assets.warehouse import session
from soccer_assets.warehouse.connection import get_engine
from soccer_assets.warehouse.session import allow_long, open_engine

LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout")


def shown(connection: sa.Connection) -> list[str]:
    return [str(connection.scalar(sa.text(f"SHOW {name}"))) for name in LIMITS]


def with_options(url: str, options: str) -> str:
    made = sa.make_url(url).update_query_dict({"options": options})
    return made.render_as_string(hide_password=False)


def test_transactions_are_limited_and_longer_where_that_is_asked_for(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:
        assert shown(connection) == ["5min", "10min"]
        allow_long(connection)
        assert shown(connection) == ["4h", "4h"]
    with engine.begin() as connection:
        assert shown(connection) == ["5min", "10min"]
    engine.dispose()


def test_an_isolation_can_still_be_chosen(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:
        allow_long(connection)
        connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        level = connection.scalar(sa.text("SHOW transaction_isolation"))
    assert level == "repeatable read"
    engine.dispose()


def test_what_the_operator_has_set_is_his_for_long_ones_too(database_url: str) -> None:
    options = "-c statement_timeout=50s -c idle_in_transaction_session_timeout=70s"
    engine = open_engine(with_options(database_url, options))
    with engine.begin() as connection:
        assert shown(connection) == ["50s", "70s"]
        allow_long(connection)
        assert shown(connection) == ["50s", "70s"]
    engine.dispose()


def test_a_statement_that_takes_too_long_is_ended(database_url: str) -> None:
    engine = open_engine(database_url, statement_seconds=0.05)
    with engine.connect() as connection, pytest.raises(sa.exc.OperationalError, match="timeout"):
        connection.execute(sa.text("SELECT pg_sleep(60)"))
    with engine.begin() as connection:
        allow_long(connection)
        connection.execute(sa.text("SELECT pg_sleep(0.1)"))
    engine.dispose()


def test_a_transaction_that_waits_for_its_client_is_ended_and_its_locks_go(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "IDLE_SECONDS", 0.1)
    idle, other = open_engine(database_url), open_engine(database_url)
    lock = sa.text("SELECT pg_advisory_xact_lock(20)")
    holding = idle.connect()
    holding.execute(lock)
    with other.begin() as waiting:  # which would wait for ever
        waiting.execute(lock)
    with pytest.raises(sa.exc.OperationalError):
        holding.execute(sa.text("SELECT 1"))
    holding.close()
    idle.dispose()
    other.dispose()


def test_a_process_opens_no_more_connections_than_the_settings_say(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_URL", database_url)
    monkeypatch.setenv("POSTGRES_CONNECTIONS", "7")
    engine = get_engine(Settings())
    counted = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = :name"
    )
    seen = []

    def ask(_: int) -> None:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT pg_sleep(0.05)"))
            seen.append(connection.scalar(counted, {"name": f"soccer_assets {os.getpid()}"}))

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(ask, range(40)))
    assert max(seen) == 7
    engine.dispose()


def test_an_export_has_enough_of_them() -> None:
    from soccer_assets.lake.export import WORKERS

    least = Settings.model_fields["postgres_connections"].metadata[0].ge
    assert least >= WORKERS + 2  # the lock, the snapshot
