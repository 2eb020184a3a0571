"""Commands that are asked to end, where they wait or work longest."""

import signal
from collections.abc import Iterator, Sequence
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
from soccer_assets_tests.end_to_end.shell import Shell, open_shell, wait_until
from soccer_assets_tests.end_to_end.test_real_matches import AS_OF, cut_to

#: Two a transaction.
DAYS = [date(2025, 3, number) for number in range(1, 5)]
BACKFILL = ("backfill", "--since", str(DAYS[0]), "--until", str(DAYS[-1]), "--batch-days", "2")


@pytest.fixture
def household(
    database_url: str, tmp_path: Path, feed: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Household]:
    household = Household(tmp_path, database_url, {"LIVESCORES_URL": feed.url})
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
            assert child.ends() == 128 + signal.SIGTERM
    assert runs() == {"ingest": "CANCELED"}
    goes_on(household)


def test_a_rebuild_that_waits_for_readers_ends_when_asked(household: Household) -> None:
    goes_on(household)
    with get_engine(get_settings()).connect() as connection:
        connection.execute(sa.text("LOCK TABLE soccer.match_raw IN ACCESS SHARE MODE"))
        with household.start(soccer, "rebuild") as child:
            child.works_until(waits_for_lock)
            child.signal(signal.SIGTERM)
            assert child.ends() == 128 + signal.SIGTERM
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
        assert child.ends() == 128 + signal.SIGTERM
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
    "export": Moment(line="ingest_days: ", within=1),
    "a DVC stage": Moment(line="Running stage 'features'", within=2),
    "a push": Moment(child="dvc push", within=0.5),
    "training": Moment(line="Starting a new mlflow run", within=2),
    "a promotion": Moment(line="trained_model: ", within=1),
    "predictions": Moment(line="serving_features: ", within=0.5),
}
#: What no command that is asked to end leaves, as ``leftovers`` names it.
NEVER_LEFT = ("run ", "slot ", "waits ", "process ")


@pytest.mark.slow
def test_a_demo_ends_when_asked_at_every_stage_and_goes_on_there(tmp_path: Path) -> None:
    with open_shell(small_loop(tmp_path)) as shell:
        ends_at_every_stage_and_goes_on(shell, ("soccer", "demo", "--days", "90"))


@pytest.mark.slow
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
        asked = doomed.strike(moment, "command", Random(stage), signal.SIGTERM)
        printed = "".join(doomed.printed)[-5000:]
        assert asked, f"{stage}: it had ended: {printed}"
        wait_until(lambda: processes_of(shell.home) == [])  # some look only once a second
        left = [left for left in leftovers(shell) if left.startswith(NEVER_LEFT)]
        assert left == [], f"{stage}: {printed}"
        # Between two runs there is none to be canceled.
        assert statuses(shell)[-1] in ("CANCELED", "SUCCESS"), f"{stage}: {printed}"
    assert "Coming matches (kick-off UTC)" in shell.run(*command)
    assert leftovers(shell) == []
    assert statuses(shell)[-1] == "SUCCESS"


def statuses(shell: Shell) -> Sequence[str]:
    """Of all runs, in their order."""
    with shell.warehouse() as engine, engine.connect() as connection:
        return connection.scalars(sa.text("SELECT status FROM runs ORDER BY id")).all()
