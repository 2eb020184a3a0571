"""Commands that are asked to end, where they wait or work longest."""

import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pandas as pd
import pytest
import sqlalchemy as sa

from soccer_assets.clock import utc_now
from soccer_assets.runner import open_instance
from soccer_assets.settings import get_settings
from soccer_assets.simulator.faults import Fault
from soccer_assets.simulator.server import FeedServer
from soccer_assets.warehouse.connection import get_engine
from soccer_assets.warehouse.ingested_days import matches_by_day
from soccer_assets_tests.doomed_runs import Household, dagster, soccer
from soccer_assets_tests.durability.kills import (
    Command,
    Doomed,
    Moment,
    leftovers,
    processes_of,
    small_loop,
)
from soccer_assets_tests.end_to_end.shell import PATIENCE_SECONDS, Shell, open_shell, wait_until
from soccer_assets_tests.end_to_end.test_real_matches import AS_OF, cut_to

pytestmark = pytest.mark.system

#: Two a transaction.
DAYS = [date(2025, 3, number) for number in range(1, 5)]
BACKFILL = ("backfill", "--since", str(DAYS[0]), "--until", str(DAYS[-1]), "--batch-days", "2")

#: Exit codes: a step that gets to the signal in time ends by Ctrl-C, as Dagster has it.
ASKED = {128 + signal.SIGTERM, 128 + signal.SIGINT}


@pytest.fixture
def household(
    household_url: str, tmp_path: Path, feed: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Household]:
    household = Household(tmp_path, household_url, {"LIVESCORES_URL": feed.url})
    for name, value in household.environment.items():
        monkeypatch.setenv(name, value)
    yield household
    get_engine(get_settings()).dispose()


def runs() -> dict[str, str]:
    """Job -> status, of a job that ran once."""
    with open_instance() as instance:
        return {run.job_name: run.status.value for run in instance.get_runs()}


def test_one_that_waits_as_long_as_the_source_asked_ends_when_asked(
    household: Household, feed: FeedServer
) -> None:
    feed.inject(DAYS[2], Fault.http_429(retry_after=290))
    with household.start(soccer, *BACKFILL) as child:
        child.works_until(lambda: feed.requests >= 4)
        child.signal(signal.SIGTERM)
        child.ends()
    assert runs() == {"ingest": "CANCELED"}
    assert matches_by_day(get_engine(get_settings())).keys() == set(
        DAYS[:2]
    )  # what was loaded is kept
    feed.clear()
    goes_on(household)


def test_a_materialization_ends_when_asked(household: Household, feed: FeedServer) -> None:
    feed.inject(DAYS[1], Fault.http_429(retry_after=290))
    days = f"{DAYS[0]}...{DAYS[1]}"
    assets = ("--select", "livescores,match_raw,match", "--partition-range", days)
    with household.start(dagster, "asset", "materialize", *assets) as child:
        child.works_until(lambda: feed.requests >= 2)
        child.signal(signal.SIGTERM)
        assert child.ends() != 0
    assert runs() == {"__ASSET_JOB": "CANCELED"}


def test_one_that_waits_for_the_database_ends_when_asked(
    household: Household, feed: FeedServer
) -> None:
    with get_engine(get_settings()).connect() as connection:
        connection.execute(sa.text("LOCK TABLE soccer.match_raw IN ACCESS EXCLUSIVE MODE"))
        with household.start(soccer, *BACKFILL) as child:
            child.works_until(lambda: feed.requests >= 2)
            child.works_until(waits_for_lock)
            child.signal(signal.SIGTERM)
            assert child.ends() in ASKED
    assert runs() == {"ingest": "CANCELED"}
    goes_on(household)


def test_a_rebuild_that_waits_for_readers_ends_when_asked(household: Household) -> None:
    goes_on(household)
    with get_engine(get_settings()).connect() as connection:
        connection.execute(sa.text("LOCK TABLE soccer.match_raw IN ACCESS SHARE MODE"))
        with household.start(soccer, "rebuild") as child:
            child.works_until(waits_for_lock)
            child.signal(signal.SIGTERM)
            assert child.ends() in ASKED
    assert runs()["rebuild"] == "CANCELED"
    assert matches_by_day(get_engine(get_settings())).keys() == set(DAYS)  # as they were
    with household.start(soccer, "rebuild") as child:
        assert child.ends() == 0
    assert matches_by_day(get_engine(get_settings())).keys() == set(DAYS)


