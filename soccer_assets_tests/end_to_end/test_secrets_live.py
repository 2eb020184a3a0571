"""No secret of any setting is in anything that a running system shows: what ``dagster dev`` prints,
its command lines, what its daemon notes of every tick, what GraphQL tells, and what a worker says."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import httpx
import psutil
import pytest
import sqlalchemy as sa

from soccer_assets_tests.end_to_end.shell import Shell, free_port, open_shell, wait_until
from soccer_assets_tests.test_secrets import (
    HASTE,
    LOGIN,
    MARK,
    NOWHERE,
    SECRETS,
    files_with_mark,
    tables_with_mark,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

_ERROR = """
fragment Error on PythonError { message className stack causes { message className stack } }"""
DEFINITIONS = (
    """{
  assetNodes {
    assetKey { path } description opName kinds metadataEntries { __typename label description
      ... on TextMetadataEntry { text } ... on JsonMetadataEntry { jsonString }
      ... on MarkdownMetadataEntry { mdStr } ... on PathMetadataEntry { path }
      ... on UrlMetadataEntry { url } }
    configField { name defaultValueAsJson }
  }
  repositoriesOrError { ... on RepositoryConnection { nodes {
    displayMetadata { key value }
    jobs { name description tags { key value } runTags { key value } }
    schedules { name description }
    sensors { name description }
    allTopLevelResourceDetails { name description resourceType
      configFields { name description defaultValueAsJson } configuredValues { key value type } }
  } } }
  workspaceOrError { ... on Workspace { locationEntries { name loadStatus
    displayMetadata { key value } locationOrLoadError { ...Error } } } }
  instance { info daemonHealth { allDaemonStatuses { daemonType healthy
    lastHeartbeatErrors { ...Error } } } }
}"""
    + _ERROR
)
_TICK = """
fragment Tick on InstigationTick { status skipReason cursor runKeys error { ...Error }
  logEvents { events { message level } } }"""
TICKS = (
    """{ repositoriesOrError { ... on RepositoryConnection { nodes {
  sensors { name sensorState { ticks { ...Tick } } }
  schedules { name scheduleState { ticks { ...Tick } } }
} } } }"""
    + _TICK
    + _ERROR
)
RUNS = """{ runsOrError(limit: 1000) { ... on Runs { results {
  runId status runConfigYaml tags { key value } } } } }"""
EVENTS = (
    """query ($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
  __typename ... on MessageEvent { message level }
  ... on ErrorEvent { error { ...Error } }
  ... on ExecutionStepFailureEvent { failureMetadata { metadataEntries { label description } } }
} } } }"""
    + _ERROR
)
_DRY = """
fragment Dry on DryRunInstigationTick { evaluationResult { skipReason error { ...Error }
  runRequests { runConfigYaml tags { key value } } } }"""
SENSOR = (
    """mutation ($selector: SensorSelector!) {
  sensorDryRun(selectorData: $selector) { __typename ...Dry ...Error } }"""
    + _DRY
    + _ERROR
)
SCHEDULE = """mutation ($selector: ScheduleSelector!, $at: Float!) {
  scheduleDryRun(selectorData: $selector, timestamp: $at) { __typename ...Dry ...Error } }""" + (
    _DRY + _ERROR
)
LAUNCH = """mutation ($assets: [AssetKeyInput!]!, $tags: [ExecutionTag!]!) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "soccer_assets", repositoryName: "__repository__",
               pipelineName: "__ASSET_JOB", assetSelection: $assets},
    runConfigData: "{}", mode: "default", executionMetadata: {tags: $tags}}) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message stack } } }"""
#: Each fails at a service of its own: feed, lake, registry, lake and registry.
RUN = [
    (("livescores", "match_raw", "match"), "2025-03-01"),
    (("match_raw_parquet", "match_parquet"), "2025-03-01"),
    (("finished", "fixtures", "features", "feature_states", "features_meta", "dataset"), None),
    (("registered_model", "candidate_model", "champion_model"), None),
    (("predictions", "serving_workers", "feature_drift", "data_volume"), None),
]
PATHS = (
    *("/", "/healthz", "/readyz", "/predictions", "/predictions/1", "/model"),
    *("/docs", "/redoc", "/openapi.json", "/nothing", "/predictions?limit=x"),
)


#: Five runs, each of which asks a service in vain, some of them several times.
PATIENCE_SECONDS = 1200


@contextmanager
def refusing() -> Iterator[str]:
    """Where every request is answered by 403, with all that it came with; yields host and port."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind, _, login = self.headers.get("Authorization", "").partition(" ")
            who = base64.b64decode(login).decode() if kind == "Basic" else login
            told = {"message": f"{who} may not", "path": self.path, "with": dict(self.headers)}
            body = json.dumps(told).encode()
            self.send_response(403, f"{who} may not".replace("\n", " "))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@pytest.fixture(params=["down", "refusing"])
def shell(request: pytest.FixtureRequest, household_url: str) -> Iterator[Shell]:
    """Every setting holds a secret, and every service but the database is down, or refuses."""
    with refusing() as there:
        host = there if request.param == "refusing" else NOWHERE
        url = sa.make_url(household_url).set(password=f"{MARK}-postgres")
        variables = {
            **{name: value.replace(NOWHERE, host) for name, value in SECRETS.items()},
            **HASTE,
            "POSTGRES_URL": url.render_as_string(hide_password=False),
            "LAKE_URI": "s3://bucket/lake",
            "S3_ENDPOINT_URL": f"http://{host}",
            "SLACK_API_URL": f"http://{host}/api/",
        }
        assert LOGIN in variables["LIVESCORES_URL"]
        with open_shell(variables) as opened:
            yield opened


