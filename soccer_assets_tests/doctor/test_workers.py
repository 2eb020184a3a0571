"""What an operator reads of prediction workers, which are real ones."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psutil
import pytest
import sqlalchemy as sa

from soccer_assets.doctor.finding import Wrong
from soccer_assets.doctor.services import Services
from soccer_assets.doctor.workers import Workers
from soccer_assets.serving.client import WorkerClient
from soccer_assets.serving.server import ServiceProcess
from soccer_assets_tests.doctor.conftest import NOWHERE
from soccer_assets_tests.serving.conftest import Database

TOKEN = "hush"
HOUR = timedelta(hours=1)


@pytest.fixture
def database(database_url: str, engine: sa.Engine) -> Database:
    return Database(database_url, engine)


def told(services: Services, *, published: bool = True) -> str:
    return Workers(services).look(published=published).see()


def test_without_a_worker_there_is_nothing_wrong(services: Services) -> None:
    assert told(services).startswith("none runs in this home: soccer serve starts one")


def test_workers_of_this_home_are_found_and_have_to_serve_what_was_published(
    services: Services, database: Database
) -> None:
    now = datetime.now(UTC)
    database.add_match(1, now + HOUR)
    folder = services.settings.soccer_home / "serving"
    with ServiceProcess(database.url, TOKEN, state=folder) as process:
        url = process.base_url
        with pytest.raises(Wrong, match=f"^{url} is not ready: no champion is served yet"):
            told(services)
        database.serve(1, at=now)
        with WorkerClient(url, TOKEN) as client:
            client.reload()
            assert told(services) == "1 ready, serving version 1"
            database.serve(1, at=now - 100 * HOUR)
            client.reload()
        with pytest.raises(Wrong, match=f"^{url} is not ready: .*old"):
            told(services)


def test_one_that_was_killed_is_missed_and_one_that_hangs_is_named(
    services: Services, database: Database
) -> None:
    now = datetime.now(UTC)
    database.add_match(1, now + HOUR)
    database.serve(1, at=now)
    folder = services.settings.soccer_home / "serving"
    with (
        ServiceProcess(database.url, TOKEN, state=folder) as lives,
        ServiceProcess(database.url, TOKEN, state=folder) as hangs,
        ServiceProcess(database.url, TOKEN, state=folder) as dies,
    ):
        for process in (lives, hangs, dies):
            with WorkerClient(process.base_url, TOKEN) as client:
                client.reload()
        assert told(services) == "3 ready, serving version 1"
        psutil.Process(dies.pid).kill()
        psutil.Process(dies.pid).wait()
        with pytest.raises(Wrong) as wrong:
            told(services)
        assert str(wrong.value) == f"{dies.base_url} was killed: soccer serve starts it again"
        psutil.Process(hangs.pid).suspend()
        try:
            with pytest.raises(Wrong) as wrong:
                told(services)
        finally:
            psutil.Process(hangs.pid).resume()
        first, second = str(wrong.value).split("; ")
        assert first == f"{hangs.base_url}: GET /readyz got no answer (ReadTimeout)"
        assert second.startswith(dies.base_url)


def test_a_worker_that_serves_an_older_version_names_both(
    services: Services, services_of: Callable[..., Services], database: Database
) -> None:
    now = datetime.now(UTC)
    database.add_match(1, now + HOUR)
    database.serve(1, at=now)
    with ServiceProcess(database.url, TOKEN) as process:
        other = services_of(
            postgres_url=services.settings.postgres_url.get_secret_value(),  # type: ignore[union-attr]
            serving_workers=process.base_url,
        )
        with WorkerClient(process.base_url, TOKEN) as client:
            client.reload()
        # What it has to serve, a moment before it looks by itself.
        asked = Workers(other)
        asked._answers.within(60)
        database.serve(2, at=now)
        with pytest.raises(Wrong, match=r"serves version 1, published is 2: materialize serving_w"):
            asked.look(published=True).see()
        assert asked.look(published=False).see() == "1 ready, serving version 1"


def test_workers_that_are_away_are_all_named_without_a_database(
    services_of: Callable[..., Services],
) -> None:
    services = services_of(
        postgres_url=f"postgresql://user:hush@{NOWHERE}/soccer",
        serving_workers=f"http://{NOWHERE},http://{NOWHERE}/other",
    )
    with pytest.raises(Wrong) as wrong:
        told(services, published=False)
    assert str(wrong.value) == (
        f"http://{NOWHERE}: GET /readyz got no answer (ConnectError); "
        f"http://{NOWHERE}/other: GET /readyz got no answer (ConnectError)"
    )


def test_something_else_that_answers_is_not_taken_for_a_worker(
    services_of: Callable[..., Services],
) -> None:
    from soccer_assets_tests.doctor.test_services import site

    with site(500) as (url, asked):
        bare = url.replace("user:hush@", "")
        with pytest.raises(Wrong, match="GET /readyz answered 500"):
            told(services_of(serving_workers=bare), published=False)
    assert asked == [("/readyz", None)]
