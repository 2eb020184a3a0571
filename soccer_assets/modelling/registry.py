"""The model registry: versions, aliases and the verdicts that moved them."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from soccer_assets.modelling.gates import Verdict
from soccer_assets.modelling.model import OutcomeModel
from soccer_assets.modelling.tracking import (
    KIND_TAG,
    KIND_TRAINING,
    TrainingRun,
)

MODEL_NAME = "soccer_1x2"
SMOKE, CANDIDATE, CHAMPION, PREVIOUS = "smoke", "candidate", "champion", "previous_champion"
_PROMOTED_AT = "promoted_at"


@dataclass(frozen=True)
class Version:
    """One registered version."""

    number: int
    run_id: str
    tags: dict[str, str]

    def verdict(self, gate: str) -> dict[str, Any] | None:
        """The recorded verdict of a gate, as ``Verdict.as_dict`` gave it."""
        text = self.tags.get(f"verdict.{gate}")
        return json.loads(text) if text else None

    @property
    def promoted_at(self) -> datetime:
        return datetime.fromisoformat(self.tags[_PROMOTED_AT])


class ModelRegistry:
    """``MODEL_NAME`` in the MLflow registry at ``tracking_uri``."""

    def __init__(self, tracking_uri: str, experiment: str) -> None:
        self._uri = tracking_uri
        self._experiment = experiment
        prepare_local_store(tracking_uri)

    @cached_property
    def _client(self) -> Any:
        import mlflow

        mlflow.set_tracking_uri(self._uri)
        return mlflow.MlflowClient(self._uri)

    def latest_training(self) -> TrainingRun | None:
        """The newest finished training."""
        experiment = self._client.get_experiment_by_name(self._experiment)
        if experiment is None:
            return None
        runs = self._client.search_runs(
            [experiment.experiment_id],
            f"tags.`{KIND_TAG}` = '{KIND_TRAINING}' and attributes.status = 'FINISHED'",
            order_by=["attributes.end_time DESC"],
            max_results=1,
        )
        return TrainingRun.from_mlflow(runs[0]) if runs else None

    def training(self, version: Version) -> TrainingRun:
        """The training that made a version."""
        return TrainingRun.from_mlflow(self._client.get_run(version.run_id))

    def register(self, run: TrainingRun) -> Version:
        """The version made from a run, registered now unless it was before."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(MODEL_NAME)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        known = self._client.search_model_versions(f"name = '{MODEL_NAME}'")
        for version in known:
            if version.run_id == run.run_id:
                return _version(version)
        made = self._client.create_model_version(
            MODEL_NAME,
            run.model_uri,
            run.run_id,
            model_id=run.model_uri.removeprefix("models:/"),
        )
        return _version(made)

    def by_alias(self, alias: str) -> Version | None:
        """The version an alias points to; None when it points nowhere."""
        from mlflow.exceptions import MlflowException

        try:
            return _version(self._client.get_model_version_by_alias(MODEL_NAME, alias))
        except MlflowException as error:
            # A missing alias is INVALID_PARAMETER_VALUE, a missing model RESOURCE_DOES_NOT_EXIST.
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def record(self, version: Version, verdict: Verdict) -> None:
        """Write a gate's verdict on the version, passed or not."""
        self._tag(version, f"verdict.{verdict.gate}", json.dumps(verdict.as_dict()))

    def point(self, alias: str, version: Version) -> None:
        """Move an alias."""
        self._client.set_registered_model_alias(MODEL_NAME, alias, str(version.number))

    def promote(self, version: Version) -> None:
        """Make a version the champion; the one before stays reachable for a rollback."""
        current = self.by_alias(CHAMPION)
        if current and current.number != version.number:
            self.point(PREVIOUS, current)
        self._tag(version, _PROMOTED_AT, datetime.now(UTC).isoformat())
        self.point(CHAMPION, version)

    def load(self, version: Version) -> OutcomeModel:
        """The version's model."""
        import mlflow

        mlflow.set_tracking_uri(self._uri)
        loaded = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/{version.number}")
        return loaded.unwrap_python_model().model

    def _tag(self, version: Version, key: str, value: str) -> None:
        self._client.set_model_version_tag(MODEL_NAME, str(version.number), key, value)


def _version(found: Any) -> Version:
    return Version(int(found.version), found.run_id, dict(found.tags or {}))


def prepare_local_store(tracking_uri: str) -> None:
    """Make the folder of an SQLite store, which MLflow does not."""
    if tracking_uri.startswith("sqlite:///"):
        Path(tracking_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
