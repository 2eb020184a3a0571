"""MLflow: tracking of trainings (dagster-mlflow) and the model registry."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from soccer_assets.settings import get_settings

if TYPE_CHECKING:  # importing these at run time costs seconds that most processes need not pay
    from soccer_assets.modelling.registry import ModelRegistry, Version
    from soccer_assets.modelling.tracking import TrainingRun

EXPERIMENT = "soccer_assets"


def _tracking_uri() -> str:
    return get_settings().tracking_uri


class MlflowTrackingResource(dg.ConfigurableResource):
    """Opens the MLflow run of a training through ``dagster_mlflow.mlflow_tracking``.

    The URI may hold credentials, so it is read from the environment and never configured.
    """

    experiment: str = EXPERIMENT

    @contextmanager
    def run(self, context: dg.AssetExecutionContext) -> Iterator[None]:
        """An active MLflow run tagged with the Dagster run, ended when the block is left."""
        # Imported here: it takes seconds, and only a training needs it.
        warnings.simplefilter("ignore", dg.BetaWarning)  # dagster-mlflow is beta, knowingly used
        import mlflow
        from dagster_mlflow import mlflow_tracking

        from soccer_assets.modelling.registry import prepare_local_store

        prepare_local_store(_tracking_uri())
        mlflow.set_tracking_uri(_tracking_uri())
        _ensure_experiment(self.experiment)
        configured = mlflow_tracking.configured(
            {"experiment_name": self.experiment, "env": {}, "extra_tags": {}}
        )
        with dg.build_resources(
            {"mlflow": configured},
            instance=context.instance,
            dagster_run=context.run,
            log_manager=context.log,
        ) as resources:
            try:
                yield
            except BaseException:
                resources.mlflow.end_run("FAILED")
                raise
            resources.mlflow.end_run("FINISHED")


def _ensure_experiment(name: str) -> None:
    """With a local database, artifacts go beside it and not into the current folder."""
    import mlflow

    settings = get_settings()
    if mlflow.get_experiment_by_name(name) is None:
        local = settings.mlflow_tracking_uri is None
        location = (settings.home / "mlflow" / "artifacts").as_uri() if local else None
        mlflow.create_experiment(name, artifact_location=location)


class ModelRegistryResource(dg.ConfigurableResource):
    """Versions, aliases and verdicts of the served model."""

    experiment: str = EXPERIMENT

    @property
    def registry(self) -> "ModelRegistry":
        from soccer_assets.modelling.registry import ModelRegistry

        return ModelRegistry(_tracking_uri(), self.experiment)


def champion_training(registry: ModelRegistryResource) -> "tuple[Version, TrainingRun]":
    """The champion and the training that made it. Raises Failure when there is none."""
    from soccer_assets.modelling.registry import CHAMPION

    models = registry.registry
    version = models.by_alias(CHAMPION)
    if version is None:
        raise dg.Failure("there is no champion yet: no version has passed every gate")
    return version, models.training(version)