def test_no_secret_is_in_anything_that_a_running_system_shows(shell: Shell) -> None:
    told: dict[str, str] = {}
    url = f"http://127.0.0.1:{(port := free_port())}"
    with (
        shell.running("dagster", "dev", "-p", str(port), answers_at=f"{url}/server_info"),
        httpx.Client(base_url=url, timeout=120, trust_env=False) as http,
    ):

        def ask(query: str, **variables: Any) -> Any:
            body = {"query": query, "variables": variables}
            answer = http.post("/graphql", json=body)
            assert "errors" not in answer.json(), answer.text
            return answer.json()["data"]

        def run(assets: tuple[str, ...], partition: str | None) -> str:
            tags = [{"key": "dagster/partition", "value": partition}] if partition else []
            keys = [{"path": [name]} for name in assets]
            launched = ask(LAUNCH, assets=keys, tags=tags)["launchRun"]
            assert launched["__typename"] == "LaunchRunSuccess", launched
            return str(launched["run"]["runId"])

        wait_until(lambda: len(ask(DEFINITIONS)["assetNodes"]) > 10)
        launched = {run(*what): what for what in RUN}
        command_lines: set[str] = set()

        def states() -> dict[str, str]:
            command_lines.update(command_lines_below(shell))
            found = ask(RUNS)["runsOrError"]["results"]
            return {one["runId"]: one["status"] for one in found}

        def ended() -> bool:
            state = states()
            return all(state.get(one) in ("FAILURE", "SUCCESS") for one in launched)

        wait_until(ended, PATIENCE_SECONDS)
        state = states()
        assert {what for one, what in launched.items() if state[one] == "FAILURE"} >= {*RUN[:4]}
        wait_until(lambda: all(sensor_ticks(ask(TICKS)).values()), PATIENCE_SECONDS)

        told["definitions"] = json.dumps(ask(DEFINITIONS))
        told["ticks"] = json.dumps(ask(TICKS))
        told["runs"] = json.dumps(ask(RUNS))
        told["events"] = json.dumps([ask(EVENTS, id=one) for one in states()])
        told["dry ticks"] = json.dumps(list(dry_ticks(ask)))
        told["command lines"] = "\n".join(command_lines)
    told["dagster dev"] = (shell.home / "dagster.log").read_text()
    told |= what_a_worker_says(shell)

    assert "STEP_FAILURE" in told["events"] or "ExecutionStepFailureEvent" in told["events"]
    assert "soccer_assets.definitions" in told["command lines"]
    leaks = {place: around(MARK, text) for place, text in told.items() if MARK in text.lower()}
    assert leaks == {}
    assert list(files_with_mark(shell.home)) == []
    engine = sa.create_engine(shell.variables["POSTGRES_URL"], poolclass=sa.NullPool)
    assert list(tables_with_mark(engine)) == []


def command_lines_below(shell: Shell) -> Iterator[str]:
    """Of all processes that were started with the shell's home."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("SOCCER_HOME") == str(shell.home):
                yield " ".join(process.cmdline())
        except psutil.Error:
            continue


def sensor_ticks(answer: Any) -> dict[str, list[Any]]:
    """Sensor -> its ticks that have ended."""
    (repository,) = answer["repositoriesOrError"]["nodes"]
    return {
        sensor["name"]: [t for t in sensor["sensorState"]["ticks"] if t["status"] != "STARTED"]
        for sensor in repository["sensors"]
    }


def dry_ticks(ask: Any) -> Iterator[Any]:
    """What every sensor and schedule answers when it is tried in the UI."""
    (repository,) = ask(TICKS)["repositoriesOrError"]["nodes"]
    place = {"repositoryLocationName": "soccer_assets", "repositoryName": "__repository__"}
    for sensor in repository["sensors"]:
        if sensor["name"] != "automation":
            yield ask(SENSOR, selector={**place, "sensorName": sensor["name"]})
    for schedule in repository["schedules"]:
        selector = {**place, "scheduleName": schedule["name"]}
        yield ask(SCHEDULE, selector=selector, at=1_900_000_000)


def what_a_worker_says(shell: Shell) -> dict[str, str]:
    """Its answers, with their headers, and its log."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    serve = ("serve", "--port", str(port))
    with (
        shell.running("soccer", *serve, answers_at=f"{url}/healthz"),
        httpx.Client(base_url=url, timeout=60, trust_env=False) as http,
    ):
        answers = [http.get(path) for path in PATHS]
        for token in ("wrong", shell.variables["SERVING_TOKEN"]):
            answers.append(http.post("/reload", headers={"Authorization": f"Bearer {token}"}))
    shown = [f"{answer.status_code} {answer.headers} {answer.text}" for answer in answers]
    away = sa.make_url(shell.variables["POSTGRES_URL"]).set(host="127.0.0.1", port=1, query={})
    variables = {**shell.variables, "POSTGRES_URL": away.render_as_string(hide_password=False)}
    without = Shell(shell.home, variables, shell.folder)
    return {
        "answers": "\n".join(shown),
        "worker": (shell.home / "soccer.log").read_text(),
        "worker without a database": without.fails("soccer", *serve),
    }


def around(mark: str, text: str) -> list[str]:
    """The first places, for whoever has to mend them."""
    parts = text.lower().split(mark)
    return [f"{a[-200:]}{mark}{b[:60]}" for a, b in pairwise(parts[:4])]
