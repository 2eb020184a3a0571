"""Connections to PostgreSQL while the real daemon works off its queue."""

import time
from collections import Counter
from datetime import timedelta

import psutil
import pytest
import sqlalchemy as sa

from soccer_assets.clock import utc_now
from soccer_assets.dagster_connections import OF_WORKER, budget
from soccer_assets.settings import Settings
from soccer_assets_tests.end_to_end.shell import free_port, open_shell
from soccer_assets_tests.end_to_end.test_automation import automated

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

RUNS = 6
_NAMES = sa.text(
    "SELECT application_name, count(*) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY 1"
)


def role(pid: int) -> str:
    """By the command line of a process, and whether another of ours has forked it."""
    words = psutil.Process(pid).cmdline()
    line = " ".join(words)
    if "dagster_webserver" in line:
        return "webserver"
    if "dagster._daemon" in line:
        return "daemon"
    if "api grpc" in line:
        return "code server"
    if "serve" in words:
        return "worker"
    return "run" if "multiprocessing" in line or "-c" in words else "command"


def test_no_process_opens_more_connections_than_the_budget_says() -> None:
    most: Counter[str] = Counter()
    total, at_once = 0, 0
    allowed = budget(Settings(), runs=1, workers=1)
    today = utc_now().date()
    with open_shell() as shell, automated(shell) as ui, shell.warehouse() as engine:
        port = free_port()
        ready = f"http://127.0.0.1:{port}/healthz"
        with shell.running("soccer", "serve", "--port", str(port), answers_at=ready):
            for place in range(RUNS):
                first = today - timedelta(days=40 * (place + 1))
                ui.ingest(first, first + timedelta(days=30))
            deadline = time.monotonic() + 900
            while not (ui.at_rest() and total) and time.monotonic() < deadline:
                with engine.connect() as connection:
                    found = dict(connection.execute(_NAMES).tuples().all())
                total = max(total, sum(found.values()))
                of_runs = set()
                for name, count in found.items():
                    try:
                        pid = int(name.rpartition(" ")[2])
                    except ValueError:  # it has just connected, and not said yet who it is
                        continue
                    try:
                        of_process = role(pid)
                    except psutil.NoSuchProcess:
                        continue
                    most[of_process] = max(most[of_process], count)
                    if of_process == "run":
                        of_runs.add(pid)
                at_once = max(at_once, len(of_runs))
                time.sleep(0.05)
    print(f"most of a process: {dict(most)}; in all {total}; {at_once} runs at once")
    assert most.keys() >= {"webserver", "daemon", "code server", "run", "worker"}
    assert at_once >= 2
    for of_process in ("webserver", "daemon", "code server"):
        assert most[of_process] <= allowed[of_process]
    assert most["run"] <= allowed["runs"]
    assert most["worker"] <= OF_WORKER
    assert total <= sum(budget(Settings()).values())
