"""What a worker tells Prometheus."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from soccer_assets.serving.metrics import Served, WorkerMetrics
from soccer_assets.serving.service import create_app
from soccer_assets_tests.serving.conftest import HOUR, NOW, Database, Gate

AUTH = {"Authorization": "Bearer t"}


@pytest.fixture
def start(database: Database) -> Iterator[Callable[..., TestClient]]:
    with ExitStack() as stack:

        def start(**options: Any) -> TestClient:
            given = {"token": "t", "clock": lambda: NOW, "retry_seconds": 60.0, **options}
            app = create_app(given.pop("url", database.url), **given)
            return stack.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def told(client: TestClient) -> dict[str, float]:
    """Every sample but the buckets and the process's, by its name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        "".join([sample.name, *(f" {value}" for value in sample.labels.values())]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if family.name.startswith("soccer_") and not sample.name.endswith(("_bucket", "_created"))
    }


def test_of_nothing_only_that_it_is_not_ready(start: Callable[..., TestClient]) -> None:
    metrics = told(start())
    served = {name: value for name, value in metrics.items() if "loads" not in name}
    assert served == {"soccer_worker_ready": 0, "soccer_worker_stale": 0}
    assert metrics["soccer_worker_loads_total failed"] >= 1
    assert metrics["soccer_worker_loads_total loaded"] == 0


def test_tells_what_is_served_and_how_old_it_is(
    database: Database, start: Callable[..., TestClient]
) -> None:
    database.add_match(1, NOW + HOUR)
    database.add_match(2, NOW + 2 * HOUR)
    database.serve(7, at=NOW - HOUR)
    metrics = told(start())
    assert metrics["soccer_worker_ready"] == 1
    assert metrics["soccer_worker_model_version"] == 7
    assert metrics["soccer_worker_predictions"] == 2
    assert metrics["soccer_worker_predictions_age_seconds"] == 3600
    assert metrics["soccer_worker_from_disk"] == 0


def test_what_is_stale_is_told_as_of_each_scrape(
    database: Database, start: Callable[..., TestClient]
) -> None:
    moments: list[datetime] = [NOW]
    database.serve(7)
    client = start(clock=lambda: moments[-1])
    assert told(client)["soccer_worker_stale"] == 0
    moments.append(NOW + timedelta(days=30))
    metrics = told(client)
    assert (metrics["soccer_worker_stale"], metrics["soccer_worker_ready"]) == (1, 0)


def test_what_was_kept_from_before_is_told(
    database: Database, start: Callable[..., TestClient], tmp_path: Path
) -> None:
    database.serve(7)
    with Gate(database.url) as gate:
        assert told(start(url=gate.url, kept_in=tmp_path))["soccer_worker_from_disk"] == 0
        wait_until(lambda: any(tmp_path.iterdir()))
        gate.close()
        assert told(start(url=gate.url, kept_in=tmp_path))["soccer_worker_from_disk"] == 1


def test_answers_are_counted_by_route_and_status_whichever_way_they_are_made(
    database: Database, start: Callable[..., TestClient]
) -> None:
    database.add_match(1, NOW + HOUR)
    database.serve(7)
    client = start()
    for path in ("/predictions/1", "/predictions/1", "/predictions/2", "/predictions/x"):
        client.get(path)
    client.get("/predictions?limit=1")
    client.get("/wp-login.php")
    client.get("/wp-admin.php")
    client.post("/reload", headers=AUTH)
    client.post("/reload")
    metrics = told(client)
    counted = {
        name.removeprefix("soccer_worker_request_seconds_count "): value
        for name, value in metrics.items()
        if name.startswith("soccer_worker_request_seconds_count")
    }
    assert counted == {
        "/predictions/{match_id} 200": 2,
        "/predictions/{match_id} 404": 1,
        "/predictions/{match_id} 422": 1,
        "/predictions 200": 1,
        "other 404": 2,
        "/reload 200": 1,
        "/reload 401": 1,
    }
    assert metrics["soccer_worker_loads_total loaded"] == 2


def test_what_an_answer_took_is_in_its_bucket_and_all_above() -> None:
    metrics = WorkerMetrics(lambda: Served(ready=True, stale=False), {})
    for seconds in (0.0001, 0.001, 0.0011, 60.0):
        metrics.answered("/model", 200, seconds)
    (family,) = (f for f in metrics.collect() if f.name == "soccer_worker_request_seconds")
    buckets = {
        sample.labels["le"]: sample.value
        for sample in family.samples
        if sample.name.endswith("_bucket")
    }
    assert [buckets[le] for le in ("0.0005", "0.001", "0.0025", "10.0", "+Inf")] == [1, 2, 3, 3, 4]
    sums = [sample.value for sample in family.samples if sample.name.endswith("_sum")]
    assert sums == [pytest.approx(60.0022)]


def test_an_error_nobody_foresaw_is_counted_too(
    database: Database, start: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    database.serve(7)
    client = start()
    monkeypatch.setattr("soccer_assets.serving.snapshot.Snapshot.coming", lambda *_, **__: 1 / 0)
    assert client.get("/predictions").status_code == 500
    assert told(client)["soccer_worker_request_seconds_count /predictions 500"] == 1


def test_restored_and_failed_loads_are_counted(
    database: Database, start: Callable[..., TestClient]
) -> None:
    database.serve(7)
    client = start()
    database.serve(8)
    client.post("/reload", headers=AUTH)
    client.post("/restore", headers=AUTH)
    database.unserve()
    assert client.post("/reload", headers=AUTH).status_code == 503
    metrics = told(client)
    loads = {
        result: metrics[f"soccer_worker_loads_total {result}"]
        for result in ("loaded", "failed", "restored")
    }
    assert loads == {"loaded": 2, "failed": 1, "restored": 1}
    assert metrics["soccer_worker_model_version"] == 7
