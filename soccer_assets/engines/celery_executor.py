"""Runs whose steps are executed by the step workers: ``dagster-celery``'s executor, told where the
broker is by the environment, so that no run's configuration and no snapshot of a job holds it."""

import warnings

import dagster as dg
from dagster_celery.executor import CeleryExecutor

from soccer_assets.dagster_internals import RetryMode
from soccer_assets.engines.celery_broker import celery_settings
from soccer_assets.settings import Settings


def make_celery_executor(settings: Settings) -> dg.ExecutorDefinition:
    """``celery_executor`` without configuration."""

    # It makes its task anew for each step.
    warnings.filterwarnings("ignore", r"(?s).*Every task must have a unique name")

    @dg.executor(name="celery", requirements=dg.multiple_process_executor_requirements())
    def celery(_: dg.InitExecutorContext) -> CeleryExecutor:
        return CeleryExecutor(retries=RetryMode.ENABLED, **celery_settings(settings))

    return celery
