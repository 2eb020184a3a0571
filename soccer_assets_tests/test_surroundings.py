"""Failures of real services that are away, and failures that another try would not mend."""

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import psycopg2
import pytest
import sqlalchemy as sa

from soccer_assets.dvc.command import DvcError, Occupied
from soccer_assets.feed.faults import FeedFault, FetchFault
from soccer_assets.ingestion.parsing import parse_day
from soccer_assets.serving.client import WorkerClient
from soccer_assets.simulator.server import Fault, FeedServer
from soccer_assets.sources.livescores import LivescoresClient
from soccer_assets.sources.request_policy import RequestPolicy
from soccer_assets.storage.opening import s3_client
from soccer_assets.storage.store import S3Store
from soccer_assets.surroundings import is_of_surroundings
from soccer_assets_tests.conftest import S3Service
from soccer_assets_tests.feed_days import DAY, FETCHED, a_match, a_payload

NOWHERE = "http://127.0.0.1:9"


def error_of(call: Callable[[], Any]) -> BaseException:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        call()
    return raised.value


@pytest.fixture
def feed(feed: FeedServer) -> FeedServer:
    feed.override(DAY, a_payload(a_match(1)))
    return feed


def fault_of(url: str) -> FeedFault:
    """Of a day, through client and parser."""
    with LivescoresClient(url, policy=RequestPolicy(attempts=1, timeout=5)) as client:
        error = error_of(
            lambda: parse_day(DAY, client.fetch(DAY), payload_key="", fetched_at=FETCHED)
        )
    assert isinstance(error, FeedFault)
    return error


@pytest.mark.parametrize("fault", [Fault.http_500(), Fault.http_429(0), Fault.timeout(60)])
def test_a_feed_that_gives_no_answer_is_of_the_surroundings(feed: FeedServer, fault: Fault) -> None:
    feed.inject(DAY, fault)
    assert is_of_surroundings(fault_of(feed.url))


@pytest.mark.parametrize(
    "fault",
    [Fault.html_page(), Fault.truncated_json(), Fault.unknown_status(), Fault.http_429(3600)],
)
def test_what_the_feed_says_is_not_nor_is_its_wish_for_a_long_pause(
    feed: FeedServer, fault: Fault
) -> None:
    feed.inject(DAY, fault)
    assert not is_of_surroundings(fault_of(feed.url))


def test_a_refusal_is_not(feed: FeedServer) -> None:
    with FeedServer(feed.backend, token="right") as guarded:
        refused = fault_of(guarded.url)
    assert isinstance(refused, FetchFault)
    assert not is_of_surroundings(refused)


def test_a_feed_that_is_not_there_is() -> None:
    assert is_of_surroundings(fault_of(NOWHERE))


def test_a_database_that_is_not_there_or_goes_away_is(postgres_server: str) -> None:
    away = "postgresql+psycopg2://127.0.0.1:9/nothing"
    assert is_of_surroundings(error_of(sa.create_engine(away).connect))
    server = sa.create_engine(postgres_server, poolclass=sa.NullPool)
    with server.connect() as victim, server.connect() as killer:
        pid = victim.scalar(sa.text("SELECT pg_backend_pid()"))
        raw = victim.connection.cursor()
        killer.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        error = error_of(lambda: raw.execute("SELECT 1"))
        assert isinstance(error, psycopg2.Error)
        assert is_of_surroundings(error)
        victim.invalidate()


def test_a_statement_that_is_wrong_is_not(postgres_server: str) -> None:
    server = sa.create_engine(postgres_server, poolclass=sa.NullPool)
    with server.connect() as connection:
        for wrong in ("SELECT nothing", "SELECT 1 / 0"):
            assert not is_of_surroundings(error_of(partial(connection.execute, sa.text(wrong))))
            connection.rollback()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soccer_assets.storage.opening.S3_RETRIES", 1)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")


@pytest.mark.usefixtures("credentials")
def test_an_object_store_that_is_not_there_is_and_one_without_the_bucket_is_not(
    s3_service: S3Service,
) -> None:
    away = S3Store(s3_client(NOWHERE, "us-east-1"), "bucket", "")
    assert is_of_surroundings(error_of(lambda: away.put("key", b"")))
    empty = S3Store(s3_client(s3_service.url, "us-east-1"), "no-such-bucket", "")
    assert not is_of_surroundings(error_of(lambda: empty.put("key", b"")))


@pytest.mark.parametrize(("status", "is_so"), [(500, True), (503, True), (403, False)])
def test_an_object_store_is_judged_by_its_status(status: int, is_so: bool) -> None:
    from botocore.exceptions import ClientError

    answer: Any = {"Error": {"Code": "X"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    assert is_of_surroundings(ClientError(answer, "PutObject")) == is_so


def test_a_worker_that_is_not_there_is_and_one_that_refuses_is_not(feed: FeedServer) -> None:
    with WorkerClient(NOWHERE) as away, WorkerClient(feed.url) as other:
        assert is_of_surroundings(error_of(away.model))
        assert not is_of_surroundings(error_of(other.model))


def test_a_command_is_judged_by_what_it_printed() -> None:
    lost = "dvc push exited 1:\nERROR: Could not connect to the endpoint URL: http://..."
    assert is_of_surroundings(DvcError(lost))
    assert is_of_surroundings(Occupied("dvc (PID 7), started by hand, is at work in ..."))
    assert is_of_surroundings(DvcError("dvc repro exited -9:\nRunning stage 'features':"))
    stage = "ERROR: failed to run: python -m soccer_assets.dvc.stages.features, exited with -9"
    assert is_of_surroundings(DvcError(f"dvc repro exited 255:\n{stage}"))
    assert not is_of_surroundings(DvcError("dvc repro exited 1:\nKeyError: 'kickoff'"))


def test_bugs_are_not_and_what_was_raised_for_another_error_is_as_that(feed: FeedServer) -> None:
    for bug in (KeyError("x"), ValueError("x"), AssertionError(), FileNotFoundError("x")):
        assert not is_of_surroundings(bug)
    cause = httpx.ConnectError("refused")

    def wrapped() -> None:
        try:
            raise cause
        except httpx.ConnectError as error:
            raise RuntimeError("no export") from error

    def hidden() -> None:
        try:
            raise cause
        except httpx.ConnectError:
            raise RuntimeError("no such day") from None

    assert is_of_surroundings(error_of(wrapped))
    assert not is_of_surroundings(error_of(hidden))
