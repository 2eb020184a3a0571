"""``SOCCER_EXECUTOR`` chooses who executes the steps of every job, and nothing else changes."""

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob

from soccer_assets.definitions import make_definitions
from soccer_assets.engines import make_executor
from soccer_assets.settings import Settings, get_settings

PASSWORD = "hush-of-the-broker"


def settings_for(executor: str) -> Settings:
    return Settings.model_validate(
        {
            "soccer_executor": executor,
            "soccer_celery_broker": f"amqp://user:{PASSWORD}@broker//",
            "postgres_url": "postgresql://u:p@host/db",
            "lake_uri": "s3://bucket/lake",
            "mlflow_tracking_uri": "http://mlflow:5000",
        }
    )


@pytest.mark.parametrize(
    ("executor", "name"),
    [
        ("in_process", "in_process"),
        ("multiprocess", "multiprocess"),
        ("celery", "celery"),
        ("k8s", "k8s"),
    ],
)
def test_every_job_has_the_executor_of_the_settings(executor: str, name: str) -> None:
    repository = make_definitions(settings_for(executor)).get_repository_def()
    jobs = repository.get_all_jobs()
    assert {job.name for job in jobs} >= {"ingest", "export", "refresh", "retrain", "rebuild"}
    assert {job.executor_def.name for job in jobs} == {name}


def test_unless_told_otherwise_steps_are_executed_in_the_process_of_the_run() -> None:
    assert make_executor(get_settings()) is dg.in_process_executor


def test_no_description_of_a_job_holds_the_broker_or_asks_a_run_for_it() -> None:
    job = make_definitions(settings_for("celery")).resolve_job_def("retrain")
    described = dg.serialize_value(job.get_job_snapshot())
    assert "celery" in described
    assert PASSWORD not in described
    assert "broker" not in described


def test_features_and_trainings_have_a_queue_of_their_own() -> None:
    job = make_definitions(settings_for("celery")).resolve_job_def("retrain")
    queues = {
        node.name: node.definition.tags.get("dagster-celery/queue", "dagster")
        for node in job.graph.nodes
    }
    heavy = {name for name, queue in queues.items() if queue == "heavy"}
    assert heavy == {"dvc_outs", "trained_model"}
    assert set(queues.values()) == {"heavy", "dagster"}


def test_kubernetes_needs_a_run_that_is_a_pod() -> None:
    job = make_definitions(settings_for("k8s")).resolve_job_def("retrain")
    create = job.executor_def.executor_creation_fn
    assert create
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.InitExecutorContext(
            job=InMemoryJob(job),
            executor_def=job.executor_def,
            executor_config={},
            instance=instance,
        )
        with pytest.raises(dg.DagsterInvariantViolationError, match=r"needs K8sRunLauncher in"):
            create(context)
