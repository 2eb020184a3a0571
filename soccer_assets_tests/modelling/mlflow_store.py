"""An MLflow store on disk, and trainings logged to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from soccer_assets.modelling.params import TrainingParams
from soccer_assets.modelling.registry import ModelRegistry
from soccer_assets.modelling.tracking import log_training
from soccer_assets.modelling.train import TrainingResult

EXPERIMENT = "trainings"


@dataclass(frozen=True)
class Store:
    """SQLite and a folder of artifacts below ``root``."""

    root: Path

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.root / 'mlflow' / 'mlflow.db'}"

    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.uri, EXPERIMENT)

    @contextmanager
    def run(self) -> Iterator[str]:
        """An active MLflow run; yields its id."""
        import mlflow

        self.registry()  # makes the folder
        mlflow.set_tracking_uri(self.uri)
        known = mlflow.get_experiment_by_name(EXPERIMENT)
        experiment_id = known.experiment_id if known else self._create_experiment()
        with mlflow.start_run(experiment_id=experiment_id) as run:
            yield run.info.run_id

    def _create_experiment(self) -> str:
        import mlflow

        return mlflow.create_experiment(EXPERIMENT, (self.root / "artifacts").as_uri())

    def close(self) -> None:
        """Leave no trace in the environment, where MLflow keeps the address of its store."""
        import mlflow

        mlflow.set_tracking_uri(None)

    def log(self, result: TrainingResult, params: TrainingParams, revision: str = "abc") -> str:
        """A training, logged and finished; returns its run's id."""
        with self.run():
            return log_training(
                result, params, data_revision=revision, finished_matches=6000, tags={"why": "test"}
            )
