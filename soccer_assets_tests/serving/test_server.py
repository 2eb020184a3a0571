"""Real workers over real HTTP."""

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
import sqlalchemy as sa

from soccer_assets.serving.client import (
    WorkerClient,
    WorkerRefused,
    WorkerUnreachable,
)
from soccer_assets.serving.reloading.roll import reload_workers
from soccer_assets.serving.server import ServiceProcess
from soccer_assets_tests.serving.conftest import Database, Gate

pytestmark = pytest.mark.system

TOKEN = "process-test-token"


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(hours=3)


def wait_for_version(client: WorkerClient, version: int) -> None:
    deadline = time.monotonic() + 10
    while client.ready().version != version:
        assert time.monotonic() < deadline, client.ready()
        time.sleep(0.05)


def test_from_no_champion_to_the_second_one(database: Database) -> None:
    database.add_match(1, soon())
    with (
        ServiceProcess(database.url, TOKEN) as process,
        WorkerClient(process.base_url, TOKEN) as client,
        WorkerClient(process.base_url, "not-the-token") as stranger,
    ):
        assert client.ready().reason == "no champion is served yet"
        database.serve(1, at=datetime.now(UTC))
        wait_for_version(client, 1)  # by itself

        database.serve(2, at=datetime.now(UTC), probabilities=(0.1, 0.2, 0.7))
        assert client.model().version == 1
        with pytest.raises(WorkerRefused, match="wrong bearer token"):
            stranger.reload()
        (report,) = reload_workers([client], 2)
        assert (report.version_before, report.version_after, report.ready) == (1, 2, True)
        assert client.model().run_id == "run-2"
        assert [row.p_away for row in client.predictions(10).predictions] == [0.7]
        answer = httpx.get(f"{process.base_url}/predictions/1")
        assert answer.headers["X-Model-Version"] == "2"

        command = Path(f"/proc/{process.pid}/cmdline")
        if command.exists():
            assert TOKEN.encode() not in command.read_bytes()
            assert database.url.encode() not in command.read_bytes()
    with pytest.raises(WorkerUnreachable):
        WorkerClient(process.base_url, TOKEN).ready()


def test_a_dead_worker_leaves_all_on_the_old_model(database: Database) -> None:
    database.add_match(1, soon())
    database.serve(1, at=datetime.now(UTC))
    first, dead, last = (ServiceProcess(database.url, TOKEN) for _ in range(3))
    with first, last:
        with dead:
            clients = [WorkerClient(worker.base_url, TOKEN) for worker in (first, dead, last)]
        for client in (clients[0], clients[2]):
            wait_for_version(client, 1)
        database.serve(2, at=datetime.now(UTC))
        reports = reload_workers(clients, 2, timeout=5)
        assert [(report.ok, report.restored) for report in reports] == [(True, True), (False, None)]
        assert [clients[number].model().version for number in (0, 2)] == [1, 1]

        with dead:  # the same object and port again
            reports = reload_workers(clients, 2, timeout=5)
        assert [report.ok for report in reports] == [True] * 3


def test_a_worker_whose_reload_hangs_still_ends_when_it_is_told_to(database: Database) -> None:
    """The thread of the reload waits for a database that is silent: nobody waits for it."""
    database.serve(1, at=datetime.now(UTC))
    with (
        ServiceProcess(database.url, TOKEN) as process,
        WorkerClient(process.base_url, TOKEN, timeout=1.0) as client,
    ):
        wait_for_version(client, 1)
        with database.engine.begin() as holder:
            holder.execute(sa.text("LOCK TABLE soccer.served_model"))
            with pytest.raises(WorkerUnreachable):
                client.reload()
            assert client.ready().version == 1
            assert process.pid is not None
            os.kill(process.pid, signal.SIGTERM)
            gone, _ = psutil.wait_procs([psutil.Process(process.pid)], timeout=25)
            assert gone  # a statement's own limit is 30 s


