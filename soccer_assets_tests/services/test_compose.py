"""The services of ``deploy/compose.yaml``, started as the file says and wired as it wires them."""

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from soccer_assets.params import read_params
from soccer_assets.settings import DEFAULT_PARAMS, project_folder
from soccer_assets_tests.services.compose import DEPLOY, NOT_HAD, Services, read, services
from soccer_assets_tests.services.containers import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(3600)]

LAUNCH = """mutation { launchRun(executionParams: {
    selector: {repositoryLocationName: "soccer_assets", repositoryName: "__repository__",
               pipelineName: "ingest"},
    runConfigData: "{}", mode: "default", executionMetadata: {tags: [
        {key: "dagster/asset_partition_range_start", value: "2024-09-28"},
        {key: "dagster/asset_partition_range_end", value: "2024-09-29"}]}}) {
    __typename ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message } ... on UnauthorizedError { message } } }"""
ERRORS = """query ($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
    ... on MessageEvent { message } ... on ErrorEvent { error { message causes { message } } } } } } }"""
RUN = "query ($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not pytest's, which is closed to other users, and PostgreSQL is one."""
    with tempfile.TemporaryDirectory(prefix="soccer-compose-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Services]:
    if (project_folder() / ".env").exists():
        pytest.skip("the checkout has an .env, and these services would use it")
    params = yaml.safe_load(DEFAULT_PARAMS.read_text())
    params["training"] |= {"folds": 1, "candidates": {"logistic": {"C": 0.001}}}
    params["gates"] |= {"ece_limit": 0.08}
    (folder / "settings").mkdir()
    (file := folder / "settings" / "params.yaml").write_text(yaml.safe_dump(params))
    read_params(file)
    settings = {"SOCCER_PARAMS": "/etc/soccer/params.yaml", "SOCCER_AS_OF": "2025-03-01"}
    with services(folder, settings) as started:
        yield started


@pytest.fixture(scope="module")
def predicted(running: Services) -> Services:
    """A champion has come into office, by a process beside the others on their services."""
    demo = ["soccer", "demo", "--days", "210"]
    code, printed = running["code-server"].execute(*demo, seconds=1800)
    assert code == 0, printed[-8000:]
    assert "Coming matches" in printed
    return running


def ask(url: str, query: str, **variables: str) -> Any:
    body = {"query": query, "variables": variables}
    answer = httpx.post(f"{url}/graphql", json=body, timeout=60, trust_env=False).json()
    assert "errors" not in answer, answer
    return answer["data"]


def get(url: str, method: str = "GET") -> httpx.Response:
    return httpx.request(method, url, timeout=30, trust_env=False)


def metrics(running: Services, query: str) -> list[Any]:
    answer = get(f"{running.url('prometheus', 9090)}/api/v1/query?query={query}").json()
    assert answer["status"] == "success", answer
    return list(answer["data"]["result"])


def test_every_service_starts_and_its_health_check_passes(running: Services) -> None:
    assert set(running.started) == set(read()["services"]) - NOT_HAD
    assert running["migrate"].exit_code == 0
    for name in set(running.started) - {"migrate"}:
        assert running.is_healthy(name), name


def test_a_run_goes_from_the_webserver_by_the_daemon_to_the_code_server(running: Services) -> None:
    url = running.url("webserver", 3000)
    launched = ask(url, LAUNCH)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run = launched["run"]["runId"]

    def status() -> str:
        return str(ask(url, RUN, run=run)["runOrError"]["status"])

    wait_until(lambda: status() in ("SUCCESS", "FAILURE", "CANCELED"), status)
    assert status() == "SUCCESS", ask(url, ERRORS, run=run)


def test_the_read_only_webserver_shows_and_starts_nothing(running: Services) -> None:
    url = running.url("webserver-read-only", 3000)
    assert ask(url, LAUNCH)["launchRun"]["__typename"] == "UnauthorizedError"
    assert ask(url, "{ runsOrError { ... on Runs { results { runId } } } }")["runsOrError"]


def test_both_workers_serve_the_champion_by_one_address(predicted: Services) -> None:
    for worker in ("worker-1", "worker-2"):
        assert get(f"{predicted.url(worker, 8008)}/readyz").json()["version"] == 1
    answer = get(f"{predicted.url('predictions', 8080)}/predictions?limit=3")
    assert answer.status_code == 200
    assert answer.headers["x-model-version"] == "1"
    assert len(answer.json()["predictions"]) == 3


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/readyz", 200),
        ("GET", "/model", 200),
        ("POST", "/reload", 404),
        ("POST", "/restore", 404),
        ("GET", "/metrics", 404),
        ("POST", "/predictions", 403),
        ("GET", "/predictions/1", 404),
    ],
)
def test_outside_one_reads_predictions_and_no_more(
    predicted: Services, method: str, path: str, status: int
) -> None:
    assert get(f"{predicted.url('predictions', 8080)}{path}", method).status_code == status


