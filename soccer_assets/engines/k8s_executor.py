"""Runs whose steps are pods of their own: ``dagster-k8s``'s executor, which says what it misses."""

import dagster as dg
from dagster_k8s import K8sRunLauncher, k8s_job_executor


def make_k8s_executor() -> dg.ExecutorDefinition:
    """``k8s_job_executor``, of a run that has a pod itself: where, it learns from what launched it."""

    @dg.executor(
        name="k8s",
        config_schema=k8s_job_executor.config_schema.as_field(),
        requirements=dg.multiple_process_executor_requirements(),
    )
    def k8s(context: dg.InitExecutorContext) -> dg.Executor:
        launcher = context.instance.run_launcher
        if not isinstance(launcher, K8sRunLauncher):
            raise dg.DagsterInvariantViolationError(
                f"SOCCER_EXECUTOR=k8s needs K8sRunLauncher in dagster.yaml, which has "
                f"{type(launcher).__name__}: see deploy/helm/values-dagster.yaml"
            )
        create = k8s_job_executor.executor_creation_fn
        assert create
        return create(context)

    return k8s