def test_a_worker_ends_with_a_parent_that_is_killed() -> None:
    code = (
        "from soccer_assets.serving.server import ServiceProcess;"
        "process = ServiceProcess('postgresql+psycopg2://127.0.0.1:1/none', None).start();"
        "print(process.pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    gone, _ = psutil.wait_procs([worker], timeout=60)
    assert gone


def test_a_worker_that_cannot_start_says_why_without_secrets() -> None:
    url = "not-a-url-with-hunter2"
    with pytest.raises(RuntimeError, match="ended with exit code 1") as failure:
        ServiceProcess(url, TOKEN).start()
    assert "POSTGRES_URL: not like postgresql:" in str(failure.value)
    assert "hunter2" not in str(failure.value)


def test_a_port_in_use_is_an_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = ServiceProcess("postgresql:///x", TOKEN, port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            process.start()


def test_needs_neither_dagster_nor_mlflow() -> None:
    code = (
        "import sys, soccer_assets.serving.server, soccer_assets.serving.client;"
        "assert not {'dagster', 'mlflow', 'pandas', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_worker_starts_from_what_it_kept_while_postgres_is_away_and_goes_on(
    database: Database, tmp_path: Path
) -> None:
    """The database is behind a port of its own, which is closed and opened again."""
    database.add_match(1, soon())
    database.serve(1, at=datetime.now(UTC))
    with Gate(database.url) as gate:
        worker = ServiceProcess(gate.url, TOKEN, state=tmp_path)
        with worker, WorkerClient(worker.base_url) as client:
            wait_for_version(client, 1)
            kept = tmp_path / "snapshot"
            deadline = time.monotonic() + 10
            while not kept.exists():
                assert time.monotonic() < deadline
                time.sleep(0.05)
        gate.close()
        with worker, WorkerClient(worker.base_url, TOKEN) as client:
            wait_for_version(client, 1)
            ready = client.ready()
            assert (ready.ready, ready.source) == (True, "disk")
            assert ready.last_error is not None
            answer = httpx.get(f"{worker.base_url}/predictions/1").json()
            assert (answer["source"], answer["stale"]) == ("disk", False)
            assert answer["as_of"] is not None
            health = httpx.get(f"{worker.base_url}/healthz").json()
            assert (health["source"], health["as_of"]) == ("disk", answer["as_of"])
            assert client.predictions(1).source == "disk"

            database.serve(2, at=datetime.now(UTC))
            gate.open()
            wait_for_version(client, 2)  # by itself
            assert (client.ready().source, client.ready().last_error) == ("database", None)


def test_a_roll_that_fails_on_one_worker_leaves_all_with_the_champion_before(
    database: Database,
) -> None:
    database.add_match(1, soon())
    database.serve(1, at=datetime.now(UTC), probabilities=(0.6, 0.3, 0.1))
    with (
        ServiceProcess(database.url, TOKEN) as one,
        ServiceProcess(database.url, TOKEN) as two,
        ServiceProcess(database.url, "another-token") as refuses,
        WorkerClient(one.base_url, TOKEN) as first,
        WorkerClient(two.base_url, TOKEN) as second,
        WorkerClient(refuses.base_url, TOKEN) as third,
    ):
        for client in (first, second, third):
            wait_for_version(client, 1)
        with pytest.raises(WorkerRefused, match="no other champion was served here lately"):
            first.restore()
        with pytest.raises(WorkerRefused, match="wrong bearer token"):
            third.restore()
        database.serve(2, at=datetime.now(UTC), probabilities=(0.1, 0.2, 0.7))
        reports = reload_workers([first, second, third], 2, expected_run="run-2")
        assert [report.ok for report in reports] == [True, True, False]
        assert [report.restored for report in reports] == [True, True, None]
        for client in (first, second, third):
            assert client.model().run_id == "run-1"
            assert [row.p_away for row in client.predictions(10).predictions] == [0.1]
        # When the third is well again, all of them go on to the new champion.
        with WorkerClient(refuses.base_url, "another-token") as well:
            reports = reload_workers([first, second, well], 2, expected_run="run-2")
            assert all(report.ok for report in reports)
            assert {client.model().run_id for client in (first, second, well)} == {"run-2"}


def test_head_over_a_connection_that_goes_on(database: Database) -> None:
    """A body after the headers would be taken for the next answer."""
    database.add_match(1, soon())
    database.serve(1, at=datetime.now(UTC))
    with (
        ServiceProcess(database.url, TOKEN) as process,
        httpx.Client(base_url=process.base_url, trust_env=False) as http,
        WorkerClient(process.base_url, TOKEN) as client,
    ):
        wait_for_version(client, 1)
        for path in ("/healthz", "/readyz", "/predictions/1", "/predictions", "/metrics", "/docs"):
            head, got = http.head(path), http.get(path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-type"] == got.headers["content-type"]
            assert "transfer-encoding" not in head.headers
            assert int(head.headers["content-length"]) > 0
            assert len(got.content) > 0
