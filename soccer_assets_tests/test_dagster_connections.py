"""How many connections to PostgreSQL Dagster's processes open."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from soccer_assets.dagster_connections import budget
from soccer_assets.runner import open_instance
from soccer_assets.settings import Settings

#: What PostgreSQL has by default, and keeps for its administrators.
MAX_CONNECTIONS, RESERVED = 100, 3


def test_all_processes_of_a_default_installation_fit_into_a_default_server() -> None:
    assert sum(budget(Settings()).values()) <= MAX_CONNECTIONS - RESERVED


def test_the_budget_follows_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_CONNECTIONS", "10")
    monkeypatch.setenv("DAGSTER_CONNECTIONS", "8")
    assert budget(Settings(), runs=1, commands=0, workers=0) == {
        "webserver": 25,
        "daemon": 25,
        "code server": 35,
        "runs": 23,
        "commands": 0,
        "workers": 0,
        "step workers": 0,
    }


def test_each_process_of_a_step_worker_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert budget(Settings(), step_workers=3)["step workers"] == 3 * 20
    more = sum(budget(Settings(), step_workers=4).values()) - sum(budget(Settings()).values())
    assert more == 4 * 20
    monkeypatch.setenv("POSTGRES_CONNECTIONS", "10")
    monkeypatch.setenv("DAGSTER_CONNECTIONS", "8")
    assert budget(Settings(), step_workers=1)["step workers"] == 3 * 8 + 1 + 10 + 3 + 1


@pytest.mark.parametrize("as_webserver", [False, True])
def test_however_many_ask_a_process_opens_no_more_than_its_share(
    household_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_webserver: bool
) -> None:
    monkeypatch.setenv("SOCCER_HOME", str(tmp_path))
    monkeypatch.setenv("POSTGRES_URL", household_url)
    monkeypatch.setenv("DAGSTER_CONNECTIONS", "2")
    seen = []
    counted = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = :name"
    )
    with open_instance() as instance:
        if as_webserver:  # whatever its command line says
            instance.optimize_for_webserver(15_000, 3600, 20)
        events = instance.event_log_storage

        def ask(_: int) -> None:
            instance.get_run_records(limit=1)
            instance.get_daemon_heartbeats()
            instance.all_instigator_state()
            events.get_asset_records([dg.AssetKey("match")])
            with events.index_connection() as connection:  # type: ignore[attr-defined]
                connection.exec_driver_sql("SELECT pg_sleep(0.02)")
                name = f"soccer_assets {os.getpid()}"
                seen.append(connection.execute(counted, {"name": name}).scalar_one())

        with ThreadPoolExecutor(16) as threads:
            list(threads.map(ask, range(48)))
    assert 2 < max(seen) <= 3 * 2


def test_the_instances_of_a_process_share_their_connections(
    household_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A code server opens one for each tick."""
    monkeypatch.setenv("SOCCER_HOME", str(tmp_path))
    monkeypatch.setenv("POSTGRES_URL", household_url)
    with ExitStack() as stack:
        instances = [stack.enter_context(open_instance()) for _ in range(5)]
        for instance in instances:
            instance.get_run_records(limit=1)
            instance.all_instigator_state()
            instance.event_log_storage.get_asset_records([dg.AssetKey("match")])
        with sa.create_engine(household_url, poolclass=sa.NullPool).connect() as connection:
            name = f"soccer_assets {os.getpid()}"
            found = connection.scalar(
                sa.text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name"),
                {"name": name},
            )
    assert found == 3


def test_connections_that_the_server_has_closed_are_replaced(
    household_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOCCER_HOME", str(tmp_path))
    monkeypatch.setenv("POSTGRES_URL", household_url)
    admin = sa.create_engine(household_url, poolclass=sa.NullPool)
    with open_instance() as instance:
        for _ in range(2):
            assert instance.get_run_records() == []
            assert instance.all_instigator_state() == []
            assert instance.event_log_storage.get_asset_records() == []
            with admin.connect() as connection:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
