"""What the UI shows: ``dagster dev`` in the checkout, asked over HTTP as the UI asks it."""

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from soccer_assets.settings import project_folder
from soccer_assets_tests.end_to_end.shell import BIN, Shell, free_port, open_shell, wait_until

pytestmark = pytest.mark.system

Query = Callable[..., dict[str, Any]]

LINEAGE = {
    "livescores": ("ingestion", set()),
    "match_raw": ("warehouse", {"livescores"}),
    "match": ("warehouse", {"livescores"}),
    "match_raw_parquet": ("lake", {"match_raw"}),
    "match_parquet": ("lake", {"match"}),
    "finished": ("features", {"match_parquet"}),
    "fixtures": ("features", {"match_parquet"}),
    "features": ("features", {"finished", "fixtures"}),
    "feature_states": ("features", {"finished", "fixtures"}),
    "features_meta": ("features", {"finished", "fixtures"}),
    "dataset": ("features", {"finished", "features", "features_meta"}),
    "trained_model": ("model", {"dataset", "features", "features_meta"}),
    "registered_model": ("registry", {"trained_model"}),
    "candidate_model": ("registry", {"registered_model"}),
    "champion_model": ("registry", {"candidate_model"}),
    "serving_features": ("serving", {"features", "features_meta"}),
    "predictions": ("serving", {"serving_features", "champion_model"}),
    "serving_workers": ("serving", {"predictions"}),
    "feature_drift": ("monitoring", {"serving_features", "champion_model"}),
    "prediction_scorecard": ("monitoring", {"predictions", "finished"}),
    "prediction_decay": ("monitoring", {"predictions", "finished"}),
    "prediction_shift": ("monitoring", {"predictions"}),
    "data_volume": ("monitoring", {"finished", "champion_model"}),
    "ledger": ("monitoring", {"predictions"}),
}
#: Where each asset lives, among other things.
KINDS = {
    "livescores": "http",
    "match_raw": "postgres",
    "match": "postgres",
    "match_raw_parquet": "parquet",
    "match_parquet": "parquet",
    "features": "dvc",
    "features_meta": "json",
    "trained_model": "mlflow",
    "champion_model": "mlflow",
    "predictions": "postgres",
    "serving_workers": "fastapi",
}
BLOCKING_CHECKS = {
    ("livescores", "feed_schema"),
    ("match_parquet", "parity_with_postgres"),
    ("match_parquet", "unique_ids"),
    ("features", "feature_ranges"),
    ("predictions", "probability_simplex"),
}
#: They ask for a retraining, and must not stop anything.
TRIGGER_CHECKS = {
    ("prediction_decay", "decay"),
    ("prediction_shift", "shift"),
    ("data_volume", "volume"),
}
DAILY, MONTHLY = {"livescores", "match_raw", "match"}, {"match_raw_parquet", "match_parquet"}

ASSETS = """{ assetNodes {
    assetKey { path } groupName kinds description
    owners { ... on TeamAssetOwner { team } ... on UserAssetOwner { email } }
    dependencyKeys { path }
    internalFreshnessPolicy { __typename }
    automationCondition { label }
    partitionDefinition { type description }
    backfillPolicy { policyType }
    jobNames
    assetChecksOrError { ... on AssetChecks { checks { name blocking description } } }
} }"""
REPOSITORY = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
    jobs { name description }
    schedules { name cronSchedule pipelineName scheduleState { status } }
    sensors { name sensorType sensorState { status } }
} } } }"""
WORKSPACE = """{ workspaceOrError { ... on Workspace { locationEntries {
    name loadStatus locationOrLoadError { __typename }
} } } }"""
BACKFILL = """mutation ($assets: [AssetKeyInput!]!, $days: [String!]!) {
    launchPartitionBackfill(backfillParams: {assetSelection: $assets, partitionNames: $days}) {
        __typename
        ... on LaunchBackfillSuccess { backfillId }
        ... on PythonError { message }
} }"""
BACKFILL_STATE = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status partitionNames runs { id status } }
} }"""


