"""From an empty folder to served predictions, with plain commands in the checkout."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import yaml

from soccer_assets.settings import project_folder
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.end_to_end.shell import Shell, free_port, open_shell

pytestmark = pytest.mark.system

ASSETS = {
    "livescores", "match_raw", "match", "match_raw_parquet", "match_parquet",
    "finished", "fixtures", "features", "feature_states", "features_meta", "dataset",
    "trained_model", "registered_model", "candidate_model", "champion_model",
    "serving_features", "predictions", "serving_workers",
    "feature_drift", "prediction_scorecard", "data_volume", "prediction_decay", "prediction_shift",
    "ledger",
}  # fmt: skip
FIRST_DAY, LAST_DAY = "2024-08-01", "2025-03-16"
FIRST_MONTH, LAST_MONTH = "2024-08-01", "2025-03-01"


@dataclass(frozen=True)
class Answer:
    """What a worker said about itself."""

    code: int
    body: dict[str, Any]

    @classmethod
    def of(cls, response: httpx.Response) -> "Answer":
        return cls(response.status_code, response.json())


@dataclass(frozen=True)
class Worker:
    """A running ``soccer serve``, and what it said when it had just started."""

    http: httpx.Client
    health: Answer
    readiness: Answer


@pytest.fixture(scope="module")
def worker_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, worker_port: int) -> Iterator[Shell]:
    """As of ``MIDSEASON``, with a small model and gates that few matches can pass."""
    file = tmp_path_factory.mktemp("params") / "params.yaml"
    params = yaml.safe_load((project_folder() / "soccer_assets/dvc/params.yaml").read_text())
    params["training"] |= {"folds": 1, "candidates": {"logistic": {"C": 0.001}}}
    params["gates"] |= {"ece_limit": 0.08}
    file.write_text(yaml.safe_dump(params))
    variables = {
        "SOCCER_PARAMS": str(file),
        "SOCCER_AS_OF": MIDSEASON.isoformat(),
        "SERVING_WORKERS": f"http://127.0.0.1:{worker_port}",
    }
    with open_shell(variables) as opened:
        yield opened


@pytest.fixture(scope="module")
def worker(shell: Shell, worker_port: int) -> Iterator[Worker]:
    url = f"http://127.0.0.1:{worker_port}"
    with (
        shell.running("soccer", "serve", "--port", str(worker_port), answers_at=f"{url}/healthz"),
        httpx.Client(base_url=url, timeout=30, trust_env=False) as http,
    ):
        yield Worker(http, Answer.of(http.get("/healthz")), Answer.of(http.get("/readyz")))


@pytest.fixture(scope="module")
def ingested(shell: Shell, worker: Worker) -> str:
    """The worker comes first: it must cope with an empty platform, and it keeps PostgreSQL up."""
    selection = "group:ingestion or group:warehouse"
    days = f"{FIRST_DAY}...{LAST_DAY}"
    return shell.run(
        "dagster", "asset", "materialize", "--select", selection, "--partition-range", days
    )


@pytest.fixture(scope="module")
def exported(shell: Shell, ingested: str) -> str:
    selection = "match_raw_parquet,match_parquet"
    months = f"{FIRST_MONTH}...{LAST_MONTH}"
    return shell.run(
        "dagster", "asset", "materialize", "--select", selection, "--partition-range", months
    )


@pytest.fixture(scope="module")
def trained(shell: Shell, exported: str) -> str:
    return shell.run("dagster", "job", "execute", "-j", "retrain")


@pytest.fixture(scope="module")
def refreshed(shell: Shell, trained: str) -> str:
    return shell.run("dagster", "job", "execute", "-j", "refresh")


def scalar(shell: Shell, query: str, **values: Any) -> Any:
    with shell.warehouse() as engine, engine.connect() as connection:
        return connection.scalar(sa.text(query), values)


def test_the_help_names_what_can_be_done(shell: Shell) -> None:
    printed = shell.run("soccer", "--help")
    assert {"demo", "replay", "feed", "serve"} <= set(re.findall(r"\w+", printed))


def test_every_asset_is_listed_without_a_flag(shell: Shell) -> None:
    assert set(shell.run("dagster", "asset", "list").split()) >= ASSETS


@pytest.mark.slow  # else test_webserver.py would fail
def test_the_definitions_are_valid(shell: Shell) -> None:
    assert "All code locations passed validation" in shell.run("dagster", "definitions", "validate")


def test_a_worker_on_an_empty_platform_is_alive_and_says_that_it_is_not_ready(
    worker: Worker,
) -> None:
    assert worker.health.code == 200
    assert worker.health.body["status"] == "ok"
    assert worker.readiness.code == 503
    assert worker.readiness.body["ready"] is False
    assert worker.readiness.body["reason"]


def test_a_selection_of_groups_fills_the_warehouse_with_a_range_of_days(
    shell: Shell, ingested: str
) -> None:
    assert "228 of 228 days" in ingested
    assert scalar(shell, "SELECT count(*) FROM soccer.ingested_day") == 228
    matches = scalar(shell, "SELECT count(*) FROM soccer.match")
    assert matches > 3000
    assert scalar(shell, "SELECT count(*) FROM soccer.match_raw") == matches


def test_what_has_not_kicked_off_yet_has_no_score(shell: Shell, ingested: str) -> None:
    coming = "FROM soccer.match WHERE kickoff > :now"
    assert scalar(shell, f"SELECT count(*) {coming}", now=MIDSEASON) > 100
    scored = f"SELECT count(*) {coming} AND (home_score IS NOT NULL OR status = 'finished')"
    assert scalar(shell, scored, now=MIDSEASON) == 0


def test_a_selection_by_commas_exports_a_range_of_months(shell: Shell, exported: str) -> None:
    assert "match 2025-03: 8 of 8 months" in exported
    assert len(list((shell.home / "lake").rglob("*.parquet"))) == 16


@pytest.mark.slow
def test_a_selection_takes_what_follows_an_asset_with_it(shell: Shell, exported: str) -> None:
    """Where a partition applies to some of what is selected only."""
    selection = "match_raw_parquet,match_parquet+"
    printed = shell.run(
        "dagster", "asset", "materialize", "--select", selection, "--partition", LAST_MONTH
    )
    assert "match 2025-03: " in printed
    stages = set(re.findall(r"stage '(\w+)'", printed, re.IGNORECASE))
    assert stages == {"finished", "fixtures"}


def test_a_job_takes_a_model_through_its_gates(trained: str) -> None:
    for gate in ("smoke", "candidate", "champion"):
        assert f"{gate} gate passed" in trained


def test_every_coming_match_is_predicted(shell: Shell, trained: str) -> None:
    coming = "SELECT count(*) FROM soccer.match WHERE status = 'scheduled' AND kickoff > :now"
    predicted = """
        SELECT count(*) FROM soccer.match JOIN soccer.prediction AS p USING (match_id)
        JOIN soccer.served_model AS s ON s.version = p.model_version
        WHERE status = 'scheduled' AND match.kickoff > :now AND p.predicted_at <= :now
    """
    count = scalar(shell, coming, now=MIDSEASON)
    assert count > 100
    assert scalar(shell, predicted, now=MIDSEASON) == count


@pytest.mark.slow  # in a process that is warm already: assets/test_whole_graph.py
def test_a_refresh_predicts_without_training(shell: Shell, refreshed: str) -> None:
    assert "Starting a new mlflow run" not in refreshed
    assert scalar(shell, "SELECT version FROM soccer.served_model") == 1
    steps = "FROM event_logs WHERE dagster_event_type = 'STEP_SUCCESS' AND step_key = :step"
    done = {
        step: scalar(shell, f"SELECT count(*) {steps}", step=step)
        for step in ("trained_model", "predictions", "serving_workers")
    }
    assert done == {"trained_model": 1, "predictions": 2, "serving_workers": 2}


def test_the_running_worker_was_told_of_the_champion(worker: Worker, trained: str) -> None:
    readiness = Answer.of(worker.http.get("/readyz"))
    assert readiness.code == 200
    assert (readiness.body["ready"], readiness.body["version"]) == (True, 1)
    model = worker.http.get("/model").json()
    assert (model["name"], model["version"]) == ("soccer_1x2", 1)
    assert model["metrics"]["model_log_loss"] < 1.0986  # of knowing nothing: ln 3


def test_the_worker_serves_coming_matches_by_kick_off(worker: Worker, trained: str) -> None:
    page = worker.http.get("/predictions", params={"limit": 20})
    assert page.headers["X-Model-Version"] == "1"
    listed = page.json()["predictions"]
    kickoffs = [datetime.fromisoformat(one["kickoff"]) for one in listed]
    assert len(listed) == 20
    assert kickoffs == sorted(kickoffs)
    assert kickoffs[0] > MIDSEASON
    for one in listed:
        assert one["p_home"] + one["p_draw"] + one["p_away"] == pytest.approx(1)
    alone = worker.http.get(f"/predictions/{listed[0]['match_id']}")
    assert alone.status_code == 200
    assert listed[0].items() <= alone.json().items()
    assert worker.http.get("/predictions/1").status_code == 404


def test_a_reload_needs_the_token_of_this_home(shell: Shell, worker: Worker, trained: str) -> None:
    def reload(token: str | None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return worker.http.post("/reload", headers=headers)

    assert reload(None).status_code == 401
    assert reload("guessed").status_code == 401
    token = Path(shell.home / "serving-token")
    assert token.stat().st_mode & 0o077 == 0
    reloaded = reload(token.read_text())
    assert reloaded.status_code == 200
    assert reloaded.json()["version_after"] == 1
    assert datetime.fromisoformat(reloaded.json()["loaded_at"]).astimezone(UTC) == MIDSEASON


def test_all_that_is_kept_is_in_its_home(shell: Shell, trained: str) -> None:
    kept = {path.name for path in shell.home.iterdir()}
    assert kept >= {"postgres", "lake", "dvc", "dvc-remote", "mlflow", "dagster"}
