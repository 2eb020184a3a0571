"""What a step worker makes of a step that it is given: each is done once, whatever the broker thinks."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from celery.exceptions import Reject

from soccer_assets.engines import celery_worker
from soccer_assets.engines.celery_worker import (
    MOST_DEATHS,
    StepFatal,
    alone,
    as_long_as_wanted,
    what_is_known,
)
from soccer_assets.settings import project_folder

_TYPE = dg.DagsterEventType


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@dg.op(retry_policy=dg.RetryPolicy(max_retries=2))
def third_time(context: dg.OpExecutionContext) -> None:
    if context.retry_number < 2:
        raise OSError("not yet")


@dg.job
def thrice() -> None:
    third_time()


def executed(instance: dg.DagsterInstance, until: _TYPE | None = None, times: int = 0) -> str:
    """A run of ``thrice`` that is started, with its events until the so-manieth of a type; a step whose
    worker died has none after its start."""
    whole = thrice.execute_in_process(instance=instance)
    run = instance.create_run_for_job(thrice, status=dg.DagsterRunStatus.STARTED)
    seen = 0
    for entry in instance.all_logs(whole.run_id):
        event = entry.dagster_event
        if event and event.step_key:
            instance.handle_new_event(entry._replace(run_id=run.run_id))
            seen += event.event_type is until
            if until and seen == times:
                break
    return run.run_id


def types(told: list[str] | None) -> list[str]:
    assert told is not None
    events = [dg.deserialize_value(event, dg.DagsterEvent) for event in told]
    return [event.event_type_value for event in events]


def test_a_step_that_nobody_began_has_to_be_done(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(thrice, status=dg.DagsterRunStatus.STARTED)
    assert what_is_known(instance, run.run_id, "third_time") is None


def test_a_step_whose_worker_died_has_to_be_done(instance: dg.DagsterInstance) -> None:
    run = executed(instance, _TYPE.STEP_START, 1)
    assert what_is_known(instance, run, "third_time") is None


def test_what_has_ended_is_answered_from_the_record(instance: dg.DagsterInstance) -> None:
    run = executed(instance)
    told = types(what_is_known(instance, run, "third_time", before=2))
    assert told[0] == "STEP_RESTARTED"
    assert told[-1] == "STEP_SUCCESS"
    first = types(what_is_known(instance, run, "third_time"))
    assert (first[0], first[-1]) == ("STEP_START", "STEP_UP_FOR_RETRY")


def test_the_attempt_that_is_asked_for_is_told_from_those_before(
    instance: dg.DagsterInstance,
) -> None:
    run = executed(instance, _TYPE.STEP_UP_FOR_RETRY, 2)
    assert what_is_known(instance, run, "third_time", before=2) is None
    assert types(what_is_known(instance, run, "third_time", before=1))[-1] == "STEP_UP_FOR_RETRY"


@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE", "CANCELED", "CANCELING"])
def test_no_step_of_a_run_that_is_over_is_done(instance: dg.DagsterInstance, status: str) -> None:
    run = instance.create_run_for_job(thrice, status=dg.DagsterRunStatus(status))
    assert what_is_known(instance, run.run_id, "third_time") == []
    assert what_is_known(instance, "a run that was deleted", "third_time") == []


def test_a_step_of_which_workers_die_is_not_tried_for_ever(instance: dg.DagsterInstance) -> None:
    run = executed(instance, _TYPE.STEP_START, 1)
    (start,) = instance.all_logs(run, of_type=_TYPE.STEP_START)
    for _ in range(MOST_DEATHS - 2):
        instance.handle_new_event(start)
    assert what_is_known(instance, run, "third_time") is None
    instance.handle_new_event(start)
    with pytest.raises(StepFatal, match=f"third_time is not tried again: {MOST_DEATHS} workers"):
        what_is_known(instance, run, "third_time")


def test_two_do_not_execute_a_step_at_once_and_the_second_hands_it_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_worker, "LOCK_SECONDS", 0.3)
    monkeypatch.setattr(celery_worker, "HAND_BACK_SECONDS", 0.0)
    with alone(database_url, "run", "step"):
        with pytest.raises(Reject) as handed, alone(database_url, "run", "step"):
            pass
        assert handed.value.requeue
        with alone(database_url, "run", "another step"), alone(database_url, "other", "step"):
            pass
    with alone(database_url, "run", "step"):  # which is free again
        pass


def test_a_step_whose_lock_is_lost_goes_on_and_leaves_it_to_others(database_url: str) -> None:
    """As when PostgreSQL is started again meanwhile, or the process with the lock dies."""
    others = sa.text(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with alone(database_url, "run", "step"):
        with sa.create_engine(database_url, poolclass=sa.NullPool).begin() as connection:
            assert connection.scalars(others).all() == [True]
        with alone(database_url, "run", "step"):
            pass


def test_what_is_done_of_a_run_is_broken_off_when_it_is_over(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_worker, "LOOK_SECONDS", 0.05)
    run = instance.create_run_for_job(thrice, status=dg.DagsterRunStatus.STARTED)
    handler = signal.getsignal(signal.SIGINT)
    with as_long_as_wanted(instance, run.run_id):
        time.sleep(0.2)
    cancel = threading.Timer(0.2, instance.report_run_canceled, [run])
    cancel.start()
    with pytest.raises(KeyboardInterrupt), as_long_as_wanted(instance, run.run_id):
        time.sleep(20)
    assert signal.getsignal(signal.SIGINT) is handler


#: A worker whose pauses between two attempts to reach its broker take no time.
_WAITS = """
import os
from kombu.utils import functional
from soccer_assets.engines.celery_worker import work
from soccer_assets.settings import Settings

slept = 0.0

def sleep(seconds):
    global slept
    slept += seconds
    if slept > 24 * 3600:
        os._exit(77)

functional.sleep = sleep
settings = Settings(
    soccer_executor="celery",
    soccer_celery_broker=BROKER,
    postgres_url="postgresql://nobody@localhost/nothing",
    lake_uri="s3://bucket/lake",
    mlflow_tracking_uri="http://127.0.0.1:9",
)
work(settings, "waits@%h", ["dagster"], 1)
"""


@pytest.mark.parametrize("broker", ["amqp://u:p@127.0.0.1:9//", "redis://127.0.0.1:9/0"])
def test_a_broker_is_waited_for_however_long_it_is_away(broker: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WAITS.replace("BROKER", repr(broker))],
        env={**os.environ, "PYTHONPATH": str(project_folder())},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 77, done.stderr[-3000:]