RUNS = """{ repositoryOrError(repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "soccer_assets"
}) { ... on Repository { jobs { name runs { id status
    repositoryOrigin { repositoryName repositoryLocationName } tags { key value }
} } } } }"""
SLOTS = """{ instance { concurrencyLimit(concurrencyKey: "livescores") { activeRunIds } } }"""


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with open_shell() as shell:
        yield shell


@pytest.fixture(scope="module")
def ask(shell: Shell) -> Iterator[Query]:
    """Answers GraphQL queries once the code location is loaded."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    with (
        shell.running("dagster", "dev", "-p", str(port), answers_at=f"{url}/server_info"),
        httpx.Client(base_url=url, timeout=60, trust_env=False) as http,
    ):

        def query(text: str, **variables: Any) -> dict[str, Any]:
            answer = http.post("/graphql", json={"query": text, "variables": variables}).json()
            assert "errors" not in answer, answer["errors"]
            data: dict[str, Any] = answer["data"]
            return data

        def is_loaded() -> bool:
            (location,) = query(WORKSPACE)["workspaceOrError"]["locationEntries"]
            return bool(location["loadStatus"] == "LOADED")

        wait_until(is_loaded)
        yield query


@pytest.fixture(scope="module")
def assets(ask: Query) -> dict[str, dict[str, Any]]:
    return {"/".join(node["assetKey"]["path"]): node for node in ask(ASSETS)["assetNodes"]}


@pytest.fixture(scope="module")
def repository(ask: Query) -> dict[str, Any]:
    (only,) = ask(REPOSITORY)["repositoriesOrError"]["nodes"]
    found: dict[str, Any] = only
    return found


def test_the_code_location_loads_without_an_error(ask: Query) -> None:
    (location,) = ask(WORKSPACE)["workspaceOrError"]["locationEntries"]
    assert location["name"] == "soccer_assets"
    assert location["locationOrLoadError"] == {"__typename": "RepositoryLocation"}


def test_the_lineage_goes_from_the_feed_to_the_workers(assets: dict[str, dict[str, Any]]) -> None:
    shown = {
        name: (node["groupName"], {"/".join(key["path"]) for key in node["dependencyKeys"]})
        for name, node in assets.items()
    }
    assert {name: shown.get(name) for name in LINEAGE} == LINEAGE


def test_every_asset_says_what_it_is_whose_it_is_and_what_it_is_made_with(
    assets: dict[str, dict[str, Any]],
) -> None:
    for name, node in assets.items():
        assert len(node["description"] or "") > 20, name
        assert node["owners"] == [{"team": "soccer-data"}], name
        assert node["kinds"], name
    assert {n: kind for n, kind in KINDS.items() if kind not in assets[n]["kinds"]} == {}


def test_every_asset_has_a_freshness_policy(assets: dict[str, dict[str, Any]]) -> None:
    policies = {name: node["internalFreshnessPolicy"] for name, node in assets.items()}
    assert {name for name, policy in policies.items() if policy is None} == set()


def test_days_and_trainings_say_in_words_when_they_are_asked_for(
    assets: dict[str, dict[str, Any]],
) -> None:
    """The others follow what they are made from, by a sensor."""
    labels = {
        name: node["automationCondition"]["label"]
        for name, node in assets.items()
        if node["automationCondition"]
    }
    assert labels == dict.fromkeys(DAILY, "a recent day is missing") | {"trained_model": "retrain"}


def test_days_and_months_are_partitions_that_one_run_can_fill(
    assets: dict[str, dict[str, Any]],
) -> None:
    described = {
        name: node["partitionDefinition"]["description"]
        for name, node in assets.items()
        if node["partitionDefinition"]
    }
    assert set(described) == DAILY | MONTHLY
    assert all(described[name].startswith("Daily, starting 1998-01-01") for name in DAILY)
    assert all(described[name].startswith("Monthly, starting 1998-01-01") for name in MONTHLY)
    policies = {assets[name]["backfillPolicy"]["policyType"] for name in described}
    assert policies == {"SINGLE_RUN"}


def test_contracts_block_and_triggers_do_not(assets: dict[str, dict[str, Any]]) -> None:
    checks = {
        (name, check["name"]): check
        for name, node in assets.items()
        for check in node["assetChecksOrError"]["checks"]
    }
    assert set(checks) >= BLOCKING_CHECKS | TRIGGER_CHECKS
    assert all(checks[key]["blocking"] for key in BLOCKING_CHECKS)
    assert not any(checks[key]["blocking"] for key in TRIGGER_CHECKS)
    assert all(check["description"] for check in checks.values())


def test_every_asset_is_part_of_a_job_with_a_name(
    assets: dict[str, dict[str, Any]], repository: dict[str, Any]
) -> None:
    jobs = {job["name"]: job["description"] for job in repository["jobs"]}
    assert set(jobs) >= {"ingest", "export", "refresh", "retrain"}
    assert all(jobs[name] for name in jobs if not name.startswith("__"))
    assert "trained_model" not in {n for n, node in assets.items() if "refresh" in node["jobNames"]}
    for name, node in assets.items():
        assert any(not job.startswith("__") for job in node["jobNames"]), name


def test_the_schedules_are_on(repository: dict[str, Any]) -> None:
    schedules = {schedule["name"]: schedule for schedule in repository["schedules"]}
    assert schedules["hourly_ingest"]["cronSchedule"] == "5 * * * *"
    assert schedules["daily_fixtures"]["cronSchedule"] == "30 4 * * *"
    for name in ("hourly_ingest", "daily_fixtures"):
        assert schedules[name]["pipelineName"] == "ingest"
        assert schedules[name]["scheduleState"]["status"] == "RUNNING"


def test_the_sensors_are_on(repository: dict[str, Any]) -> None:
    sensors = {sensor["name"]: sensor for sensor in repository["sensors"]}
    kinds = {name: sensor["sensorType"] for name, sensor in sensors.items()}
    assert (
        kinds.items()
        >= {
            "automation": "AUTO_MATERIALIZE",
            "training": "AUTOMATION",
            "updates": "STANDARD",
            "run_alert": "STANDARD",
            "freshness_alert": "STANDARD",
        }.items()
    )
    assert {sensor["sensorState"]["status"] for sensor in sensors.values()} == {"RUNNING"}


@pytest.mark.slow
def test_a_killed_command_is_under_its_job_ended_by_the_daemon_and_told(
    shell: Shell, ask: Query
) -> None:
    process = subprocess.Popen(
        [BIN / "soccer", "backfill", "--since", "2025-06-01"],
        cwd=project_folder(),
        env=shell.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def run() -> dict[str, Any]:
        """As the page of its job shows it."""
        (job,) = (j for j in ask(RUNS)["repositoryOrError"]["jobs"] if j["name"] == "ingest")
        ours = f"process {process.pid} on "
        for found in job["runs"]:
            if any(tag["value"].startswith(ours) for tag in found["tags"]):
                return dict(found)
        return {"status": None}

    try:
        wait_until(lambda: run()["status"] == "STARTED" or process.poll() is not None)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: run()["status"] == "FAILURE")
    assert run()["repositoryOrigin"] == {
        "repositoryName": "__repository__",
        "repositoryLocationName": "soccer_assets",
    }
    told = f"ingest failed. process {process.pid} on "
    wait_until(lambda: told in (shell.home / "dagster.log").read_text())
    wait_until(lambda: ask(SLOTS)["instance"]["concurrencyLimit"]["activeRunIds"] == [])


@pytest.mark.slow  # the daemon looks for backfills, and whether they have ended, twice a minute
def test_a_backfill_from_the_ui_is_one_run_for_all_its_days(ask: Query) -> None:
    days = ["2024-09-28", "2024-09-29", "2024-09-30"]
    assets = [{"path": [name]} for name in sorted(DAILY)]
    launched = ask(BACKFILL, assets=assets, days=days)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def state() -> dict[str, Any]:
        found: dict[str, Any] = ask(BACKFILL_STATE, id=launched["backfillId"])
        return dict(found["partitionBackfillOrError"])

    wait_until(lambda: state()["status"].startswith("COMPLETED"))
    ended = state()
    assert ended["status"] == "COMPLETED_SUCCESS"
    assert [run["status"] for run in ended["runs"]] == ["SUCCESS"]
