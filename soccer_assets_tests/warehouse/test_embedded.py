"""The embedded PostgreSQL: one server and one database for all who ask for it."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from soccer_assets.warehouse.embedded import DATABASE, start_embedded_postgres


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded") / "below" / "data"


def in_another_process(data_dir: Path, then: str) -> subprocess.CompletedProcess[str]:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from soccer_assets.warehouse.embedded import start_embedded_postgres\n"
        "print(start_embedded_postgres(Path(sys.argv[1])), flush=True)\n"
        f"{then}\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script, str(data_dir)], capture_output=True, text=True, timeout=60
    )


def started_at(url: str) -> str:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return str(connection.scalar(sa.text("SELECT pg_postmaster_start_time()")))


def test_who_joins_gets_the_same_server_and_database(data_dir: Path) -> None:
    url = start_embedded_postgres(data_dir)
    assert sa.make_url(url).drivername == "postgresql+psycopg2"
    assert sa.make_url(url).database == DATABASE
    start = started_at(url)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE kept (x int)"))
    assert start_embedded_postgres(data_dir) == url
    other = in_another_process(data_dir, "")
    assert (other.stdout.strip(), other.stderr) == (url, "")
    assert started_at(url) == start
    with engine.connect() as connection:
        assert sa.inspect(connection).has_table("kept")


def test_the_server_takes_no_connections_over_the_network(data_dir: Path) -> None:
    engine = sa.create_engine(start_embedded_postgres(data_dir), poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SHOW listen_addresses")) == ""


def test_a_killed_process_does_not_keep_the_server_up(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    killed = in_another_process(data_dir, "os.kill(os.getpid(), signal.SIGKILL)")
    assert killed.returncode == -9
    assert (data_dir / "postmaster.pid").exists()
    assert in_another_process(data_dir, "").returncode == 0
    assert not (data_dir / "postmaster.pid").exists()