def test_models_are_in_the_store_by_way_of_mlflow_and_no_disk(
    predicted: Services, folder: Path
) -> None:
    url = f"{predicted.url('mlflow', 5000)}/api/2.0/mlflow"
    headers = {"Host": "mlflow:5000"}
    found = httpx.get(
        f"{url}/registered-models/search", headers=headers, timeout=30, trust_env=False
    ).json()
    assert [version["version"] for version in found["registered_models"][0]["latest_versions"]]
    assert not list((folder / "volumes").rglob("MLmodel"))


def test_mlflow_answers_to_no_other_name(running: Services) -> None:
    """A page of somebody else's, in the browser of who may reach it, has another."""
    answer = httpx.get(
        f"{running.url('mlflow', 5000)}/api/2.0/mlflow/experiments/search?max_results=1",
        headers={"Host": "evil.example"},
        timeout=30,
        trust_env=False,
    )
    assert answer.status_code == 403


def test_every_query_of_the_dashboard_finds_what_the_workers_tell(predicted: Services) -> None:
    wait_until(
        lambda: len(metrics(predicted, "soccer_worker_model_version")) == 2,
        lambda: str(metrics(predicted, "up")),
    )
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "soccer.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) >= len(dashboard["panels"])
    for query in queries:
        # Rates need two scrapes, and an answer between them.
        get(f"{predicted.url('predictions', 8080)}/model")
        wait_until(lambda query=query: bool(metrics(predicted, query)), lambda query=query: query)


def test_a_worker_that_is_killed_is_missed_by_nobody_and_comes_back(predicted: Services) -> None:
    url = f"{predicted.url('predictions', 8080)}/model"
    predicted["worker-1"].kill()
    assert [get(url).status_code for _ in range(20)] == [200] * 20
    predicted.start("worker-1")
    wait_until(lambda: predicted.is_healthy("worker-1"), lambda: "worker-1")
    wait_until(
        lambda: get(f"{predicted.url('worker-1', 8008)}/readyz").status_code == 200,
        lambda: get(f"{predicted.url('worker-1', 8008)}/readyz").text,
    )


def test_no_secret_is_in_a_log_or_a_list_of_processes(predicted: Services, folder: Path) -> None:
    files = (folder / "secrets").iterdir()
    secrets = set(re.findall(r"[0-9a-f]{48}", " ".join(file.read_text() for file in files)))
    assert len(secrets) == 5
    commands: list[str] = []
    for container in predicted.started.values():
        told = container.log.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in told], container.name
        if container.exit_code is None:
            for process in container.processes():
                try:
                    commands += process.cmdline()
                except psutil.NoSuchProcess:
                    continue
    assert any("mlflow" in word for word in commands)
    assert not [word for word in commands if any(secret in word for secret in secrets)]


def test_mlflow_cannot_read_the_warehouse(running: Services, folder: Path) -> None:
    url = (folder / "secrets" / "mlflow_database_url").read_text().strip()
    assert running["postgres"].execute("psql", url, "-c", "SELECT 1")[0] == 0
    other = url.rpartition("/")[0] + "/soccer"
    code, printed = running["postgres"].execute("psql", other, "-c", "SELECT 1")
    assert code != 0
    assert "permission denied for database" in printed