def test_a_demo_that_waits_for_its_source_ends_when_asked(
    household: Household, feed: FeedServer
) -> None:
    feed.inject(utc_now().date() - timedelta(days=90), Fault.http_429(retry_after=290))
    with household.start(soccer, "demo", "--days", "90") as child:
        child.works_until(lambda: feed.requests >= 4)
        child.signal(signal.SIGTERM)
        assert child.ends() in ASKED
    assert runs() == {"ingest": "CANCELED"}


def waits_for_lock() -> bool:
    found = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL")
    with get_engine(get_settings()).connect() as connection:
        return bool(connection.scalar(found))


def goes_on(household: Household) -> None:
    """The same command does the rest."""
    with household.start(soccer, *BACKFILL) as child:
        assert child.ends() == 0
    assert matches_by_day(get_engine(get_settings())).keys() == set(DAYS)


# At every stage of a whole loop


#: What is under way, and a line that says so.
STAGES = {
    "ingest": Moment(line="days are loaded and settled", within=0.5),
    "export": Moment(line="PostgreSQL -> lake", within=1),
    "a DVC stage": Moment(line="Running stage 'features'", within=2),
    "a push": Moment(line="Pushing outs:", within=0.2),
    "training": Moment(line="Starting a new mlflow run", within=2),
    "a promotion": Moment(line="trained_model: ", within=1),
    "predictions": Moment(line="serving_features: ", within=0.5),
}
#: What no command that is asked to end leaves, as ``leftovers`` names it.
NEVER_LEFT = ("run ", "slot ", "waits ", "process ")
ENDED = ("SUCCESS", "FAILURE", "CANCELED")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_demo_ends_when_asked_at_every_stage_and_goes_on_there(tmp_path: Path) -> None:
    with open_shell(small_loop(tmp_path)) as shell:
        ends_at_every_stage_and_goes_on(shell, ("soccer", "demo", "--days", "90"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_replay_ends_when_asked_at_every_stage_and_goes_on_there(
    real_matches: Path, tmp_path: Path
) -> None:
    file = tmp_path / "matches.parquet"
    cut_to(file, real_matches)
    since = AS_OF - pd.Timedelta(days=150)
    days = ("--as-of", f"{AS_OF:%Y-%m-%d}", "--since", f"{since:%Y-%m-%d}")
    with open_shell(small_loop(tmp_path)) as shell:
        ends_at_every_stage_and_goes_on(shell, ("soccer", "replay", str(file), *days))


def ends_at_every_stage_and_goes_on(shell: Shell, command: Command) -> None:
    for stage, moment in STAGES.items():
        doomed = Doomed(shell, command)
        process = doomed.reach(moment, Random(stage))
        under_way = halt_in_a_run(process, shell)
        assert under_way, f"{stage}: it had ended: {told(doomed)}"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        assert process.wait(PATIENCE_SECONDS) != 0, f"{stage}: {told(doomed)}"
        wait_until(lambda: processes_of(shell.home) == [])  # some look only once a second
        left = [left for left in leftovers(shell) if left.startswith(NEVER_LEFT)]
        assert left == [], f"{stage}: {told(doomed)}"
        became = {run: statuses(shell)[run] for run in under_way}
        assert became == dict.fromkeys(under_way, "CANCELED"), f"{stage}: {told(doomed)}"
    assert "Coming matches (kick-off UTC)" in shell.run(*command)
    assert leftovers(shell) == []
    assert list(statuses(shell).values())[-1] == "SUCCESS"


def halt_in_a_run(process: subprocess.Popen[str], shell: Shell) -> list[str]:
    """Stop the process, so that nothing ends while it is looked at, when a run is under way; the
    runs, or none if the process ends before."""
    while process.poll() is None:
        process.send_signal(signal.SIGSTOP)
        if under_way := [run for run, status in statuses(shell).items() if status not in ENDED]:
            return under_way
        process.send_signal(signal.SIGCONT)
        time.sleep(0.1)
    return []


def told(doomed: Doomed) -> str:
    return "".join(doomed.printed)[-5000:]


def statuses(shell: Shell) -> dict[str, str]:
    """Run -> status, in their order."""
    query = sa.text("SELECT run_id, status FROM runs ORDER BY id")
    with shell.warehouse() as engine, engine.connect() as connection:
        return dict(connection.execute(query).tuples().all())
