"""What ``POSTGRES_URL`` says reaches every session, and what the project needs is added to it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from dagster._core.storage.event_log import SqlEventLogStorage

from soccer_assets.instance import SoccerPostgresStorage
from soccer_assets.serving.service import serving_engine
from soccer_assets.settings import Settings, get_settings
from soccer_assets.warehouse.connection import database_url as configured_database_url
from soccer_assets.warehouse.connection import get_engine
from soccer_assets.warehouse.session import UnusableDatabase, open_engine, session_url

SETTINGS = ("TimeZone", "client_connection_check_interval", "client_encoding")
AS_WANTED = ["UTC", "5s", "UTF8"]


def show(connection: sa.Connection, *names: str) -> list[str]:
    return [connection.scalar(sa.text(f'SHOW "{name}"')) for name in names]


def with_query(url: str, **query: str) -> str:
    return sa.make_url(url).update_query_dict(query).render_as_string(hide_password=False)


@pytest.fixture
def configured(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """POSTGRES_URL of this process, with parameters of the operator's own."""
    url = with_query(
        database_url,
        options="-c work_mem=7MB -c search_path=soccer,public",
        application_name="theirs",
        sslmode="prefer",
    )
    monkeypatch.setenv("POSTGRES_URL", url)
    yield url
    get_engine(get_settings()).dispose()


def test_every_session_has_what_the_url_says_and_what_the_project_adds(configured: str) -> None:
    storage = SoccerPostgresStorage.from_config_value(None, {})
    events = storage.event_log_storage
    assert isinstance(events, SqlEventLogStorage)
    for opened in (
        get_engine(get_settings()).connect(),
        serving_engine(configured_database_url(get_settings())).connect(),
        serving_engine(configured).connect(),
        events.index_connection(),
        events.run_connection("any"),
    ):
        with opened as connection:
            theirs = show(connection, "work_mem", "search_path", "application_name")
            assert theirs == ["7MB", "soccer,public", "theirs"]
            assert show(connection, *SETTINGS) == AS_WANTED
            assert connection.connection.dbapi_connection.info.dsn_parameters["sslmode"] == "prefer"


def test_sessions_without_a_name_are_named_after_who_opens_them(database_url: str) -> None:
    for engine, name in (
        (open_engine(database_url), f"soccer_assets {os.getpid()}"),
        (serving_engine(session_url(database_url)), f"soccer_serving {os.getpid()}"),
    ):
        with engine.connect() as connection:
            assert show(connection, "application_name") == [name]
        engine.dispose()


def test_what_the_operator_has_set_stays_except_what_rows_depend_on(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    options = "-c client_connection_check_interval=77s -c timezone=Europe/Berlin"
    engine = open_engine(
        with_query(database_url, options=options, keepalives_idle="99"), poolclass=sa.NullPool
    )
    with engine.connect() as connection:
        assert show(connection, *SETTINGS) == ["UTC", "77s", "UTF8"]
        parameters = connection.connection.dbapi_connection.info.dsn_parameters
        assert (parameters["keepalives_idle"], parameters["keepalives_count"]) == ("99", "3")
        assert connection.scalar(sa.text("SELECT 'Malmö – Łódź'")) == "Malmö – Łódź"


def test_a_transaction_is_not_bound_by_limits_that_others_left_in_its_session(
    database_url: str,
) -> None:
    engine = open_engine(with_query(database_url, options="-c statement_timeout=50s"))
    with engine.connect() as connection:
        connection.execute(sa.text("SET statement_timeout = 1"))
        connection.commit()
        assert show(connection, "statement_timeout") == ["50s"]
    engine.dispose()


@pytest.mark.parametrize("rest", ["hunter2@home@host/db", "secret@host:hunter2/db"])
def test_a_url_that_cannot_be_is_refused_without_being_repeated(rest: str) -> None:
    with pytest.raises(UnusableDatabase, match=r"POSTGRES_URL: .*%40 for @") as refused:
        session_url(f"postgresql+psycopg2://user:{rest}")
    assert "hunter2" not in f"{refused.value} {refused.value.__context__}"


def test_a_password_stays_out_of_what_a_refused_connection_says() -> None:
    settings = Settings(postgres_url="postgresql://user:hunter2@127.0.0.1:1/db")  # type: ignore[arg-type]
    assert settings.postgres_url
    engine = open_engine(settings.postgres_url.get_secret_value())
    with pytest.raises(sa.exc.OperationalError) as refused:
        engine.connect()
    assert "127.0.0.1" in str(refused.value)
    assert "hunter2" not in f"{refused.value!r} {refused.value} {engine!r} {engine.url}"


HOLDS_A_LOCK = """
import sys
import sqlalchemy as sa
from soccer_assets.warehouse.session import open_engine
with open_engine(sys.argv[1]).begin() as connection:
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(1)"))
    print("holds it", flush=True)
    connection.execute(sa.text("SELECT pg_sleep(3600)"))
"""


def test_what_a_killed_process_has_locked_is_free_soon(database_url: str) -> None:
    """Though its server process is in the middle of a long statement."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS_A_LOCK, database_url], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "holds it\n"
    engine = open_engine(database_url)
    with engine.begin() as connection:
        lock = sa.text("SELECT pg_try_advisory_xact_lock(1)")
        assert not connection.scalar(lock)
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 120
        while not connection.scalar(lock):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    engine.dispose()
