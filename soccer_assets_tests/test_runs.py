"""Runs whose process is killed, stopped or asked to end, and those that wait for them."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from soccer_assets.automation.jobs import ends_within
from soccer_assets.instance import SoccerInstance
from soccer_assets.process import Leases
from soccer_assets.runner import open_instance
from soccer_assets.runs import PROCESS_TAG, end_dead_runs, overdue, usual_time
from soccer_assets_tests.doomed_runs import (
    Household,
    execute,
    execute_and_stay,
    execute_as_launched,
    execute_until,
    monitor,
    planned,
)

FAILURE, CANCELED, SUCCESS = (
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
    dg.DagsterRunStatus.SUCCESS,
)

#: On time.
LIMIT = ends_within(hours=1 / 3600)


@pytest.fixture
def household(household_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Household:
    household = Household(tmp_path, household_url)
    for name, value in household.environment.items():
        monkeypatch.setenv(name, value)
    return household


@pytest.fixture
def instance(household: Household) -> Iterator[dg.DagsterInstance]:
    with open_instance() as instance:
        yield instance


def only_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    (run,) = instance.get_runs()
    return run


def leases(instance: dg.DagsterInstance) -> Leases:
    assert isinstance(instance, SoccerInstance)
    return instance.leases


def slots(instance: dg.DagsterInstance) -> set[str]:
    """Runs that hold or wait for a slot."""
    return set(instance.event_log_storage.get_concurrency_run_ids())


def ends_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    """What the log says of the run's end, each time."""
    ends = {
        dg.DagsterEventType.RUN_FAILURE,
        dg.DagsterEventType.RUN_CANCELED,
        dg.DagsterEventType.RUN_SUCCESS,
    }
    entries = instance.all_logs(run.run_id, of_type=ends)
    return [str(entry.dagster_event and entry.dagster_event.message) for entry in entries]


def test_two_that_need_a_pool_for_the_first_time_at_once_both_find_it(
    instance: dg.DagsterInstance,
) -> None:
    storage = instance.event_log_storage
    for _ in range(2):  # both had looked for it before either made it
        assert storage.initialize_concurrency_limit_to_default("registry")
    [pool] = [pool for pool in storage.get_pool_limits() if pool.name == "registry"]
    assert pool.limit == instance.global_op_concurrency_default_limit == 1


def test_a_killed_run_is_ended_and_its_slot_freed(
    household: Household, instance: dg.DagsterInstance
) -> None:
    with household.start(execute, "waits") as child:
        child.hear("in step")
        assert end_dead_runs(instance) == []  # it lives
        child.kill()
        run = only_run(instance)
        assert slots(instance) == {run.run_id}
        assert end_dead_runs(instance) == [run.run_id]
    assert only_run(instance).status is FAILURE
    (message,) = ends_of(instance, run)
    assert f"process {child.process.pid} on " in message
    assert "is gone" in message
    assert slots(instance) == set()
    assert leases(instance).dead() == end_dead_runs(instance) == []


def test_a_run_that_is_stopped_for_a_while_is_not_ended(
    household: Household, instance: dg.DagsterInstance
) -> None:
    with household.start(execute, "waits") as child:
        child.hear("in step")
        child.signal(signal.SIGSTOP)
        assert end_dead_runs(instance) == []


def test_a_run_of_another_machine_is_left_to_it(
    household: Household, instance: dg.DagsterInstance
) -> None:
    with household.start(execute, "waits") as child:
        child.hear("in step")
        child.kill()
        leases(instance).bury(only_run(instance).run_id)  # it never was in this folder
        assert end_dead_runs(instance) == []


@pytest.mark.parametrize(
    ("event", "asset"),
    [
        (dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, "of_many_days"),
        (dg.DagsterEventType.RUN_START, "waits"),
        (dg.DagsterEventType.RUN_SUCCESS, "is_quick"),
    ],
)
def test_a_run_is_ended_wherever_it_was_killed(
    household: Household, instance: dg.DagsterInstance, event: dg.DagsterEventType, asset: str
) -> None:
    with household.start(execute_until, event, execute, asset) as child:
        assert child.ends() == -signal.SIGKILL
    assert not only_run(instance).is_finished
    end_dead_runs(instance)
    assert only_run(instance).status is FAILURE
    assert slots(instance) == set()


def test_a_killed_run_that_was_to_be_canceled_is_canceled(
    household: Household, instance: dg.DagsterInstance
) -> None:
    with household.start(execute, "waits") as child:
        child.hear("in step")
        child.signal(signal.SIGSTOP)
        instance.report_run_canceling(only_run(instance))
        child.kill()
    end_dead_runs(instance)
    assert only_run(instance).status is CANCELED


def test_a_run_that_another_process_launched_is_ended_before_it_has_begun(
    household: Household, instance: dg.DagsterInstance
) -> None:
    run = planned(instance, "waits", {})
    begins = dg.DagsterEventType.RUN_START
    with household.start(execute_until, begins, execute_as_launched, run.run_id) as child:
        assert child.ends() == -signal.SIGKILL
    assert end_dead_runs(instance) == [run.run_id]


