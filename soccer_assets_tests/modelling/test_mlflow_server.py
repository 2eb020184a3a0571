"""A real MLflow server that keeps everything, and goes away."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest

from soccer_assets.modelling import tracking
from soccer_assets.modelling.mlflow_service import MlflowUnavailable, Unusable, connect
from soccer_assets.modelling.registry import ModelRegistry, Version
from soccer_assets.modelling.tracking import log_training
from soccer_assets.modelling.train import TrainingResult, train
from soccer_assets.params.training import TrainingParams
from soccer_assets_tests.end_to_end.shell import free_port, wait_until
from soccer_assets_tests.modelling.mlflow_store import EXPERIMENT, UNTOLD
from soccer_assets_tests.modelling.synthetic import FEATURES, simulate_matches

pytestmark = pytest.mark.slow

PARAMS = TrainingParams(candidates={"logistic": {}}, folds=1)


@dataclass
class Server:
    """``mlflow server`` with the artifacts behind it."""

    root: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    def start(self) -> None:
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--backend-store-uri", f"sqlite:///{self.root / 'server.db'}"),
            *("--artifacts-destination", str(self.artifacts)),
        ]
        with (self.root / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, cwd=self.root
            )
        wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
        server = Server(tmp_path_factory.mktemp("server"))
        server.start()
        try:
            yield server
        finally:
            server.signal(signal.SIGCONT)
            server.kill()
            mlflow.set_tracking_uri(None)


def haste(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")


@pytest.fixture(scope="module")
def dataset() -> pd.DataFrame:
    return simulate_matches(3000, seed=4)


@pytest.fixture(scope="module")
def result(dataset: pd.DataFrame) -> TrainingResult:
    return train(dataset, FEATURES, PARAMS)


@pytest.fixture(scope="module")
def registry(server: Server) -> ModelRegistry:
    return ModelRegistry(server.url, EXPERIMENT)


def log(registry: ModelRegistry, result: TrainingResult, name: str) -> str:
    run_id = registry.begin_training(name, "retrain")
    with mlflow.start_run(run_id=run_id):
        return log_training(
            result,
            UNTOLD,
            PARAMS,
            data_revision="abc",
            finished_matches=6000,
            tags={},
        )


@pytest.fixture(scope="module")
def champion(registry: ModelRegistry, result: TrainingResult) -> Version:
    run = registry.training_run(log(registry, result, "first"))
    registry.promote(registry.register(run))
    champion = registry.champion()
    assert champion is not None
    return champion


def test_a_server_serves_what_was_trained(
    registry: ModelRegistry, champion: Version, result: TrainingResult, dataset: pd.DataFrame
) -> None:
    expected = result.model.predict_proba(dataset)
    np.testing.assert_array_equal(registry.predict(champion, dataset), expected)
    pd.testing.assert_frame_equal(registry.training(champion).holdout(), result.holdout_predictions)


def test_a_server_that_stands_still_is_given_up_and_used_again_when_it_goes_on(
    server: Server,
    registry: ModelRegistry,
    champion: Version,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = registry.training(champion)
    server.signal(signal.SIGSTOP)
    try:
        haste(monkeypatch)
        for ask in (
            registry.champion,
            lambda: registry.training(champion),
            lambda: registry.load(champion),
            run.reference,
            lambda: registry.promote(champion),
        ):
            with pytest.raises(MlflowUnavailable, match=rf"MLflow at {server.url} does not answer"):
                ask()
    finally:
        monkeypatch.undo()
        server.signal(signal.SIGCONT)
    assert registry.champion() == champion


def test_a_training_waits_for_a_server_that_is_away_for_a_while(
    server: Server, registry: ModelRegistry, champion: Version, result: TrainingResult
) -> None:
    run_id = registry.begin_training("patient", "retrain")
    with mlflow.start_run(run_id=run_id):
        server.kill()
        back = threading.Timer(10, server.start)
        back.start()
        log_training(
            result,
            UNTOLD,
            PARAMS,
            data_revision="abc",
            finished_matches=6000,
            tags={},
        )
        back.join()
    assert registry.training_run(run_id).holdout().equals(result.holdout_predictions)


def test_a_training_whose_server_stays_away_fails_by_name(
    server: Server,
    registry: ModelRegistry,
    champion: Version,
    result: TrainingResult,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_id = registry.begin_training("doomed", "retrain")
    mlflow.start_run(run_id=run_id)
    server.signal(signal.SIGSTOP)
    haste(monkeypatch)
    monkeypatch.setattr(tracking, "PATIENCE_SECONDS", 1)
    try:
        with pytest.raises(MlflowUnavailable, match=f"MLflow at {server.url} does not answer"):
            log_training(
                result,
                UNTOLD,
                PARAMS,
                data_revision="abc",
                finished_matches=6000,
                tags={},
            )
        with pytest.raises(mlflow.MlflowException):
            mlflow.end_run("FAILED")
    finally:
        monkeypatch.undo()
        server.signal(signal.SIGCONT)
    with pytest.raises(Unusable, match=f"training {run_id} lacks the tags"):
        registry.training_run(run_id)
    registry.end_broken_off(lambda run: run == "doomed")
    assert mlflow.get_run(run_id).info.status in ("FAILED", "KILLED")


def test_files_that_the_server_has_lost_are_told_from_a_server_that_is_away(
    server: Server, registry: ModelRegistry, champion: Version, dataset: pd.DataFrame
) -> None:
    run = registry.training(champion)
    aside = server.root / "aside"
    server.artifacts.rename(aside)
    server.artifacts.mkdir()
    try:
        with pytest.raises(Unusable, match=r"version 1 .* the files of its model are gone"):
            registry.predict(champion, dataset)
        with pytest.raises(Unusable, match=r"lacks the file holdout\.parquet"):
            run.holdout()
    finally:
        shutil.rmtree(server.artifacts)
        aside.rename(server.artifacts)


def test_the_address_of_a_run_is_not_printed_with_its_password(
    server: Server, capfd: pytest.CaptureFixture[str], result: TrainingResult
) -> None:
    connect(server.url.replace("//", "//someone:hunter2@"), EXPERIMENT)
    with mlflow.start_run(experiment_id=mlflow.get_experiment_by_name(EXPERIMENT).experiment_id):  # type: ignore[union-attr]
        time.sleep(0)
    assert "hunter2" not in "".join(capfd.readouterr())
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        os.environ.pop(name, None)
