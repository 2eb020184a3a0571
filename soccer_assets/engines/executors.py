"""The executor of the code location's jobs.

Steps give each other nothing but what is on record and in the services, so any of these executes them.
"""

import dagster as dg

from soccer_assets.settings import Settings

#: Steps of one run that are processes at once, where they are processes of this machine.
PROCESSES = 2


def make_executor(settings: Settings) -> dg.ExecutorDefinition:
    """The executor that ``SOCCER_EXECUTOR`` names. The settings have seen to it that its package is
    installed."""
    match settings.soccer_executor:
        case "in_process":
            # A step costs milliseconds so, and seconds as a process of its own.
            return dg.in_process_executor
        case "multiprocess":
            # Forks of a process that has the definitions imported: else each step imports them.
            preloaded = {"preload_modules": ["soccer_assets.definitions"]}
            return dg.multiprocess_executor.configured(
                {"max_concurrent": PROCESSES, "start_method": {"forkserver": preloaded}}
            )
        case "celery":
            from soccer_assets.engines.celery_executor import make_celery_executor

            return make_celery_executor(settings)
        case "k8s":
            from soccer_assets.engines.k8s_executor import make_k8s_executor

            return make_k8s_executor()
