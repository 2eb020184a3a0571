"""What a step worker opens to PostgreSQL, counted while it works."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
import pytest

from soccer_assets.dagster_connections import STORAGES, of_step_worker
from soccer_assets.settings import Settings
from soccer_assets_tests.services.machines import DAYS, MONTHS, Machine
from soccer_assets_tests.services.servers import postgres, rabbitmq

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(1800)]

PROCESSES = 2
_NAMES = (
    "SELECT application_name, count(*) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' GROUP BY 1"
)


@contextmanager
def counted(url: str) -> Iterator[Counter[int]]:
    """The most connections that each process of a step worker has had at once, by its number."""
    most: Counter[int] = Counter()
    done = threading.Event()

    def look() -> None:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not done.wait(0.02):
                cursor.execute(_NAMES)
                for name, count in cursor.fetchall():
                    with suppress(ValueError, psutil.Error):
                        process = psutil.Process(int(name.rpartition(" ")[2]))
                        if "step-worker" in process.cmdline():
                            most[process.pid] = max(most[process.pid], count)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield most
    finally:
        done.set()
        looking.join(10)


def test_no_process_of_a_step_worker_opens_more_than_the_budget_says(
    place: Path, season: dict[str, str]
) -> None:
    home = place / "connections"
    home.mkdir(mode=0o755)
    with postgres(home) as url, rabbitmq(home) as broker, counted(url) as most:
        settings = {
            **season,
            "POSTGRES_URL": url,
            "LAKE_URI": str(home / "lake"),
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",  # nobody asks it
            "SOCCER_EXECUTOR": "celery",
            "SOCCER_CELERY_BROKER": broker,
        }
        starter, worker = Machine(home / "starter", settings), Machine(home / "worker", settings)
        try:
            starter.run("soccer", "migrate")
            worker.start("soccer", "step-worker", "--processes", str(PROCESSES))
            starter.finish(starter.job("ingest", *DAYS))
            starter.finish(starter.job("export", *MONTHS))
        finally:
            starter.end()
            worker.end()
    print(f"most of a process: {dict(most)}")
    assert 0 < len(most) <= PROCESSES  # what only hands steps to them opens none
    assert STORAGES < max(most.values()) <= of_step_worker(Settings())
