"""Containers that share one home: process ids of the one mean nothing, or others, in the other."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from soccer_assets.warehouse.embedded import leave_embedded_postgres, start_embedded_postgres

pytestmark = pytest.mark.system

#: A process namespace, mounts and shared memory of its own, which end with their first process.
CONTAINER = ["unshare", "--pid", "--mount", "--ipc", "--fork", "--kill-child", "--mount-proc"]
#: Sees the home in a place of its own, as a volume is.
MOUNT = 'mkdir -p "$2" && mount --bind "$1" "$2" && shift 2 && exec "$@"'
#: Commits rows, one a transaction, and answers with the server's process id and start time.
WRITES = """
import sys
from pathlib import Path
import sqlalchemy as sa
from soccer_assets.warehouse.embedded import start_embedded_postgres
engine = sa.create_engine(start_embedded_postgres(Path(sys.argv[1]) / "postgres"))
print("up", flush=True)
for line in sys.stdin:
    for row in range(*map(int, line.split())):
        while True:
            try:
                with engine.begin() as connection:
                    connection.execute(sa.text(
                        f"INSERT INTO written VALUES ({row}) ON CONFLICT DO NOTHING"
                    ))
                break
            except sa.exc.OperationalError:  # the server has gone in the middle: ask it again
                continue
    with engine.connect() as connection:
        print(connection.scalar(sa.text("SELECT pg_postmaster_start_time()::text")), flush=True)
engine.dispose()
"""


def why_not() -> str:
    """Why containers cannot be had here, if so."""
    try:
        done = subprocess.run([*CONTAINER, "mount"], capture_output=True, text=True, timeout=60)
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip()


@dataclass(frozen=True)
class Container:
    process: subprocess.Popen[str]

    def ask(self, first: int, last: int) -> None:
        """Have it write these rows."""
        assert self.process.stdin
        print(first, last, file=self.process.stdin, flush=True)

    def answer(self) -> str:
        assert self.process.stdout
        answer = self.process.stdout.readline().strip()
        assert answer, "it ended"
        return answer

    def write(self, first: int, last: int) -> str:
        self.ask(first, last)
        return self.answer()

    def leave(self) -> None:
        self.process.communicate(timeout=240)
        assert self.process.returncode == 0

    def kill(self) -> None:
        """And everything in it."""
        self.process.kill()
        self.process.wait(60)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    url = start_embedded_postgres(home / "postgres")
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text("CREATE TABLE written (row int PRIMARY KEY)"))
    leave_embedded_postgres(home / "postgres")
    return home


@pytest.fixture
def container(home: Path, tmp_path: Path) -> Iterator[Callable[[str], Container]]:
    """Starts one that sees the home at a path of this name."""
    reason = why_not()
    if reason:
        pytest.skip(f"no containers here: {reason}")
    with ExitStack() as stack:

        def start(name: str) -> Container:
            container = Container(
                subprocess.Popen(
                    [
                        *CONTAINER,
                        *("sh", "-c", MOUNT, "sh", home, tmp_path / name),
                        *(sys.executable, "-c", WRITES, tmp_path / name),
                    ],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(container.kill)
            assert container.answer() == "up"
            return container

        yield start


@contextmanager
def written(home: Path) -> Iterator[list[int]]:
    url = start_embedded_postgres(home / "postgres")
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        yield list(connection.scalars(sa.text("SELECT row FROM written ORDER BY row")))
    leave_embedded_postgres(home / "postgres")


def test_containers_share_one_server_and_no_row_is_lost(
    container: Callable[[str], Container], home: Path
) -> None:
    first = container("first")
    second = container("second" + "x" * 100)
    first.ask(0, 200)
    second.ask(1000, 1200)
    server = first.answer()
    assert second.answer() == server
    # Who started it leaves, and takes nothing with it.
    third = container("third")
    second.leave()
    assert third.write(2000, 2010) == server
    assert (home / "postgres" / "postmaster.pid").exists()
    third.leave()
    assert first.write(200, 210) == server
    first.leave()
    # The last one has stopped it, whoever started it.
    assert not (home / "postgres" / "postmaster.pid").exists()
    with written(home) as rows:
        assert rows == [*range(210), *range(1000, 1200), *range(2000, 2010)]


@pytest.mark.slow
def test_a_container_that_is_killed_takes_the_server_with_it_and_no_row(
    container: Callable[[str], Container], home: Path
) -> None:
    first = container("first")
    second = container("second")
    server = second.write(0, 10)
    second.ask(10, 300)
    time.sleep(0.1)
    first.kill()  # the server was its own
    assert second.answer() != server
    third = container("third")
    third.write(1000, 1010)
    second.kill()
    third.write(1010, 1020)
    third.leave()
    with written(home) as rows:
        assert rows == [*range(300), *range(1000, 1020)]