def test_a_dead_run_is_ended_by_the_daemon_while_no_code_server_answers(
    household: Household, instance: dg.DagsterInstance
) -> None:
    run = planned(instance, "waits", {})
    with household.start(execute_as_launched, run.run_id) as child:
        child.hear("in step")
        monitor(instance)
        assert not only_run(instance).is_finished  # it lives
        child.kill()
    assert slots(instance) == {run.run_id}
    monitor(instance)
    (message,) = ends_of(instance, run)
    assert f"process {child.process.pid} on " in message
    assert only_run(instance).status is FAILURE
    assert slots(instance) == set()


def test_a_dead_run_is_ended_once_by_many_at_once(
    household: Household, instance: dg.DagsterInstance
) -> None:
    with household.start(execute, "waits") as child:
        child.hear("in step")
    threads = [threading.Thread(target=end_dead_runs, args=(instance,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends_of(instance, only_run(instance))) == 1


def test_who_waits_for_a_killed_run_gets_its_slot_with_no_daemon_and_says_whom_it_waited_for(
    household: Household, instance: dg.DagsterInstance
) -> None:
    with household.start(execute, "waits") as holder:
        holder.hear("in step")
        held = only_run(instance)
        with household.start(execute, "is_quick") as waiter:
            waiter.works_until(lambda: len(slots(instance)) == 2)
            holder.kill()
            waiter.hear("SUCCESS")
    done = instance.get_runs(dg.RunsFilter(statuses=[SUCCESS]))
    told = [
        str(entry.dagster_event.message)
        for entry in instance.all_logs(done[0].run_id)
        if entry.dagster_event
    ]
    waits = f"is_quick waits for pool only_one, held by run {held.run_id[:8]} (__ASSET_JOB, process"
    assert any(message.startswith(waits) for message in told)


def test_the_next_command_ends_what_was_killed(
    household: Household, instance: dg.DagsterInstance
) -> None:
    with household.start(execute, "waits") as child:
        child.hear("in step")
    with household.start(execute, "is_quick") as child:
        child.hear("SUCCESS")
    statuses = {run.status for run in instance.get_runs()}
    assert statuses == {FAILURE, SUCCESS}


def test_slots_of_runs_that_ended_or_are_no_more_are_freed(
    household: Household, instance: dg.DagsterInstance
) -> None:
    with household.start(execute, "waits") as child:
        child.hear("in step")
    run = only_run(instance)
    instance.report_run_failed(run)  # by hand, in the UI
    assert slots(instance) == {run.run_id}
    end_dead_runs(instance)
    assert slots(instance) == set()
    assert leases(instance).dead() == []
    storage = instance.event_log_storage
    storage.claim_concurrency_slot("only_one", "a run that was deleted", "step")
    end_dead_runs(instance)
    assert slots(instance) == set()


@pytest.mark.slow
def test_a_run_whose_end_could_not_be_written_is_ended_when_the_database_is_back(
    household: Household, instance: dg.DagsterInstance, postgres_server: str
) -> None:
    with household.start(execute_and_stay, "goes_on_when_told") as child:
        child.hear("in step")
        with away(postgres_server, household.url):
            (household.home / "go on").touch()
            child.hear("left")  # and lives
        assert not only_run(instance).is_finished
        end_dead_runs(instance)
        assert only_run(instance).status is FAILURE
        assert slots(instance) == set()


@contextmanager
def away(server: str, url: str) -> Iterator[None]:
    """The database takes no connection, and those that there are are cut."""
    name = sa.make_url(url).database
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        cut = sa.text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        )
        connection.execute(cut, {"name": name})
        try:
            yield
        finally:
            connection.execute(sa.text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))


# Commands that are asked to end


@pytest.mark.parametrize(
    ("asset", "number"),
    [
        ("waits", signal.SIGTERM),
        ("waits", signal.SIGINT),
        ("does_not_listen", signal.SIGTERM),
    ],
)
def test_a_command_that_is_asked_to_end_cancels_its_run(
    household: Household, instance: dg.DagsterInstance, asset: str, number: int
) -> None:
    with household.start(execute, asset) as child:
        child.hear("in step")
        child.signal(number)
        child.ends()
    run = only_run(instance)
    assert run.status is CANCELED
    assert len(ends_of(instance, run)) == 1
    assert slots(instance) == set()


def test_a_command_that_waits_for_a_slot_ends_when_asked(
    household: Household, instance: dg.DagsterInstance
) -> None:
    with household.start(execute, "waits") as holder:
        holder.hear("in step")
        with household.start(execute, "is_quick") as waiter:
            waiter.works_until(lambda: len(slots(instance)) == 2)
            waiter.signal(signal.SIGTERM)
            waiter.ends()
        assert [run.status for run in instance.get_runs()].count(CANCELED) == 1
        assert len(slots(instance)) == 1


