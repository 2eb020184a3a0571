import traceback
from collections.abc import Callable

import httpx
import pytest

from soccer_assets.serving.client import (
    WorkerClient,
    WorkerRefused,
    WorkerUnreachable,
    reload_workers,
    stranger,
)

TOKEN = "very-secret-token"


class FakeWorker:
    """A worker whose database holds ``served``; it can be dead or slow to get ready."""

    def __init__(self, served: int = 2, *, dead: bool = False, polls_until_ready: int = 0) -> None:
        self.served = served
        self.loaded = 1
        self.dead = dead
        self.polls_until_ready = polls_until_ready
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.dead:
            raise httpx.ConnectError(f"refused {request.headers}", request=request)
        if request.url.path in ("/reload", "/restore"):
            now = self.served if request.url.path == "/reload" else 1
            before, self.loaded = self.loaded, now
            return httpx.Response(
                200,
                json={
                    "version_before": before,
                    "version_after": self.loaded,
                    "run_id": "r",
                    "n_predictions": 0,
                    "loaded_at": "2025-03-01T12:00:00Z",
                },
            )
        if request.url.path == "/readyz":
            self.polls_until_ready -= 1
            if self.polls_until_ready >= 0:
                return httpx.Response(503, json={"ready": False, "reason": "still loading"})
            return httpx.Response(200, json={"ready": True, "version": self.loaded})
        assert request.url.path == "/model"
        return httpx.Response(
            200,
            json={
                "name": "m",
                "version": self.loaded,
                "run_id": "r",
                "data_revision": "d",
                "metrics": {},
                "n_predictions": 0,
                "age_seconds": 0,
                **dict.fromkeys(
                    ("promoted_at", "refreshed_at", "loaded_at"), "2025-03-01T12:00:00Z"
                ),
            },
        )


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def client_of(answer: Callable[[httpx.Request], httpx.Response], name: str = "w") -> WorkerClient:
    return WorkerClient(f"http://{name}:8000", TOKEN, transport=httpx.MockTransport(answer))


def test_rolls_over_all_workers_in_order() -> None:
    time = Time()
    workers = [FakeWorker(), FakeWorker(polls_until_ready=3), FakeWorker()]
    clients = [client_of(worker, f"w{n}") for n, worker in enumerate(workers)]
    reports = reload_workers(clients, 2, 10, time.sleep, time)
    assert [report.url for report in reports] == [
        "http://w0:8000",
        "http://w1:8000",
        "http://w2:8000",
    ]
    assert all(report.ok and report.ready for report in reports)
    assert [(report.version_before, report.version_after) for report in reports] == [(1, 2)] * 3
    assert reports[1].seconds == pytest.approx(0.6)


def test_a_dead_worker_stops_the_roll() -> None:
    workers = [FakeWorker(), FakeWorker(dead=True), FakeWorker()]
    reports = reload_workers([client_of(worker) for worker in workers], 2)
    assert [report.ok for report in reports] == [True, False]
    assert "POST /reload got no answer (ConnectError)" in str(reports[1].error)
    assert workers[2].asked == []
    assert workers[2].loaded == 1


def test_a_worker_that_never_gets_ready_times_out() -> None:
    time = Time()
    workers = [FakeWorker(polls_until_ready=10_000), FakeWorker()]
    (report,) = reload_workers([client_of(worker) for worker in workers], 2, 5, time.sleep, time)
    assert "not ready: still loading (after 5 s)" in str(report.error)
    assert report.ready is False
    assert report.version_after == 2
    assert workers[1].asked == []


def test_another_version_than_expected_fails_at_once() -> None:
    worker = FakeWorker(served=3)
    (report,) = reload_workers([client_of(worker)], 2)
    assert "loaded version 3, not 2" in str(report.error)
    assert worker.asked == ["/reload"]


