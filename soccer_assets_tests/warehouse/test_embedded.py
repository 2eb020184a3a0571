"""The embedded PostgreSQL: one server and one database for all who ask for it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from soccer_assets.warehouse import embedded
from soccer_assets.warehouse.embedded import (
    DATABASE,
    leave_embedded_postgres,
    start_embedded_postgres,
)
from soccer_assets.warehouse.session import UnusableDatabase

pytestmark = pytest.mark.system

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be several users")

SCRIPT = """
import os, signal, sys, time
from pathlib import Path
import sqlalchemy as sa
from soccer_assets.settings import SettingsError
from soccer_assets.warehouse.embedded import start_embedded_postgres
try:
    url = start_embedded_postgres(Path(sys.argv[1]))
except SettingsError as error:
    sys.exit(str(error))
"""


ASK = """
with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
    print(*connection.execute(sa.text(
        "SELECT datcollate, pg_encoding_to_char(encoding), current_setting('port')"
        " FROM pg_database WHERE datname = current_database()"
    )).one())
"""


def in_another_process(
    data_dir: Path, then: str = "", **options: Any
) -> subprocess.CompletedProcess[str]:
    """A process that joins, does something, and leaves."""
    command = [sys.executable, "-c", SCRIPT + then, str(data_dir)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, **options)


def ask(url: str, query: str) -> Any:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        return connection.scalar(sa.text(query))


def postmaster(data_dir: Path) -> psutil.Process:
    """The server's first process. (Not by postmaster.pid, which may say anything here.)"""
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error):
            is_first = process.info["name"] == "postgres" and process.cmdline()[1] == "-D"
            if is_first and Path(process.cwd()) == data_dir:
                return process
    raise AssertionError(f"no server runs on {data_dir}")


def runs(data_dir: Path) -> bool:
    return (data_dir / "postmaster.pid").exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a table in its database, at rest."""
    data_dir = tmp_path_factory.mktemp("made") / "postgres"
    url = start_embedded_postgres(data_dir)
    ask(url, "CREATE TABLE kept AS SELECT 20 AS x; SELECT 1")
    leave_embedded_postgres(data_dir)
    assert not runs(data_dir)
    return data_dir


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Puts a copy of it where one wants it, and stops what runs there afterwards."""
    copies = []

    def copy(*parts: str) -> Path:
        data_dir = tmp_path.joinpath(*parts or ("postgres",))
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", made, data_dir], check=True)
        copies.append(data_dir)
        return data_dir

    yield copy
    for data_dir in copies:
        leave_embedded_postgres(data_dir)


def test_who_joins_gets_the_same_server_and_database(copied: Callable[..., Path]) -> None:
    data_dir = copied()
    url = start_embedded_postgres(data_dir)
    assert sa.make_url(url).drivername == "postgresql+psycopg2"
    assert sa.make_url(url).database == DATABASE
    start = ask(url, "SELECT pg_postmaster_start_time()::text")
    assert start_embedded_postgres(data_dir) == url
    other = in_another_process(data_dir, "print(url)")
    assert (other.stdout.strip(), other.stderr) == (url, "")
    assert ask(url, "SELECT pg_postmaster_start_time()::text") == start
    assert ask(url, "SELECT x FROM kept") == 20


def test_the_server_takes_no_connections_over_the_network(copied: Callable[..., Path]) -> None:
    assert ask(start_embedded_postgres(copied()), "SHOW listen_addresses") == ""


@pytest.mark.slow
def test_processes_that_start_at_once_in_an_empty_folder_share_one_server(tmp_path: Path) -> None:
    data_dir = tmp_path / "below" / "postgres"
    command = [sys.executable, "-c", SCRIPT + "print(url); sys.stdin.read()", str(data_dir)]
    starts = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for start in starts:
        assert start.stdout
        assert "soccer" in start.stdout.readline()
    postmaster(data_dir)
    for start in starts:
        start.communicate()
    assert not runs(data_dir)


