"""Real components for the tests: PostgreSQL, an S3 server, a simulated feed, and real matches."""

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import hypothesis
import pytest
import sqlalchemy as sa

from soccer_assets.clock import utc_now
from soccer_assets.settings import project_folder
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer
from soccer_assets.storage.store import LocalStore, ObjectStore, S3Store
from soccer_assets.warehouse.migrate import migrate
from soccer_assets_tests.databases import copy_of, empty_database, server

# How long an example takes says how busy the machine is.
# Other examples each time find more; a push is not to fail for what another one brought in.
hypothesis.settings.register_profile(
    "untimed", deadline=None, derandomize=bool(os.environ.get("CI"))
)
hypothesis.settings.load_profile("untimed")

# Whoever started the tests may have them ignored (some shells do, in the background), and children
# would not end when they are asked to.
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """A command that is called here has this process end soon after a signal. The signals of later tests
    are for what they test alone."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


#: Where real matches are looked for.
REAL_DATA = Path(os.environ.get("SOCCER_REAL_DATA") or project_folder() / "../shared/data")

#: Modules and packages whose tests take longest. They come first: at the end, one of them would
#: keep a single process busy while the others have nothing left to do.
LONGEST = (
    "replay/test_season.py",
    "durability/test_kills.py",
    "assets/test_whole_graph.py",
    "end_to_end",
    "sources/football_data/test_real.py",
    "test_runs.py",
    "durability",
    "assets",
    "dvc",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        ranks = (rank for rank, path in enumerate(LONGEST) if item.path.is_relative_to(here / path))
        return next(ranks, len(LONGEST))

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def in_a_hurry() -> Iterator[None]:
    """What only a crash of the machine could lose is not waited for: no test is about one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server that lives as long as the test session."""
    with (
        tempfile.TemporaryDirectory(prefix="soccer-", ignore_cleanup_errors=True) as folder,
        server(Path(folder) / "postgres") as url,
    ):
        yield url


@pytest.fixture(scope="session")
def tables(postgres_server: str) -> Iterator[str]:
    """URL of a database with the project's tables, empty, to make copies of."""
    with empty_database(postgres_server) as url:
        migrate(sa.create_engine(url, poolclass=sa.NullPool))
        yield url


@pytest.fixture(scope="session")
def tables_of_dagster_too(tables: str) -> Iterator[str]:
    from soccer_assets.instance import SoccerPostgresStorage

    with copy_of(tables) as url:
        SoccerPostgresStorage(url)
        yield url


@pytest.fixture
def database_url(tables: str) -> Iterator[str]:
    """URL of a database of this test's own, with the project's tables, empty."""
    with copy_of(tables) as url:
        yield url


@pytest.fixture
def household_url(tables_of_dagster_too: str) -> Iterator[str]:
    """The same with Dagster's tables, for processes with an instance of Dagster."""
    with copy_of(tables_of_dagster_too) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """An engine on a database of this test's own, with the project's tables, empty."""
    engine = sa.create_engine(database_url, connect_args={"options": "-c timezone=UTC"})
    yield engine
    engine.dispose()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty lake on disk."""
    return LocalStore(tmp_path / "lake")


@dataclass(frozen=True)
class S3Service:
    """An S3 server on loopback."""

    url: str
    client: Any


@pytest.fixture(scope="session")
def s3_service() -> Iterator[S3Service]:
    boto3 = pytest.importorskip("boto3")
    from moto.server import ThreadedMotoServer

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    yield S3Service(url, client)
    server.stop()


@pytest.fixture
def s3_store(s3_service: S3Service) -> S3Store:
    """An empty lake in a bucket of this test's own."""
    store = S3Store(s3_service.client, f"lake-{uuid4().hex[:12]}", "soccer/lake")
    store.ensure_bucket()
    return store


@pytest.fixture(params=["store", "s3_store"])
def any_store(request: pytest.FixtureRequest) -> ObjectStore:
    """An empty store on disk, then one in S3."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def feed() -> Iterator[FeedServer]:
    """The simulated feed, running."""
    with FeedServer(LeagueSimulator(seed=20), clock=utc_now) as server:
        yield server


@pytest.fixture(scope="session")
def real_matches() -> Path:
    """The file of real matches; the test is skipped where it is absent."""
    path = REAL_DATA / "world_matches.parquet"
    if not path.exists():
        pytest.skip(f"no real matches at {path} (set SOCCER_REAL_DATA)")
    return path


#: A moment in the middle of the simulated season, for tests that freeze the clock.
MIDSEASON = datetime(2025, 3, 1, 12, tzinfo=UTC)
