"""The code server under ``dagster dev`` is killed, alone or with the run that it launched."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date

import psutil
import pytest

from soccer_assets.automation.jobs import ends_within
from soccer_assets.clock import utc_now
from soccer_assets.simulator.faults import Fault
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer
from soccer_assets_tests.durability.kills import processes_of
from soccer_assets_tests.end_to_end.shell import Shell, open_shell
from soccer_assets_tests.end_to_end.test_automation import Ui, automated, eventually, status_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

#: Asked for by nobody but this test.
DAY = date(2025, 3, 1)
#: As that of a command: whoever wanted it is told at once.
NO_RETRY = {"dagster/max_retries": "0"}

LAUNCH = """mutation ($tags: [ExecutionTag!]!) { launchRun(executionParams: {
    selector: {repositoryLocationName: "soccer_assets", repositoryName: "__repository__",
               pipelineName: "ingest"},
    runConfigData: "{}", mode: "default", executionMetadata: {tags: $tags}}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
SLOTS = """{ instance { concurrencyLimit(concurrencyKey: "livescores") { activeRunIds } } }"""


@pytest.fixture(scope="module")
def feed() -> Iterator[FeedServer]:
    with FeedServer(LeagueSimulator(seed=20), clock=utc_now) as server:
        yield server


@pytest.fixture(scope="module")
def shell(feed: FeedServer) -> Iterator[Shell]:
    with open_shell({"LIVESCORES_URL": feed.url}) as opened:
        yield opened


@pytest.fixture(scope="module")
def ui(shell: Shell) -> Iterator[Ui]:
    with automated(shell) as opened:
        eventually(lambda: bool(servers(shell)), "there is a code server")
        yield opened


def test_a_code_server_that_is_killed_with_its_run_comes_back_and_the_run_is_ended_and_told(
    shell: Shell, ui: Ui, feed: FeedServer
) -> None:
    with hanging(ui, feed, 290, **NO_RETRY) as run:
        (server,) = servers(shell)
        kill([server, *server.children(recursive=True)])
        eventually(lambda: status_of(ui, run) == "FAILURE", "the run is ended")
        eventually(lambda: run not in holders(ui), "its slot is free")
        eventually(lambda: bool(alerts(shell, run)), "it is told")
    (alert,) = alerts(shell, run)
    assert "is gone" in alert
    the_next_run_ends_well(ui)


def test_a_run_outlives_its_code_server(shell: Shell, ui: Ui, feed: FeedServer) -> None:
    with hanging(ui, feed, 30, **NO_RETRY) as run:
        kill(servers(shell))
    eventually(lambda: status_of(ui, run) == "SUCCESS", "the run ends")
    eventually(lambda: run not in holders(ui), "its slot is free")
    assert not alerts(shell, run)
    the_next_run_ends_well(ui)


def test_a_run_that_hangs_is_ended_by_its_limit_and_told(
    shell: Shell, ui: Ui, feed: FeedServer
) -> None:
    with hanging(ui, feed, 290, **ends_within(hours=5 / 3600)) as run:
        eventually(lambda: status_of(ui, run) == "FAILURE", "the run is ended")
        eventually(lambda: run not in holders(ui), "its slot is free")
        eventually(lambda: bool(alerts(shell, run)), "it is told")
    (alert,) = alerts(shell, run)
    assert "exceeding maximum runtime of 5 seconds" in alert
    the_next_run_ends_well(ui)


def the_next_run_ends_well(ui: Ui) -> None:
    launched: list[str] = []
    eventually(lambda: bool(launched.extend(launch(ui)) or launched), "a run can be launched")
    eventually(lambda: status_of(ui, launched[0]) == "SUCCESS", "the next run ends")


def launch(ui: Ui, **tags: str) -> list[str]:
    """Ask for the day; the run's id, if there is one."""
    tags |= {
        "dagster/asset_partition_range_start": str(DAY),
        "dagster/asset_partition_range_end": str(DAY),
    }
    given = [{"key": key, "value": value} for key, value in tags.items()]
    done = ui.ask(LAUNCH, tags=given)["launchRun"]
    return [done["run"]["runId"]] if "run" in done else []


def servers(shell: Shell) -> list[psutil.Process]:
    """Those behind the proxy, which load the code and start runs."""
    return [
        process
        for process in processes_of(shell.home)
        if {"api", "grpc"} <= set(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE
    ]


def kill(victims: list[psutil.Process]) -> None:
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()


@contextmanager
def hanging(ui: Ui, feed: FeedServer, seconds: float, **tags: str) -> Iterator[str]:
    """A run that waits for its source, and holds a slot; the source is well again afterwards."""
    feed.inject(DAY, Fault.http_429(retry_after=seconds))
    (run,) = launch(ui, **tags)
    eventually(lambda: run in holders(ui), "it works")
    try:
        yield run
    finally:
        feed.clear()


def holders(ui: Ui) -> list[str]:
    found: list[str] = ui.ask(SLOTS)["instance"]["concurrencyLimit"]["activeRunIds"]
    return found


def alerts(shell: Shell, run: str) -> list[str]:
    """What was told of a run, where no Slack is there to take it."""
    log = (shell.home / "dagster.log").read_text()
    told = re.findall(r"alert \(no SLACK_BOT_TOKEN set\): .*?/runs/[\w-]+", log, re.DOTALL)
    return [alert for alert in told if alert.endswith(run)]