def test_a_killed_process_does_not_keep_the_server_up(copied: Callable[..., Path]) -> None:
    data_dir = copied()
    killed = in_another_process(data_dir, "os.kill(os.getpid(), signal.SIGKILL)")
    assert killed.returncode == -signal.SIGKILL
    assert runs(data_dir)
    assert in_another_process(data_dir).returncode == 0
    assert not runs(data_dir)


def test_a_server_that_comes_up_between_two_looks_answers_at_the_next(
    copied: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = copied().resolve()
    server, other = embedded._server(data_dir), embedded._Server(data_dir)
    look, looks = server._open, 0

    def come_up_after_the_second(**parameters: Any) -> Any:
        nonlocal looks
        looks += 1
        try:
            return look(**parameters)
        finally:
            if looks == 2:
                other.start(DATABASE)

    monkeypatch.setattr(server, "_open", come_up_after_the_second)
    assert ask(start_embedded_postgres(data_dir), "SELECT 1") == 1
    other.leave()


def test_a_killed_server_is_started_again_by_the_next_connection(
    copied: Callable[..., Path],
) -> None:
    data_dir = copied()
    engine = sa.create_engine(start_embedded_postgres(data_dir), pool_pre_ping=True)
    for number in range(2):
        with engine.begin() as connection:
            connection.execute(sa.text(f"INSERT INTO kept VALUES ({number})"))
        killed = postmaster(data_dir)
        killed.kill()
        killed.wait(60)
    with engine.connect() as connection:
        assert list(connection.scalars(sa.text("SELECT x FROM kept ORDER BY x"))) == [0, 1, 20]
    engine.dispose()


@pytest.mark.parametrize("names", [("another process",), ("nothing",)])
def test_what_a_killed_server_left_behind_does_not_keep_the_next_from_starting(
    copied: Callable[..., Path], names: str
) -> None:
    """Its process id is another process's by now, or its files were cut off."""
    data_dir = copied()
    process = str(os.getpid()) if names == ("another process",) else ""
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        (data_dir / name).write_text(f"{process}\n/old/place\n1\n5432\n.\n\n")
    (data_dir / ".s.PGSQL.5432").touch()
    assert ask(start_embedded_postgres(data_dir), "SELECT x FROM kept") == 20


def test_a_server_that_something_else_started_is_not_joined_by_a_second(
    copied: Callable[..., Path],
) -> None:
    data_dir = copied()
    start_embedded_postgres(data_dir)
    for lock in ("postgres.lock", "postgres.users"):
        (data_dir.parent / lock).rename(data_dir.parent / f"{lock}.held")
    (data_dir / ".s.PGSQL.5432").rename(data_dir / "hidden")
    refused = in_another_process(data_dir)
    (data_dir / "hidden").rename(data_dir / ".s.PGSQL.5432")
    for lock in ("postgres.lock", "postgres.users"):
        (data_dir.parent / f"{lock}.held").rename(data_dir.parent / lock)
    assert refused.returncode == 1
    assert "started by something else: stop it" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_server_that_cannot_be_reached_is_left_alone(
    copied: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "PATIENCE_SECONDS", 1)
    data_dir = copied()
    with (
        embedded._alone(data_dir.with_name("postgres.lock")),
        pytest.raises(UnusableDatabase, match="use one container for all, or set POSTGRES_URL"),
    ):
        start_embedded_postgres(data_dir)
    assert not runs(data_dir)


def test_a_server_that_does_not_start_says_why_in_one_line(copied: Callable[..., Path]) -> None:
    data_dir = copied()
    with (data_dir / "postgresql.conf").open("a") as configuration:
        configuration.write("\nno_such_setting = 1\n")
    with pytest.raises(UnusableDatabase, match="no_such_setting") as refused:
        start_embedded_postgres(data_dir)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "parts",
    [("My Projects", "it's soc%cer#1 \"$(x)`é⚽\\ü"), ("x" * 90, "y, z?&;=:" * 9)],
    ids=["odd characters", "longer than a socket's path, with commas"],
)
def test_a_folder_can_be_anywhere_and_be_moved(
    copied: Callable[..., Path], parts: tuple[str, ...], tmp_path: Path
) -> None:
    data_dir = copied(*parts, "postgres")
    url = start_embedded_postgres(data_dir)
    assert ask(url, "SELECT x FROM kept") == 20
    other = in_another_process(data_dir, ASK)
    assert (other.stdout.split(), other.stderr) == (["C", "UTF8", "5432"], "")
    postmaster(data_dir).kill()
    leave_embedded_postgres(data_dir)
    moved = tmp_path / "moved"
    data_dir.parent.rename(moved)
    assert ask(start_embedded_postgres(moved / "postgres"), "SELECT x FROM kept") == 20
    leave_embedded_postgres(moved / "postgres")
    assert not runs(moved / "postgres")


