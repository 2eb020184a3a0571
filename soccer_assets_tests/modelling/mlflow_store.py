"""An MLflow store on disk, and trainings logged to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from soccer_assets.modelling.mlflow_service import connect
from soccer_assets.modelling.pages import Pages
from soccer_assets.modelling.registry import ModelRegistry
from soccer_assets.modelling.report import Report
from soccer_assets.modelling.tracking import log_training
from soccer_assets.modelling.train import TrainingResult
from soccer_assets.params.training import TrainingParams

EXPERIMENT = "trainings"
#: Of a training of which nothing is told: a picture takes a second.
UNTOLD = Pages(Report(*(pd.DataFrame() for _ in fields(Report))), b"", "# A card")


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

        connect(self.uri, EXPERIMENT)
        with mlflow.start_run(experiment_id=self.experiment_id) as run:
            yield run.info.run_id

    @property
    def experiment_id(self) -> str:
        import mlflow

        found = mlflow.get_experiment_by_name(EXPERIMENT)
        assert found is not None
        return found.experiment_id

    def close(self) -> None:
        """Leave no trace in the environment, where MLflow keeps the address of its store."""
        import mlflow

        mlflow.set_tracking_uri(None)

    def log(
        self,
        result: TrainingResult,
        params: TrainingParams,
        revision: str = "abc",
        pages: Pages = UNTOLD,
    ) -> str:
        """A training, logged and finished; returns its run's id."""
        with self.run():
            return log_training(
                result,
                pages,
                params,
                data_revision=revision,
                finished_matches=6000,
                tags={"why": "test"},
            )
