"""A roll over workers, of which some fail."""

import httpx
import pytest

from soccer_assets.serving.reloading.roll import reload_workers
from soccer_assets_tests.serving.fake_worker import FakeWorker, client_of


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_rolls_over_all_workers_in_order() -> None:
    time = Time()
    workers = [FakeWorker(), FakeWorker(polls_until_ready=3), FakeWorker()]
    clients = [client_of(worker, f"w{n}") for n, worker in enumerate(workers)]
    reports = reload_workers(clients, 2, 10, time.sleep, time)
    assert [report.worker for report in reports] == [
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


def test_no_workers() -> None:
    assert reload_workers([], 2) == []


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
