"""Runs whose steps are executed by the step workers: ``dagster-celery``'s executor, told where the
broker is by the environment, so that no run's configuration and no snapshot of a job holds it."""

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg
from celery import Celery
from celery.result import AsyncResult
from dagster_celery.core_execution_loop import core_celery_execution_loop
from dagster_celery.executor import CeleryExecutor
from dagster_celery.tasks import create_task

from soccer_assets.dagster_internals import ExecuteStepArgs, RetryMode, pack_value
from soccer_assets.engines.celery_answer import Answer, connection_errors
from soccer_assets.engines.celery_broker import celery_settings
from soccer_assets.engines.step_record import attempt_at, has_ended
from soccer_assets.settings import Settings


class PatientCeleryExecutor(CeleryExecutor):
    """``dagster-celery``'s, whose runs outlive their connections to the broker."""

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        yield from core_celery_execution_loop(
            plan_context, execution_plan, step_execution_fn=_answer_to
        )


def _answer_to(
    app: Celery, plan_context: Any, step: Any, queue: str, priority: int, known_state: Any
) -> Answer:
    retries = known_state.get_retry_state() if known_state else None
    before = retries.get_attempt_count(step.key) if retries else 0
    on_record = partial(
        attempt_at, plan_context.instance, plan_context.dagster_run.run_id, step.key, before
    )

    def is_under_way() -> bool:
        attempt = on_record()
        return bool(attempt) and not has_ended(attempt)

    return Answer(
        step.key,
        partial(_ask, app, plan_context, step, queue, priority, known_state),
        is_under_way,
        connection_errors(app),
    )


def _ask(
    app: Celery, plan_context: Any, step: Any, queue: str, priority: int, known_state: Any
) -> AsyncResult:
    """As ``dagster-celery``'s executor does."""
    job = plan_context.reconstructable_job
    arguments = ExecuteStepArgs(
        job_origin=job.get_python_origin(),
        run_id=plan_context.dagster_run.run_id,
        step_keys_to_execute=[step.key],
        instance_ref=plan_context.instance.get_ref(),
        retry_mode=plan_context.executor.retries.for_inner_plan(),
        known_state=known_state,
        print_serialized_events=True,
    )
    request = create_task(app).si(
        execute_step_args_packed=pack_value(arguments), executable_dict=job.to_dict()
    )
    return request.apply_async(priority=priority, queue=queue, routing_key=f"{queue}.execute_plan")


def make_celery_executor(settings: Settings) -> dg.ExecutorDefinition:
    """``celery_executor`` without configuration."""

    # It makes its task anew for each step.
    warnings.filterwarnings("ignore", r"(?s).*Every task must have a unique name")

    @dg.executor(name="celery", requirements=dg.multiple_process_executor_requirements())
    def celery(_: dg.InitExecutorContext) -> CeleryExecutor:
        return PatientCeleryExecutor(retries=RetryMode.ENABLED, **celery_settings(settings))

    return celery
