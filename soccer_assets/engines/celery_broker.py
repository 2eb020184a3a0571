"""How runs and step workers reach each other over Celery: what both have to agree on.

A task is acknowledged when it is done, not when it is taken: a worker that dies leaves its step to
another. With the defaults of Celery and ``dagster-celery`` it would leave its run waiting for ever.
"""

from typing import Any

from soccer_assets.settings import Settings, revealed

#: Seconds after which RabbitMQ takes a machine that says nothing for gone, about.
HEARTBEAT_SECONDS = 30


def celery_settings(settings: Settings) -> dict[str, Any]:
    """Arguments of ``CeleryExecutor`` and, by its ``app_args``, of the workers' app. They hold
    the broker's password, and go nowhere else."""
    return {
        "broker": revealed(settings.soccer_celery_broker),
        "backend": settings.celery_backend,
        "config_source": {
            "task_acks_late": True,
            "task_reject_on_worker_lost": True,
            # One step at a time, and none taken in advance that another worker could begin.
            "worker_prefetch_multiplier": 1,
            "broker_heartbeat": HEARTBEAT_SECONDS,
            # A broker that is away is waited for, and for ever: after a hundred attempts, three quarters
            # of an hour, a worker would end.
            "broker_connection_retry_on_startup": True,
            "broker_connection_max_retries": None,
            "broker_transport_options": _transport_options(settings),
            "result_backend_transport_options": _transport_options(settings),
            # The answers are Dagster's events, which are in its storage: nobody reads them twice.
            "result_expires": 24 * 3600,
        },
    }


def _transport_options(settings: Settings) -> dict[str, Any]:
    retries = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}
    if revealed(settings.soccer_celery_broker).startswith("redis"):
        # Redis knows no connections: what was taken and not acknowledged is given again after it.
        return {**retries, "visibility_timeout": settings.soccer_celery_visibility_seconds}
    return retries
