"""A step worker: takes steps of runs from a broker's queues and executes them, each once.

A broker gives a step again whose worker is gone, as far as it can tell. It cannot tell much: RabbitMQ
goes by a connection and by how long it took (``consumer_timeout``), Redis by the time alone. Whether the
step is done, is being done, or has to be done again, the database knows:

- While a worker executes a step it holds a lock in PostgreSQL, which goes with its process. Another one
  that is given the step meanwhile hands it back.
- What has ended is on record in Dagster's event log. It is answered from there and not done again.
- A step of a run that is over is not done, and one that is being done then is broken off.
- A step that has taken ``MOST_DEATHS`` workers with it, for want of memory say, fails its run.
"""

import gc
import hashlib
import logging
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import dagster as dg
import sqlalchemy as sa
from celery import Celery, Task
from celery.exceptions import Reject
from celery.signals import after_setup_logger
from dagster_celery.executor import CeleryExecutor
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_task

from soccer_assets.dagster_internals import (
    ExecuteStepArgs,
    RetryMode,
    unpack_value,
)
from soccer_assets.engines.celery_broker import celery_settings
from soccer_assets.engines.step_record import BEGINS, attempt_at, has_ended
from soccer_assets.settings import Settings
from soccer_assets.warehouse.connection import database_url

log = logging.getLogger(__name__)

#: Attempts at a step whose worker died.
MOST_DEATHS = 3
#: How long the lock of a worker that has just died is waited for, and how long a step that another
#: one executes is left alone before it is handed back.
LOCK_SECONDS, HAND_BACK_SECONDS = 5.0, 5.0
#: How often it is looked whether the run of a step is over.
LOOK_SECONDS = 5.0


class StepFatal(Exception):
    """A step is not tried again: its workers die of it."""


def work(settings: Settings, name: str, queues: Sequence[str], processes: int) -> None:
    """Take and execute steps until the process is asked to end; then what has begun is finished.

    Args:
        name: of the worker, unlike all others on the broker; ``%h`` in it is the machine's.
        queues: to take steps from.
        processes: that execute steps, at once.
    """
    make_step_app(settings).worker_main(
        [
            *("worker", f"--hostname={name}", f"--queues={','.join(queues)}"),
            *(f"--concurrency={processes}", "--prefetch-multiplier=1", "--loglevel=INFO"),
            # What workers tell each other: nobody here listens.
            *("--without-gossip", "--without-mingle"),
        ]
    )


@after_setup_logger.connect
def _without_noise(logger: logging.Logger, **_: Any) -> None:
    """What a worker takes, and what goes wrong: libraries would tell every request that they make, and
    Celery every event of a step, which are on record."""
    logger.setLevel(logging.WARNING)
    logging.getLogger("celery").setLevel(logging.INFO)
    logging.getLogger("celery.app.trace").setLevel(logging.WARNING)


def make_step_app(settings: Settings) -> Celery:
    """The app of a step worker on the broker that the settings name."""
    arguments = CeleryExecutor(retries=RetryMode.DISABLED, **celery_settings(settings)).app_args()
    app = make_app({name: arguments[name] for name in ("broker", "backend", "config_source")})

    class StepOnce(Task):
        """``dagster-celery``'s task, for a step that may have been given before."""

        def __call__(self, execute_step_args_packed: Any, executable_dict: Any) -> Any:
            asked = unpack_value(execute_step_args_packed, as_type=ExecuteStepArgs)
            (step,) = asked.step_keys_to_execute or [""]
            assert asked.instance_ref
            retries = asked.known_state.get_retry_state() if asked.known_state else None
            before = retries.get_attempt_count(step) if retries else 0
            try:
                with (
                    alone(database_url(settings), asked.run_id, step),
                    dg.DagsterInstance.from_ref(asked.instance_ref) as instance,
                ):
                    told = what_is_known(instance, asked.run_id, step, before)
                    if told is not None:
                        return told
                    with as_long_as_wanted(instance, asked.run_id):
                        return super().__call__(
                            execute_step_args_packed=execute_step_args_packed,
                            executable_dict=executable_dict,
                        )
            finally:
                gc.collect()  # of the instance that each step opens, with its connections

    create_task(app, base=StepOnce)
    return app


def what_is_known(
    instance: dg.DagsterInstance, run_id: str, step: str, before: int = 0
) -> list[str] | None:
    """What to answer without executing a step; None: it has to be executed.

    Args:
        before: attempts at the step that have ended by asking for another.

    Raises:
        StepFatal: it has been executed, too often, and never ended.
    """
    if _is_over(instance, run_id):
        log.warning("step %s of run %s is left: the run is over", step, run_id[:8])
        return []
    this = attempt_at(instance, run_id, step, before)
    if has_ended(this):
        log.warning("step %s of run %s was done already", step, run_id[:8])
        return [dg.serialize_value(event) for event in this]
    deaths = sum(event.event_type in BEGINS for event in this)
    if deaths >= MOST_DEATHS:
        raise StepFatal(f"{step} is not tried again: {deaths} workers were gone before it ended")
    return None


def _is_over(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is None or run.is_finished or run.status is dg.DagsterRunStatus.CANCELING


@contextmanager
def as_long_as_wanted(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Interrupt what this process does when its run is over: canceled, or its own process died. Celery
    itself takes back what nobody has begun, and no more."""
    done = threading.Event()

    def watch() -> None:
        main = threading.main_thread().ident
        while not done.wait(LOOK_SECONDS):
            with suppress(Exception):  # the database may be away
                if _is_over(instance, run_id) and main and not done.is_set():
                    log.warning("what is done of run %s is broken off: it is over", run_id[:8])
                    signal.pthread_kill(main, signal.SIGINT)
                    return

    # Celery has the processes of its pool ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        signal.signal(signal.SIGINT, before)


@contextmanager
def alone(url: str, run_id: str, step: str) -> Iterator[None]:
    """Not while another process executes this step.

    Raises:
        Reject: one does; the broker is to give it again.
    """
    digest = hashlib.sha256(f"{run_id} {step}".encode()).digest()
    key = int.from_bytes(digest[:8], signed=True)
    connection = sa.create_engine(url, poolclass=sa.NullPool).connect()
    try:
        # A lock of a transaction, which a pooler of connections keeps where it belongs. It waits for as
        # long as the step takes; nothing is held up, for it has read and written nothing.
        connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        until = time.monotonic() + LOCK_SECONDS
        lock = sa.text("SELECT pg_try_advisory_xact_lock(:key)")
        while not connection.scalar(lock, {"key": key}):
            if time.monotonic() >= until:
                log.warning("step %s of run %s is being done by another", step, run_id[:8])
                time.sleep(HAND_BACK_SECONDS)
                raise Reject("another worker executes this step", requeue=True)
            time.sleep(0.2)
        yield
    finally:
        with suppress(sa.exc.SQLAlchemyError):  # it was lost meanwhile, and the lock with it
            connection.close()