def test_a_folder_that_was_half_made_is_made_anew(tmp_path: Path) -> None:
    """By a process that was killed, whose children may still be at it."""
    data_dir = tmp_path / "postgres"
    aside = tmp_path / "postgres.new"
    aside.mkdir()
    (aside / "PG_VERSION").write_text("18\n")  # of a power cut
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(data_dir)])
    while not (aside / "global").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not data_dir.exists()
    url = start_embedded_postgres(data_dir)
    assert ask(url, "SELECT 1") == 1
    assert not aside.exists()
    leave_embedded_postgres(data_dir)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "thesis.txt").touch()
    with pytest.raises(UnusableDatabase, match="move it away"):
        start_embedded_postgres(tmp_path / "postgres")
    leave_embedded_postgres(tmp_path / "postgres")


@pytest.mark.slow
def test_the_users_settings_do_not_reach_the_server(tmp_path: Path) -> None:
    data_dir = tmp_path / "postgres"
    environment = {**os.environ, "LC_ALL": "xx_YY.UTF-8", "PGPORT": "7777", "PGDATA": "/nowhere"}
    asked = in_another_process(data_dir, ASK, env=environment)
    assert (asked.stdout.split(), asked.stderr) == (["C", "UTF8", "5432"], "")


@as_root
def test_root_runs_the_server_as_who_owns_the_folder(copied: Callable[..., Path]) -> None:
    data_dir = copied()
    before = data_dir.parent.stat().st_mode
    for path in (data_dir, *data_dir.rglob("*")):
        os.chown(path, 4711, 4711)
    data_dir.chmod(0o755)
    assert ask(start_embedded_postgres(data_dir), "SELECT x FROM kept") == 20
    assert postmaster(data_dir).uids().effective == 4711
    assert data_dir.parent.stat().st_mode == before, "others are let in where they had no business"


@as_root
def test_a_folder_that_root_has_copied_is_handed_to_who_runs_the_server(
    copied: Callable[..., Path],
) -> None:
    data_dir = copied()
    for path in (data_dir, *data_dir.rglob("*")):
        os.chown(path, 0, 0)
    assert ask(start_embedded_postgres(data_dir), "SELECT x FROM kept") == 20
    assert postmaster(data_dir).uids().effective != 0


@as_root
def test_a_folder_of_another_user_is_refused_in_one_line(
    copied: Callable[..., Path], tmp_path: Path
) -> None:
    data_dir = copied()
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents:  # pytest's own are closed to others
        if folder != Path(gettempdir()) and folder.is_relative_to(gettempdir()):
            folder.chmod(0o711)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        pool.submit(os.setuid, 4711).result(60)
        refusal = pool.submit(start_embedded_postgres, data_dir).exception(60)
    assert isinstance(refusal, UnusableDatabase)
    assert "belongs to user" in str(refusal)
