"""MLflow: tracking of trainings (dagster-mlflow) and the model registry."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import dagster as dg

from soccer_assets.modelling.mlflow_service import MlflowUnavailable, Unusable, explained
from soccer_assets.not_yet import NotYet
from soccer_assets.settings import Settings

if TYPE_CHECKING:  # importing these at run time costs seconds that most processes need not pay
    from soccer_assets.modelling.registry import ModelRegistry, Version
    from soccer_assets.modelling.tracking import TrainingRun

EXPERIMENT = "soccer_assets"


@contextmanager
def failures_told() -> Iterator[None]:
    """What MLflow does not give fails a step in one line; only an outage is worth a retry."""
    try:
        yield
    except MlflowUnavailable as error:
        raise dg.Failure(str(error)) from error
    except Unusable as error:
        raise dg.Failure(str(error), allow_retries=False) from error


class ModelRegistryResource(dg.ConfigurableResource):
    """Versions, aliases and verdicts of the served model.

    The URI may hold credentials, so it is read from the environment and never configured.
    """

    settings: dg.ResourceDependency[Settings]
    experiment: str = EXPERIMENT

    @property
    def registry(self) -> "ModelRegistry":
        from soccer_assets.modelling.registry import ModelRegistry

        return ModelRegistry(self.settings.tracking_uri, self.experiment)

    @contextmanager
    def opened(self, context: dg.AssetExecutionContext) -> Iterator["ModelRegistry"]:
        """The registry for a step, after the runs of trainings that were killed are ended."""
        with failures_told():
            models = self.registry
            end_broken_off(models, context)
            yield models


class MlflowTrackingResource(dg.ConfigurableResource):
    """Opens the MLflow run of a training through ``dagster_mlflow.mlflow_tracking``."""

    settings: dg.ResourceDependency[Settings]
    experiment: str = EXPERIMENT

    @contextmanager
    def run(self, context: dg.AssetExecutionContext) -> Iterator[None]:
        """An active MLflow run tagged with the Dagster run, ended when the block is left."""
        # Imported here: it takes seconds, and only a training needs it.
        warnings.simplefilter("ignore", dg.BetaWarning)  # dagster-mlflow is beta, knowingly used
        from dagster_mlflow import mlflow_tracking

        from soccer_assets.modelling.registry import ModelRegistry

        uri = self.settings.tracking_uri
        models = ModelRegistry(uri, self.experiment)
        with failures_told():
            end_broken_off(models, context, begins_anew=True)
            run_id = models.begin_training(context.run.run_id, context.run.job_name)
            configured = mlflow_tracking.configured(
                {
                    "experiment_name": self.experiment,
                    "mlflow_run_id": run_id,
                    "env": {},
                    "extra_tags": {},
                }
            )
            with dg.build_resources(
                {"mlflow": configured},
                instance=context.instance,
                dagster_run=context.run,
                log_manager=context.log,
            ) as resources:
                try:
                    yield
                except BaseException as error:
                    with suppress(Exception):  # MLflow may be what failed; the next run ends it
                        ended = "FAILED" if isinstance(error, Exception) else "KILLED"
                        resources.mlflow.end_run(ended)
                    raise
                with explained(uri):
                    resources.mlflow.end_run("FINISHED")


def end_broken_off(
    models: "ModelRegistry", context: dg.AssetExecutionContext, *, begins_anew: bool = False
) -> None:
    """End the MLflow runs whose Dagster run is over: they were killed, or lost MLflow.

    Args:
        begins_anew: this step is the training of its run: what an earlier attempt at it has left is
            broken off as well, whose worker died.
    """

    def is_over(dagster_run_id: str) -> bool:
        if dagster_run_id == context.run.run_id:
            return begins_anew
        run = context.instance.get_run_by_id(dagster_run_id)
        return run is not None and run.is_finished

    for run_id in models.end_broken_off(is_over):
        context.log.warning(f"MLflow run {run_id} was left running by a training that is over")


def champion_training(models: "ModelRegistry") -> "tuple[Version, TrainingRun]":
    """The champion and the training that made it. Raises NotYet when there is none."""
    version = models.champion()
    if version is None:
        raise NotYet(
            "there is no champion: no version has passed every gate; the job retrain trains one"
        )
    return version, models.training(version)
