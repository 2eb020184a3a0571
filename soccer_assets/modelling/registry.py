"""The model registry: versions, aliases and the verdicts that moved them."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from soccer_assets.arrays import FloatArray
from soccer_assets.clock import stamped_now
from soccer_assets.modelling.mlflow_service import Unusable, connect, explained, is_gone
from soccer_assets.modelling.mlflow_sqlite import artifact_root
from soccer_assets.modelling.model import MissingFeatures, OutcomeModel
from soccer_assets.modelling.splits import utc_kickoffs
from soccer_assets.modelling.tracking import DAGSTER_RUN_TAG, DATA_REVISION_TAG, TrainingRun
from soccer_assets.modelling.verdict import Verdict

MODEL_NAME = "soccer_1x2"
SMOKE, CANDIDATE, CHAMPION, PREVIOUS = "smoke", "candidate", "champion", "previous_champion"
#: Of the version that has passed every gate and waits for a person.
AWAITING = "awaiting_sign_off"
_PROMOTED_AT = "promoted_at"
#: On a version that was decided about: the decision, until it is recorded. See ``office``.
_DECISION = "decision"
#: On a version that was in office and was replaced for what it did there: why.
_FALLEN = "fallen"
#: On a version whose promotion has begun: the number of the champion before, until all is done.
_REPLACES = "replaces"

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Version:
    """One registered version, whoever made it."""

    number: int
    run_id: str | None
    tags: dict[str, str]
    created_at: datetime

    def __str__(self) -> str:
        return f"version {self.number} of {MODEL_NAME}"

    def verdict(self, gate: str) -> Verdict | None:
        """The recorded verdict of a gate; None without a legible one."""
        try:
            return Verdict.from_dict(json.loads(self.tags[f"verdict.{gate}"]))
        except (LookupError, TypeError, ValueError):
            return None

    @property
    def name(self) -> str:
        """Names it and no other, ever: numbers alone may be given again."""
        return f"{self.number}:{self.run_id}"

    @property
    def decision(self) -> str | None:
        """What was decided about it and is not recorded yet."""
        return self.tags.get(_DECISION)

    @property
    def promoted_at(self) -> datetime:
        """When it passed the last gate; when it was made if an alias was moved to it by hand."""
        try:
            promoted = datetime.fromisoformat(self.tags[_PROMOTED_AT])
        except (KeyError, ValueError):
            return self.created_at
        return promoted if promoted.tzinfo else promoted.replace(tzinfo=UTC)


def _asked(
    method: Callable[Concatenate["ModelRegistry", P], T],
) -> Callable[Concatenate["ModelRegistry", P], T]:
    """A method that speaks to MLflow: what keeps it from doing so is MlflowUnavailable."""

    @wraps(method)
    def asked(self: "ModelRegistry", *args: P.args, **kwargs: P.kwargs) -> T:
        with explained(self._uri):
            connect(self._uri, self._experiment)
            return method(self, *args, **kwargs)

    return asked


class ModelRegistry:
    """``MODEL_NAME`` in the MLflow registry at ``tracking_uri``.

    Methods raise MlflowUnavailable when MLflow does not answer, and Unusable, naming the version,
    when what it keeps is not all there or was not made here.
    """

    def __init__(self, tracking_uri: str, experiment: str) -> None:
        self._uri = tracking_uri
        self._experiment = experiment

    @cached_property
    def _client(self) -> Any:
        import mlflow

        return mlflow.MlflowClient()

    @_asked
    def begin_training(self, dagster_run_id: str, name: str) -> str:
        """A new MLflow run that knows its Dagster run from its first moment; returns its id."""
        tags = {DAGSTER_RUN_TAG: dagster_run_id}
        run = self._client.create_run(self._made_experiment(), tags=tags, run_name=name)
        return run.info.run_id

    def _made_experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.create_experiment(self._experiment, artifact_root(self._uri))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        found = self._client.get_experiment_by_name(self._experiment)
        if found.lifecycle_stage != "active":
            raise Unusable(f"the MLflow experiment {self._experiment} was deleted: restore it")
        return found.experiment_id

    @_asked
    def training_run(self, run_id: str) -> TrainingRun:
        """The training that is this MLflow run, unless somebody has deleted it."""
        gone = f"training {run_id} is gone"
        found = self._run(run_id, gone)
        if found.info.lifecycle_stage != "active":
            raise Unusable(gone)
        return TrainingRun.from_mlflow(found, f"training {run_id}")

    @_asked
    def training(self, version: Version) -> TrainingRun:
        """The training that made a version."""
        if not version.run_id:
            raise Unusable(f"{version} was not made by a training here: it has no run")
        found = self._run(version.run_id, f"{version}: its training run {version.run_id} is gone")
        return TrainingRun.from_mlflow(found, f"{version}, trained by run {version.run_id},")

    def _run(self, run_id: str, gone: str) -> Any:
        try:
            return self._client.get_run(run_id)
        except Exception as error:
            if is_gone(error):
                raise Unusable(gone) from None
            raise

    @_asked
    def register(self, run: TrainingRun) -> Version:
        """The version made from a run, registered now unless it was before."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(MODEL_NAME)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        known = self._client.search_model_versions(
            f"name = '{MODEL_NAME}' and run_id = '{run.run_id}'"
        )
        if known:
            return _version(known[0])
        made = self._client.create_model_version(
            MODEL_NAME,
            run.model_uri,
            run.run_id,
            model_id=run.model_uri.removeprefix("models:/"),
            description=_card(run),
        )
        return _version(made)

    @_asked
    def version(self, number: int) -> Version:
        """The version of this number."""
        try:
            return _version(self._client.get_model_version(MODEL_NAME, str(number)))
        except Exception as error:
            if is_gone(error):
                raise Unusable(f"there is no version {number} of {MODEL_NAME}") from None
            raise

    @_asked
    def by_alias(self, alias: str) -> Version | None:
        """The version an alias points to; None when it points nowhere."""
        try:
            aliases = self._client.get_registered_model(MODEL_NAME).aliases
            if alias not in aliases:
                return None
            return _version(self._client.get_model_version(MODEL_NAME, aliases[alias]))
        except Exception as error:
            # Of a model that was never registered, or a version that was deleted.
            if getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def champion(self) -> Version | None:
        """The version that serves; a promotion that was broken off after it began to is finished."""
        version = self.by_alias(CHAMPION)
        if version and _REPLACES in version.tags:
            self._finish_promotion(version)
        return version

    @_asked
    def record(self, version: Version, verdict: Verdict) -> None:
        """Write a gate's verdict on the version, passed or not."""
        self._tag(version, f"verdict.{verdict.gate}", json.dumps(verdict.as_dict()))

    @_asked
    def point(self, alias: str, version: Version) -> None:
        """Move an alias."""
        self._client.set_registered_model_alias(MODEL_NAME, alias, str(version.number))

    @_asked
    def remove_alias(self, alias: str) -> None:
        """Have an alias point nowhere."""
        try:
            self._client.delete_registered_model_alias(MODEL_NAME, alias)
        except Exception as error:
            if not is_gone(error):
                raise

    @_asked
    def newest_number(self) -> int:
        """The highest number of a version; 0 where there is none."""
        found = self._client.search_model_versions(f"name = '{MODEL_NAME}'")
        return max((int(version.version) for version in found), default=0)

    @_asked
    def has_training(self, run_id: str) -> bool:
        """Whether MLflow knows of a run, be it one that was deleted and can be restored."""
        try:
            self._run(run_id, "")
        except Unusable:
            return False
        return True

    @_asked
    def data_revisions(self) -> dict[int, str | None]:
        """Number of each version that there is -> the revision of the data that it was trained on; None:
        its training is gone, and nothing tells."""
        found: dict[int, str | None] = {}
        for known in self._client.search_model_versions(f"name = '{MODEL_NAME}'"):
            version = _version(known)
            found[version.number] = None
            if version.run_id:
                with suppress(Unusable):
                    tags = self._run(version.run_id, "").data.tags
                    found[version.number] = tags.get(DATA_REVISION_TAG)
        return found

    @_asked
    def note(self, version: Version, decision: str | None) -> None:
        """Write a decision that is to be recorded on a version, or take it away."""
        if decision is not None:
            self._tag(version, _DECISION, decision)
        elif version.decision is not None:
            self._client.delete_model_version_tag(MODEL_NAME, str(version.number), _DECISION)

    @_asked
    def mark_fallen(self, number: int, why: str) -> None:
        """Write on a version that it was replaced for what it did in office, unless it is deleted."""
        try:
            self._client.set_model_version_tag(MODEL_NAME, str(number), _FALLEN, why)
        except Exception as error:
            if not is_gone(error):
                raise

    @_asked
    def promote(self, version: Version, decision: str | None = None) -> None:
        """Make a version the champion; the one before stays reachable for a rollback.

        The champion's alias moves in one step. What is to follow is written on the version before,
        so that whoever is killed in between leaves the old state or one that ``champion`` completes.

        Args:
            decision: noted on the version before the alias moves.
        """
        current = self.champion()
        if decision is not None:
            self.note(version, decision)
        self._tag(version, _PROMOTED_AT, stamped_now().isoformat())
        if current and current.number != version.number:
            self._tag(version, _REPLACES, str(current.number))
        self.point(CHAMPION, version)
        self.champion()

    @_asked
    def _finish_promotion(self, version: Version) -> None:
        before = version.tags[_REPLACES]
        try:
            self._client.set_registered_model_alias(MODEL_NAME, PREVIOUS, before)
        except Exception as error:
            if not is_gone(error):  # it may have been deleted since
                raise
        self._client.delete_model_version_tag(MODEL_NAME, str(version.number), _REPLACES)

    @_asked
    def load(self, version: Version) -> OutcomeModel:
        """The version's model."""
        import mlflow

        with TemporaryDirectory() as folder:
            uri = f"models:/{MODEL_NAME}/{version.number}"
            try:
                files = mlflow.artifacts.download_artifacts(uri, dst_path=folder)
                gone = not list(Path(files).iterdir())  # a folder that is not there looks empty
            except Exception as error:
                gone = is_gone(error)
                if not gone:
                    raise
            if gone:
                raise Unusable(f"{version}: the files of its model are gone")
            try:
                model = mlflow.pyfunc.load_model(files).unwrap_python_model().model
            except Exception as error:  # whatever may be wrong with a model that anybody made
                if isinstance(error, MemoryError | OSError) and not is_gone(error):
                    raise
                raise Unusable(f"{version} cannot be loaded: {_first_line(error)}") from error
        if not isinstance(model, OutcomeModel):
            raise Unusable(f"{version} was not made by a training here: it is no OutcomeModel")
        return model

    def predict(self, version: Version, frame: pd.DataFrame) -> FloatArray:
        """What ``OutcomeModel.predict_proba`` of the version's model gives."""
        return predictions_of(version, self.load(version), frame)

    def predict_unseen(
        self, version: Version, training: TrainingRun, frame: pd.DataFrame
    ) -> FloatArray:
        """What the version's model gives, but of matches that it may have learnt from what its judge
        gives, which has not. A training whose judge is lost, or never was, has but one answer.

        Args:
            frame: features, with ``kickoff`` (UTC).
        """
        given = self.predict(version, frame)
        learnt = np.asarray(utc_kickoffs(frame["kickoff"]) < training.trained_until)
        if learnt.any():
            with suppress(Unusable):
                given[learnt] = predictions_of(version, training.judge(), frame[learnt])
        return given

    @_asked
    def end_broken_off(self, is_over: Callable[[str], bool]) -> list[str]:
        """End the runs of trainings that were killed; returns their ids.

        Args:
            is_over: whether the Dagster run of this id has ended. One that it does not know has
                another Dagster instance.
        """
        killed = [
            run.info for run in self._running() if is_over(run.data.tags.get(DAGSTER_RUN_TAG, ""))
        ]
        for run in killed:
            for model in self._client.search_logged_models(
                [run.experiment_id], f"source_run_id = '{run.run_id}'"
            ):
                if model.status == "PENDING":
                    self._client.finalize_logged_model(model.model_id, "FAILED")
            self._client.set_terminated(run.run_id, "KILLED")
        return [run.run_id for run in killed]

    def _running(self) -> list[Any]:
        experiment = self._client.get_experiment_by_name(self._experiment)
        if experiment is None:
            return []
        return self._client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'")

    def _tag(self, version: Version, key: str, value: str) -> None:
        self._client.set_model_version_tag(MODEL_NAME, str(version.number), key, value)


def _card(run: TrainingRun) -> str | None:
    """None where the training left none: a version needs no description."""
    try:
        return run.card()
    except Unusable:
        return None


def predictions_of(version: Version, model: OutcomeModel, frame: pd.DataFrame) -> FloatArray:
    """What a model of a version's training gives. Raises Unusable, naming the version."""
    try:
        return model.predict_proba(frame)
    except MissingFeatures as error:
        absent = ", ".join(error.columns)
        raise Unusable(f"{version} needs features that are not there: {absent}") from None
    except MemoryError:
        raise
    except Exception as error:
        raise Unusable(f"{version} cannot predict: {_first_line(error)}") from error


def _version(found: Any) -> Version:
    created = datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)
    return Version(int(found.version), found.run_id or None, dict(found.tags or {}), created)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
