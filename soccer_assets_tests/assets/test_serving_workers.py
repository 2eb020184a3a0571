"""The asset that has the workers reloaded, by whatever way the settings name."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from kombu.transport.memory import Transport
from pydantic import SecretStr

from soccer_assets.assets.serving import SERVING_WORKERS, serving_workers
from soccer_assets.resources import make_resources
from soccer_assets.serving.client import WorkerClient
from soccer_assets.serving.reloading.listening import listening
from soccer_assets.serving.server import ServiceProcess
from soccer_assets.settings import Settings
from soccer_assets_tests.serving.conftest import Database

TOKEN = "hush"
Materialize = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def database(database_url: str, engine: sa.Engine) -> Database:
    found = Database(database_url, engine)
    found.add_match(1, datetime.now(UTC) + timedelta(hours=3))
    found.serve(1, at=datetime.now(UTC))
    return found


@pytest.fixture
def materialize(database: Database, tmp_path: Path) -> Materialize:
    base = Settings(soccer_home=tmp_path / "home", postgres_url=database.url, serving_token=TOKEN)

    def run(**changes: Any) -> dg.ExecuteInProcessResult:
        # Unlike settings that are given, these may be of a broker in memory.
        settings = base.model_copy(update=changes)
        resources = make_resources(settings)
        needed = {name: resources[name] for name in ("workers", "warehouse")}
        return dg.materialize([serving_workers], resources=needed, raise_on_error=False)

    return run


def told(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.get_asset_materialization_events()
    assert event.asset_key == SERVING_WORKERS
    metadata = event.step_materialization_data.materialization.metadata
    return {name: value.value for name, value in metadata.items()}


def test_over_a_broker_a_worker_is_reloaded_that_no_setting_names(
    database: Database, materialize: Materialize, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Transport, "polling_interval", 0.01)
    broker = {"serving_reload": "celery", "soccer_celery_broker": SecretStr("memory://")}
    with (
        ServiceProcess(database.url, TOKEN) as process,
        WorkerClient(process.base_url, TOKEN) as client,
        listening("memory://", "of a proxy", client) as listener,
    ):
        assert listener.connected.wait(10)
        database.serve(2, at=datetime.now(UTC))
        seen = told(materialize(**broker))
        assert client.model().version == 2
    assert (seen["champion_version"], seen["reloaded_by"], seen["embedded"]) == (2, "celery", False)
    assert "| of a proxy " in str(seen["workers"])
    # It has ended by now.
    result = materialize(**broker)
    assert not result.success
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    error = failure.step_failure_data.error
    assert error is not None
    assert "no prediction worker answered" in f"{error.message} {error.cause}"


def test_where_there_is_no_kubernetes_a_restart_says_so(materialize: Materialize) -> None:
    result = materialize(serving_reload="kubernetes", serving_deployment="soccer-worker")
    assert not result.success
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    error = failure.step_failure_data.error
    assert error is not None
    assert "deployment soccer-worker: this is no pod that may use the API server" in (
        f"{error.message} {error.cause}"
    )


def test_by_url_is_how_they_are_reloaded_unless_a_setting_says_otherwise(
    database: Database, materialize: Materialize
) -> None:
    with ServiceProcess(database.url, TOKEN) as process:
        seen = told(materialize(serving_workers=process.base_url))
    assert (seen["champion_version"], seen["reloaded_by"], seen["embedded"]) == (1, "urls", False)
