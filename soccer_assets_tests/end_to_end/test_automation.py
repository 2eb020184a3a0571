"""The loop with no human in it: a daemon, some history, and what becomes of it by itself."""

import copy
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import yaml

from soccer_assets.automation.partitions import FIRST_TAG, LAST_TAG
from soccer_assets.settings import project_folder
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer
from soccer_assets_tests.end_to_end.shell import Shell, free_port, open_shell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

#: Several runs one after the other, each asked for by a sensor.
PATIENCE_SECONDS = 1800

CHECKS = """{ assetNodes { assetKey { path } isMaterializable
    assetMaterializations(limit: 1) { runId }
    assetChecksOrError { ... on AssetChecks { checks { name blocking
        executionForLatestMaterialization { status runId } } } }
} }"""
NEWEST = """query ($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset {
    assetMaterializations(limit: 1) { runId timestamp runOrError { ... on Run {
        status tags { key value } } } }
} } }"""
RUNS = """{ runsOrError { ... on Runs { results { runId jobName status tags { key value }
    assetSelection { path } } } } }"""
REPORT = """mutation ($key: AssetKeyInput!) { reportRunlessAssetEvents(
    eventParams: {eventType: ASSET_MATERIALIZATION, assetKey: $key}) { __typename } }"""
INGEST = """mutation ($tags: [ExecutionTag!]!) { launchRun(executionParams: {
    selector: {repositoryLocationName: "soccer_assets", repositoryName: "__repository__",
               pipelineName: "ingest"}, executionMetadata: {tags: $tags},
    runConfigData: "{}", mode: "default"}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
LAUNCH = """mutation ($assets: [AssetKeyInput!]!) { launchRun(executionParams: {
    selector: {repositoryLocationName: "soccer_assets", repositoryName: "__repository__",
               pipelineName: "__ASSET_JOB", assetSelection: $assets},
    runConfigData: "{}", mode: "default"}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


@dataclass(frozen=True)
class Ui:
    """What a person can see and do in the browser."""

    http: httpx.Client

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self.http.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def newest(self, asset: str) -> dict[str, Any]:
        """The newest materialization of an asset; empty if there is none."""
        found = self.ask(NEWEST, key={"path": [asset]})["assetOrError"]
        made: list[dict[str, Any]] = found.get("assetMaterializations") or []
        return made[0] if made else {}

    def made_by_itself(self, asset: str, after: dict[str, Any]) -> bool:
        """Whether there is a newer materialization, by a run that the sensor asked for."""
        newest = self.newest(asset)
        if not newest or newest["timestamp"] <= after.get("timestamp", "0"):
            return False
        tags = {tag["key"]: tag["value"] for tag in newest["runOrError"].get("tags", ())}
        return tags.get("soccer/trigger") == "update"

    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(RUNS)["runsOrError"]["results"]
        return found

    def at_rest(self) -> bool:
        ended = {"SUCCESS", "FAILURE", "CANCELED"}
        return all(run["status"] in ended for run in self.runs())

    def report(self, asset: str) -> None:
        """Says that an asset was materialized outside."""
        done = self.ask(REPORT, key={"path": [asset]})["reportRunlessAssetEvents"]
        assert done["__typename"] == "ReportRunlessAssetEventsSuccess", done

    def launch(self, *assets: str) -> str:
        return self._launched(LAUNCH, assets=[{"path": [asset]} for asset in assets])

    def ingest(self, first: date, last: date | None = None) -> str:
        """Ask for days of the feed, as the schedules do."""
        tags = {FIRST_TAG: str(first), LAST_TAG: str(last or first)}
        return self._launched(INGEST, tags=[{"key": k, "value": v} for k, v in tags.items()])

    def _launched(self, mutation: str, **variables: Any) -> str:
        launched = self.ask(mutation, **variables)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id: str = launched["run"]["runId"]
        return run_id


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what}: still not so after {PATIENCE_SECONDS} s"
        time.sleep(0.5)


@contextmanager
def automated(shell: Shell) -> Iterator[Ui]:
    """The daemon runs, and the UI."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    with (
        shell.running("dagster", "dev", "-p", str(port), answers_at=f"{url}/server_info"),
        httpx.Client(base_url=url, timeout=120, trust_env=False) as http,
    ):
        yield Ui(http)


@pytest.fixture(scope="module")
def feed() -> Iterator[FeedServer]:
    """Time stands still there."""
    now = datetime.now(UTC)
    with FeedServer(LeagueSimulator(seed=20), clock=lambda: now) as server:
        yield server


@pytest.fixture(scope="module")
def shell(feed: FeedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Some months of history, a small model, and gates that few matches can pass."""
    file = tmp_path_factory.mktemp("params") / "params.yaml"
    params = yaml.safe_load((project_folder() / "soccer_assets/dvc/params.yaml").read_text())
    params["training"] |= {"folds": 1, "candidates": {"logistic": {"C": 0.001}}}
    params["gates"] |= {"ece_limit": 0.2}
    file.write_text(yaml.safe_dump(params))
    since = (datetime.now(UTC) - timedelta(days=240)).date()
    with open_shell({"SOCCER_PARAMS": str(file), "LIVESCORES_URL": feed.url}) as opened:
        opened.run("soccer", "backfill", "--since", str(since))
        yield opened


def test_it_makes_everything_with_all_its_checks_and_loses_no_update(shell: Shell) -> None:
    with automated(shell) as ui:
        eventually(lambda: bool(ui.newest("prediction_scorecard")), "the graph is made")
        eventually(ui.at_rest, "every run ends")
        every_check_was_evaluated(ui)

        # A parent is made while the run of its child runs.
        before = ui.newest("predictions")
        run = ui.launch("predictions")
        eventually(lambda: status_of(ui, run) == "STARTED", "the run starts")
        ui.report("champion_model")
        eventually(lambda: status_of(ui, run) == "SUCCESS", "the run ends")
        during = ui.newest("predictions")
        assert during["timestamp"] > before["timestamp"]
        eventually(lambda: ui.made_by_itself("predictions", during), "predictions follow")
        eventually(ui.at_rest, "every run ends")

        # A child is made, and at once its parent, between two looks.
        run = ui.launch("predictions")
        eventually(lambda: status_of(ui, run) == "SUCCESS", "the run ends")
        after = ui.newest("predictions")
        ui.report("champion_model")
        eventually(lambda: ui.made_by_itself("predictions", after), "predictions follow")
        eventually(ui.at_rest, "every run ends")

    # Child and parent are made while no daemon runs.
    for asset in ("predictions", "champion_model"):
        shell.run("dagster", "asset", "materialize", "--select", asset)
    with automated(shell) as ui:
        meanwhile = ui.newest("predictions")
        eventually(lambda: ui.made_by_itself("predictions", meanwhile), "predictions follow")
        eventually(ui.at_rest, "every run ends")
        every_check_was_evaluated(ui)

        # At rest nothing is asked for: the feed's schedules have their own runs.
        asked = updates_of(ui)
        time.sleep(70)
        assert updates_of(ui) == asked or not ui.at_rest()


def test_what_has_not_changed_goes_no_further_and_a_corrected_result_goes_all_the_way(
    shell: Shell, feed: FeedServer
) -> None:
    today = datetime.now(UTC).date()
    last_three = [today - timedelta(days=back) for back in range(3)]
    with automated(shell) as ui:
        eventually(lambda: bool(ui.newest("prediction_scorecard")), "the graph is made")
        settle(ui)

        # An hour in which nothing happens.
        before = ui.newest("livescores")
        with runs_meanwhile(ui) as meanwhile:
            ui.ingest(last_three[-1], last_three[0])
            settle(ui)
        assert meanwhile == {"ingest": 1}, ui.runs()
        assert ui.newest("livescores")["timestamp"] > before["timestamp"]

        # One in which a result is corrected: one run for all that follows.
        day = correct_a_result(feed, today)
        before = ui.newest("serving_workers")
        with runs_meanwhile(ui) as meanwhile:
            ui.ingest(day)
            eventually(lambda: ui.made_by_itself("serving_workers", before), "workers follow")
            settle(ui)
        assert meanwhile == {"ingest": 1, "__ASSET_JOB": 1}

        # A day that brought nothing.
        before = ui.newest("serving_workers")
        with runs_meanwhile(ui) as meanwhile:
            with shell.warehouse() as engine, engine.begin() as connection:
                connection.execute(sa.text(A_DAY_PASSES))
            eventually(lambda: ui.made_by_itself("serving_workers", before), "workers are made")
            settle(ui)
        assert meanwhile == {"__ASSET_JOB": 1}
        every_check_was_evaluated(ui)


LEDGER = "ledger"
#: For what was made until now.
A_DAY_PASSES = """UPDATE event_logs SET timestamp = timestamp - interval '1 day'
    WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"""


def settle(ui: Ui) -> None:
    """Wait until every run has ended and the sensors, asked several times more, want no other."""
    quiet_since, seen = time.monotonic(), set[str]()

    def is_quiet() -> bool:
        nonlocal quiet_since, seen
        runs = {run["runId"] for run in ui.runs()}
        if runs != seen or not ui.at_rest():
            quiet_since, seen = time.monotonic(), runs
        return time.monotonic() - quiet_since > 90

    eventually(is_quiet, "nothing runs")


@contextmanager
def runs_meanwhile(ui: Ui) -> Iterator[Counter[str]]:
    """Counts, at the end, the new runs by their job; without those of the feed's schedules."""
    before = {run["runId"] for run in ui.runs()}
    found: Counter[str] = Counter()
    yield found
    found.update(
        run["jobName"]
        for run in ui.runs()
        if run["runId"] not in before
        and not any(tag["key"] == "dagster/schedule_name" for tag in run["tags"])
    )


def correct_a_result(feed: FeedServer, today: date) -> date:
    """One match of the newest day that has a result has another one; returns the day."""
    for day in (today - timedelta(days=back) for back in range(30)):
        payload = copy.deepcopy(feed.backend.payload(day, feed.clock()))
        for match in (m for t in payload["tournaments"] for m in t["matches"]):
            if match["status"] == 6:
                match["homeScore"] += 3
                feed.override(day, payload)
                return day
    raise AssertionError("no result for a month")


def status_of(ui: Ui, run_id: str) -> str:
    return next(run["status"] for run in ui.runs() if run["runId"] == run_id)


def updates_of(ui: Ui) -> set[str]:
    """The runs that the sensor asked for."""
    tag = {"key": "soccer/trigger", "value": "update"}
    return {run["runId"] for run in ui.runs() if tag in run["tags"]}


def every_check_was_evaluated(ui: Ui) -> None:
    """On what was made last, by the run that made it, as the UI shows it."""
    for node in ui.ask(CHECKS)["assetNodes"]:
        asset = "/".join(node["assetKey"]["path"])
        made = node["assetMaterializations"]
        if asset == LEDGER and not made:  # no day of it is over
            continue
        assert made, f"{asset} was never made"
        for check in node["assetChecksOrError"].get("checks", ()):
            evaluated = check["executionForLatestMaterialization"]
            assert evaluated, f"{asset}: {check['name']} was not evaluated"
            assert evaluated["status"] in ("SUCCEEDED", "FAILED"), (asset, check)
            assert evaluated["runId"] == made[0]["runId"], (asset, check)