def test_a_run_that_is_canceled_in_the_ui_ends_its_command(
    household: Household, instance: dg.DagsterInstance
) -> None:
    with household.start(execute, "waits") as child:
        child.hear("in step")
        instance.report_run_canceling(only_run(instance))
        child.hear("CANCELED")


# Runs that others end


@pytest.mark.parametrize(
    "asset", ["waits", pytest.param("does_not_listen", marks=pytest.mark.slow)]
)
def test_a_command_that_hangs_is_ended_by_its_limit(
    household: Household, instance: dg.DagsterInstance, asset: str
) -> None:
    with household.start(execute, asset, **LIMIT) as child:
        child.hear("in step")
        is_ended_by_its_limit(instance)
        child.ends()
    end_dead_runs(instance)
    assert slots(instance) == set()


@pytest.mark.parametrize(
    "asset", ["waits", pytest.param("does_not_listen", marks=pytest.mark.slow)]
)
def test_a_launched_run_that_hangs_is_ended_by_its_limit_even_if_its_code_server_is_gone(
    household: Household, instance: dg.DagsterInstance, asset: str
) -> None:
    run = planned(instance, asset, LIMIT)
    with household.start(execute_as_launched, run.run_id) as child:
        child.hear("in step")
        is_ended_by_its_limit(instance)
        child.ends()
    end_dead_runs(instance)
    assert slots(instance) == set()


def is_ended_by_its_limit(instance: dg.DagsterInstance) -> None:
    time.sleep(1)
    monitor(instance)
    run = only_run(instance)
    assert run.status is FAILURE
    assert len(ends_of(instance, run)) == 1
    canceling = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_CANCELING)
    assert "exceeding maximum runtime of 1 seconds" in str(canceling[0].dagster_event)


@pytest.mark.slow
def test_a_launched_run_that_is_canceled_ends_even_if_its_code_server_is_gone(
    household: Household, instance: dg.DagsterInstance
) -> None:
    run = planned(instance, "does_not_listen", {})
    with household.start(execute_as_launched, run.run_id) as child:
        child.hear("in step")
        instance.report_run_canceling(run)
        child.ends()
    run = only_run(instance)
    assert run.status is CANCELED
    assert len(ends_of(instance, run)) == 1
    assert slots(instance) == set()


def test_a_launched_run_whose_process_is_asked_to_end_fails_so_that_it_is_tried_again(
    household: Household, instance: dg.DagsterInstance
) -> None:
    run = planned(instance, "does_not_listen", {})
    with household.start(execute_as_launched, run.run_id) as child:
        child.hear("in step")
        child.signal(signal.SIGTERM)
        child.ends()
    assert only_run(instance).status is FAILURE
    assert slots(instance) == set()


# What is told of them


def test_runs_of_a_command_are_those_of_the_code_location(
    household: Household, instance: dg.DagsterInstance
) -> None:
    with household.start(execute, "is_quick") as child:
        child.hear("SUCCESS")
    run = only_run(instance)
    origin = run.remote_job_origin
    assert origin
    assert origin.location_name == "soccer_assets"
    assert origin.repository_origin.repository_name == "__repository__"
    assert run.tags[PROCESS_TAG].startswith(f"process {child.process.pid} on ")
    assert not list(Path(household.home, "dagster", "runs").iterdir())  # its lease is given back


def test_usual_is_the_median_of_three_at_least() -> None:
    def seconds(*of: float) -> list[timedelta]:
        return [timedelta(seconds=second) for second in of]

    assert usual_time(seconds(1, 2)) is None
    assert usual_time(seconds(1, 100, 2)) == timedelta(seconds=2)


def test_a_run_that_takes_three_times_as_long_as_its_like_is_told(
    household: Household, instance: dg.DagsterInstance
) -> None:
    def ran(minutes: float, status: dg.DagsterRunStatus, **tags: Any) -> str:
        run = instance.run_storage.add_run(dg.DagsterRun("ingest", tags=tags))
        begun = datetime.now(UTC) - timedelta(minutes=minutes)
        for kind, at in (("PIPELINE_START", begun), ("PIPELINE_SUCCESS", datetime.now(UTC))):
            if kind == "PIPELINE_START" or status is SUCCESS:
                event = dg.DagsterEvent(kind, "ingest")
                instance.report_dagster_event(event, run.run_id, timestamp=at.timestamp())
        return run.run_id

    year = {
        "dagster/asset_partition_range_start": "2024-01-01",
        "dagster/asset_partition_range_end": "2024-12-31",
    }
    for _ in range(3):
        ran(2, SUCCESS)
    late = ran(7, dg.DagsterRunStatus.STARTED)
    ran(5.5, dg.DagsterRunStatus.STARTED)
    ran(60, dg.DagsterRunStatus.STARTED, **year)  # nothing is known of such
    told = overdue(instance, datetime.now(UTC))
    assert told.keys() == {late}
    assert told[late].startswith("ingest has been running for 7 min, usual are 2 min")
