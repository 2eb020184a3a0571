"""Workers that are asked over a broker, which is kombu's own, in memory: the mailboxes, the names, the
questions and the answers are those of any broker. Real ones are in ``services/test_broadcast.py``."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from kombu.transport.memory import Transport

from soccer_assets.serving.client import WorkerUnreachable
from soccer_assets.serving.reloading.broadcast import ByBroadcast
from soccer_assets.serving.reloading.listening import Listener, listening
from soccer_assets.serving.reloading.ways import Outcome, Wanted
from soccer_assets.urls import shown
from soccer_assets_tests.serving.fake_worker import TOKEN, FakeWorker, client_of

BROKER = "memory://"
WANTED = Wanted(2, "r")
Listens = Callable[..., Listener]


@pytest.fixture
def listens(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listens]:
    """Has a worker listen by a name."""
    monkeypatch.setattr(Transport, "polling_interval", 0.01)  # by itself it looks once a second
    with ExitStack() as stack:

        def start(name: str, worker: Callable[[httpx.Request], httpx.Response]) -> Listener:
            listener = stack.enter_context(listening(BROKER, name, client_of(worker)))
            assert listener.connected.wait(10)
            return listener

        yield start


def reload(wanted: Wanted = WANTED, *, timeout: float = 5, answer_seconds: float = 5) -> Outcome:
    way = ByBroadcast(BROKER, timeout, ping_seconds=0.5, answer_seconds=answer_seconds)
    return way.reload(wanted)


def test_all_that_answer_are_reloaded_one_after_the_other(listens: Listens) -> None:
    workers = {name: FakeWorker() for name in ("b", "a", "c")}
    asked: list[tuple[str, str]] = []

    def noted(name: str) -> Callable[[httpx.Request], httpx.Response]:
        def answer(request: httpx.Request) -> httpx.Response:
            asked.append((name, request.url.path))
            return workers[name](request)

        return answer

    for name in workers:
        listens(name, noted(name))
    outcome = reload()
    assert (outcome.workers, outcome.failed) == (3, 0)
    assert [report.worker for report in outcome.reports] == ["a", "b", "c"]
    assert all(report.ready and report.version_after == 2 for report in outcome.reports)
    assert asked == [(name, path) for name in "abc" for path in ("/reload", "/readyz", "/model")]


def test_those_before_one_that_fails_are_restored_and_those_after_it_not_touched(
    listens: Listens,
) -> None:
    workers = {name: FakeWorker() for name in "abd"}
    for name, worker in workers.items():
        listens(name, worker)
    listens("c", lambda _: httpx.Response(503, json={"detail": "reload failed: no database"}))
    outcome = reload()
    assert [report.restored for report in outcome.reports] == [True, True, None]
    assert (outcome.workers, outcome.failed) == (4, 2)
    assert outcome.error == "c: POST /reload answered 503: reload failed: no database"
    assert [worker.loaded for worker in workers.values()] == [1, 1, 1]
    assert workers["d"].asked == []


def test_a_failed_one_that_has_loaded_is_restored_as_well(listens: Listens) -> None:
    workers = {"a": FakeWorker(), "b": FakeWorker(polls_until_ready=10_000)}
    for name, worker in workers.items():
        listens(name, worker)
    outcome = reload(timeout=0.5)
    assert outcome.error == "b: not ready: still loading (after 0.5 s)"
    assert [report.restored for report in outcome.reports] == [True, True]
    assert [worker.loaded for worker in workers.values()] == [1, 1]


def test_a_worker_of_another_database_fails(listens: Listens) -> None:
    listens("a", FakeWorker())
    assert "loaded the model of run r, not of another" in str(reload(Wanted(2, "another")).error)


def test_nobody_who_answers_is_an_error_that_may_pass() -> None:
    with pytest.raises(WorkerUnreachable) as nobody:
        reload()
    assert str(nobody.value) == (
        "broker memory://: no prediction worker answered within 0.5 s: soccer serve with "
        "SERVING_RELOAD=celery and this broker starts one"
    )


def test_a_worker_that_is_gone_by_the_time_it_is_asked_fails(listens: Listens) -> None:
    hangs = threading.Event()

    def slow(request: httpx.Request) -> httpx.Response:
        hangs.wait(10)
        raise httpx.ConnectError("late", request=request)

    first = FakeWorker()
    listens("a", first)
    listens("b", slow)
    try:
        outcome = reload(answer_seconds=0.5)
    finally:
        hangs.set()
    assert outcome.error == "b: reload got no answer within 0.5 s"
    assert isinstance(outcome.cause, WorkerUnreachable)
    assert [report.restored for report in outcome.reports] == [True, None]
    assert first.loaded == 1


def test_what_a_worker_says_never_holds_the_token(listens: Listens) -> None:
    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"detail": f"bad {request.headers['authorization']}"})

    listens("a", echo)
    outcome = reload()
    assert "POST /reload answered 401" in str(outcome.error)
    assert TOKEN not in str(outcome)


def test_a_worker_that_has_ended_does_not_answer(listens: Listens) -> None:
    listens("a", FakeWorker())
    gone = listens("b", FakeWorker())
    gone.stop()
    assert [report.worker for report in reload().reports] == ["a"]


@pytest.mark.parametrize(
    "broker", ["amqp://user:hush@127.0.0.1:9//", "redis://:hush@127.0.0.1:9/0"]
)
def test_a_broker_that_is_away_is_told_without_its_password_and_no_concern_of_the_worker(
    broker: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker = FakeWorker()

    def told() -> list[str]:
        said = [record.getMessage() for record in caplog.records]
        return [line for line in said if "cannot be reached" in line]

    with listening(broker, "a", client_of(worker), first_pause=0.1) as listener:
        until = time.monotonic() + 30
        while not told() and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(1.5)  # for a few more attempts
        assert not listener.connected.is_set()
        assert worker.asked == []
    (line,) = told()
    assert line.startswith(f"broker {shown(broker)} cannot be reached (")
    with pytest.raises(WorkerUnreachable, match="no answer, or none that lets us in") as away:
        ByBroadcast(broker).reload(WANTED)
    assert "127.0.0.1:9" in str(away.value)
    assert "hush" not in caplog.text + str(away.value)