def test_the_same_version_of_another_registry_fails_at_once() -> None:
    worker = FakeWorker()
    (report,) = reload_workers([client_of(worker)], 2, expected_run="another")
    assert "loaded the model of run r, not of another" in str(report.error)
    assert worker.asked == ["/reload", "/restore"]
    (report,) = reload_workers([client_of(FakeWorker())], 2, expected_run="r")
    assert report.ok


def test_a_stranger_is_known_by_its_token_or_by_its_model() -> None:
    def refusing(status: int) -> Callable[[httpx.Request], httpx.Response]:
        return lambda _: httpx.Response(status, json={"detail": "no"})

    for status in (401, 403):
        assert stranger(client_of(refusing(status)), "r") == "it does not know the reload token"
    assert stranger(client_of(FakeWorker()), "another") == "it serves the model of run r"
    # These are its own, in trouble or not: that is for the reload to tell.
    assert stranger(client_of(FakeWorker()), "r") is None
    assert stranger(client_of(FakeWorker())) is None
    assert stranger(client_of(refusing(503)), "r") is None
    assert stranger(client_of(FakeWorker(dead=True)), "r") is None


def test_no_workers() -> None:
    assert reload_workers([], 2) == []


def test_errors_never_hold_the_token() -> None:
    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"detail": f"bad {request.headers['authorization']}"})

    with pytest.raises(WorkerRefused) as refused:
        client_of(echo).reload()
    assert refused.value.status_code == 401
    with pytest.raises(WorkerUnreachable) as unreachable:
        client_of(FakeWorker(dead=True)).reload()
    for error in (refused.value, unreachable.value):
        assert TOKEN not in "".join(traceback.format_exception(error))
        assert error.__cause__ is None
        assert error.__context__ is None
    assert TOKEN not in repr(client_of(echo))
    with pytest.raises(ValueError, match="no HTTP header") as invalid:
        WorkerClient("http://w", f"{TOKEN}\n")
    assert TOKEN not in str(invalid.value)


def test_the_token_goes_only_with_the_reload() -> None:
    given: dict[str, str | None] = {}
    worker = FakeWorker()

    def answer(request: httpx.Request) -> httpx.Response:
        given[request.url.path] = request.headers.get("authorization")
        return worker(request)

    client = client_of(answer)
    client.reload()
    client.ready()
    client.model()
    assert given == {"/reload": f"Bearer {TOKEN}", "/readyz": None, "/model": None}


def test_a_url_loses_its_password() -> None:
    assert WorkerClient("http://someone:hunter2@host:80/base/").url == "http://host/base"


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={}),
        httpx.Response(302, headers={"location": "http://elsewhere/"}),
        httpx.Response(502, text="bad gateway"),
        httpx.Response(500, json=["odd"]),
    ],
)
def test_strange_answers_are_refusals(response: httpx.Response) -> None:
    with pytest.raises(WorkerRefused, match="/reload answered"):
        client_of(lambda _: response).reload()


def test_a_roll_that_fails_on_one_worker_restores_those_before_it() -> None:
    workers = [FakeWorker(), FakeWorker(), FakeWorker(dead=True), FakeWorker()]
    reports = reload_workers([client_of(worker) for worker in workers], 2)
    assert [report.restored for report in reports] == [True, True, None]
    assert [worker.loaded for worker in workers] == [1, 1, 1, 1]
    assert workers[3].asked == []


def test_newer_predictions_of_the_same_champion_are_not_taken_back() -> None:
    workers = [FakeWorker(served=1), FakeWorker(served=1, dead=True)]
    reports = reload_workers([client_of(worker) for worker in workers], 1)
    assert [report.restored for report in reports] == [None, None]
    assert "/restore" not in workers[0].asked


def test_a_worker_that_cannot_be_restored_is_told() -> None:
    first = FakeWorker()

    def forgetful(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/restore":
            return httpx.Response(409, json={"detail": "too long ago"})
        return first(request)

    reports = reload_workers([client_of(forgetful), client_of(FakeWorker(dead=True))], 2)
    assert [report.restored for report in reports] == [False, None]
