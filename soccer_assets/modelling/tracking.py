"""What a training leaves in MLflow, and how to read it back."""

import json
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from soccer_assets.modelling.baselines import Baselines
from soccer_assets.modelling.mlflow_service import MlflowUnavailable, Unusable, explained, is_gone
from soccer_assets.modelling.model import OutcomeModel
from soccer_assets.modelling.pages import Pages
from soccer_assets.modelling.profile import ReferenceProfile
from soccer_assets.modelling.provenance import libraries, training_code
from soccer_assets.modelling.score_grid import ScoreModel
from soccer_assets.modelling.train import TrainingResult
from soccer_assets.modelling.tuning import Tuning
from soccer_assets.params.training import TrainingParams

KIND_TAG, KIND_TRAINING = "soccer.kind", "training"
DATA_REVISION_TAG = "soccer.data_revision"
TRAINED_UNTIL_TAG = "soccer.trained_until"
JUDGED_FROM_TAG = "soccer.judged_from"
LEARNER_TAG = "soccer.learner"
ROWS_TAG = "soccer.finished_matches"
MODEL_URI_TAG = "soccer.model_uri"
CODE_TAG, LIBRARIES_TAG = "soccer.training_code", "soccer.libraries"
DAGSTER_RUN_TAG = "dagster_run_id"  # dagster-mlflow's name for it
#: How long a training that is done waits for MLflow to take it.
PATIENCE_SECONDS = 300
T = TypeVar("T")
_HOLDOUT, _REFERENCE, _REPORT = "holdout.parquet", "reference_profile.json", "scorecard.json"
_JUDGE, _CARD, _GOALS = "judge.pkl", "model_card.md", "goals.json"
_BASELINES = "baselines.json"


def log_training(
    result: TrainingResult,
    pages: Pages,
    params: TrainingParams,
    *,
    data_revision: str,
    finished_matches: int,
    tags: dict[str, str],
) -> str:
    """Log everything about a training to the active MLflow run; returns the run's id.

    Metrics are ``<system>_<score>`` on the judged matches; ``model_*`` are the judge's, which is kept
    beside the model that serves: it alone can be compared with others on what it has not seen. The work
    of an hour is not lost to a server that is away for minutes: it is waited for.

    Raises:
        MlflowUnavailable: it was away for longer, or went away meanwhile.
    """
    import mlflow
    import tenacity

    with explained(mlflow.get_tracking_uri()):
        for attempt in tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(MlflowUnavailable),
            stop=tenacity.stop_after_delay(PATIENCE_SECONDS),
            wait=tenacity.wait_exponential(max=30),
            reraise=True,
        ):
            with attempt, explained(mlflow.get_tracking_uri()):
                mlflow.set_tags({KIND_TAG: KIND_TRAINING})
        return _log_training(result, pages, params, data_revision, finished_matches, tags)


def _log_training(
    result: TrainingResult,
    pages: Pages,
    params: TrainingParams,
    data_revision: str,
    finished_matches: int,
    tags: dict[str, str],
) -> str:
    import mlflow

    mlflow.set_tags(
        {
            DATA_REVISION_TAG: data_revision,
            TRAINED_UNTIL_TAG: result.model.trained_until.isoformat(),
            JUDGED_FROM_TAG: result.judge.trained_until.isoformat(),
            "soccer.judged_until": result.bounds["judged"].last.isoformat(),
            ROWS_TAG: str(finished_matches),
            CODE_TAG: training_code(),
            LIBRARIES_TAG: json.dumps(libraries()),
            "soccer.chosen": result.chosen,
            LEARNER_TAG: result.learner,
            "soccer.size": str(result.size),
            **tags,
        }
    )
    mlflow.log_params({k: json.dumps(v, default=str) for k, v in params.model_dump().items()})
    mlflow.log_metrics(
        {
            f"{system}_{score}": float(value)
            for system, card in result.report.items()
            for score, value in card.as_dict().items()
        }
    )
    if result.goals is not None:
        mlflow.log_metrics(result.goals.metrics())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if result.goals is not None:
            (root / _GOALS).write_text(result.goals.model.to_json())
            result.goals.scores.to_csv(root / "goals.csv", index=False)
        result.holdout_predictions.to_parquet(root / _HOLDOUT, index=False)
        (root / _BASELINES).write_text(result.baselines.to_json())
        (root / _JUDGE).write_bytes(pickle.dumps(result.judge))
        (root / _REFERENCE).write_text(result.reference.to_json())
        (root / _REPORT).write_text(
            json.dumps({name: card.as_dict() for name, card in result.report.items()}, indent=2)
        )
        result.cv.to_csv(root / "cross_validation.csv", index=False)
        (root / "importances.json").write_text(json.dumps(result.importances, indent=2))
        (root / "report.png").write_bytes(pages.figure)
        (root / _CARD).write_text(pages.card)
        for name in ("scores", "against", "slices", "months", "reliability"):
            getattr(pages.report, name).to_csv(root / f"{name}.csv", index=False)
        mlflow.log_artifacts(folder)
    run = mlflow.active_run()
    assert run is not None
    for candidate, tuning in result.tunings.items():
        _log_search(run, candidate, tuning)
    mlflow.set_tag(MODEL_URI_TAG, _log_model(result))
    return run.info.run_id


def _log_search(run: Any, candidate: str, tuning: Tuning) -> None:
    """A run below the training's for every trial, and how much each parameter mattered."""
    import mlflow
    from mlflow.entities import Metric, Param
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    client = mlflow.MlflowClient()
    mlflow.log_metrics(
        {f"search_{candidate}_{name}_importance": v for name, v in tuning.importances.items()}
    )
    # Whoever ends the runs of a training that was killed finds them by the same tag.
    ours = {name: v for name, v in run.data.tags.items() if name == DAGSTER_RUN_TAG}
    for trial in tuning.trials:
        tags = {
            MLFLOW_PARENT_RUN_ID: run.info.run_id,
            KIND_TAG: "trial",
            "soccer.candidate": candidate,
            "soccer.pruned": str(trial.pruned),
            **ours,
        }
        name = f"{candidate} trial {trial.number}"
        below = client.create_run(run.info.experiment_id, tags=tags, run_name=name).info
        client.log_batch(
            below.run_id,
            [
                Metric("log_loss", loss, below.start_time, fold)
                for fold, loss in enumerate(trial.losses, start=1)
            ],
            [Param(parameter, str(value)) for parameter, value in trial.params.items()],
        )
        client.set_terminated(below.run_id)


def _log_model(result: TrainingResult) -> str:
    """Log the model; returns its ``models:/`` URI."""
    import mlflow
    from mlflow.models import infer_signature

    from soccer_assets.modelling.pyfunc import OutcomePyfunc

    example = result.model.typical_match().astype("float64")
    wrapped = OutcomePyfunc(result.model)
    logged = mlflow.pyfunc.log_model(
        name="model",
        python_model=wrapped,
        signature=infer_signature(example, wrapped.predict(None, example)),
        input_example=example,
        # Named here because inferring them starts a process that imports everything again.
        pip_requirements=[f"{name}=={version(name)}" for name in ("numpy", "pandas", "lightgbm")]
        + [
            f"scikit-learn=={version('scikit-learn')}",
            f"soccer_assets=={version('soccer_assets')}",
        ],
    )
    return logged.model_uri


@dataclass(frozen=True)
class TrainingRun:
    """A finished training as MLflow remembers it.

    What is missing of it is told as Unusable, and an MLflow that does not answer as
    MlflowUnavailable.
    """

    run_id: str
    known_as: str
    """In messages: the version that was made of it, or the training itself."""
    data_revision: str
    trained_until: pd.Timestamp
    """The version has learnt from nothing that kicked off at or after it."""
    judged_from: pd.Timestamp | None
    """The same of its judge; None for a training of a time when the model judged itself."""
    finished_matches: int
    learner: str | None
    """What the model is, such as boosting; None where it was not written down."""
    model_uri: str
    code: str | None
    """Version of the code that trained; None where it was not written down."""
    libraries: dict[str, str]
    """Name -> version of those that its numbers come from, as far as they were written down."""
    given: dict[str, str]
    """Name -> JSON of each parameter."""
    metrics: dict[str, float]

    @classmethod
    def from_mlflow(cls, run: Any, known_as: str) -> "TrainingRun":
        tags = run.data.tags
        required = (DATA_REVISION_TAG, TRAINED_UNTIL_TAG, ROWS_TAG, MODEL_URI_TAG)
        if absent := [tag for tag in required if not tags.get(tag)]:
            raise Unusable(f"{known_as} lacks the tags {', '.join(absent)}")
        try:
            trained_until, rows = pd.Timestamp(tags[TRAINED_UNTIL_TAG]), int(tags[ROWS_TAG])
            judged_from = pd.Timestamp(tags[JUDGED_FROM_TAG]) if tags.get(JUDGED_FROM_TAG) else None
            known_libraries = dict(json.loads(tags.get(LIBRARIES_TAG, "{}")))
        except ValueError as error:
            raise Unusable(f"{known_as} has a tag that is not legible: {error}") from None
        return cls(
            run_id=run.info.run_id,
            known_as=known_as,
            data_revision=tags[DATA_REVISION_TAG],
            trained_until=trained_until,
            judged_from=judged_from,
            finished_matches=rows,
            learner=tags.get(LEARNER_TAG),
            model_uri=tags[MODEL_URI_TAG],
            code=tags.get(CODE_TAG),
            libraries=known_libraries,
            given=dict(run.data.params),
            metrics=dict(run.data.metrics),
        )

    def params(self) -> TrainingParams:
        """The parameters that it was given."""
        try:
            given = {name: json.loads(value) for name, value in self.given.items()}
            return TrainingParams.model_validate(given)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise Unusable(
                f"{self.known_as} has other parameters than there are: {reason}"
            ) from None

    def metric(self, name: str) -> float:
        try:
            return self.metrics[name]
        except KeyError:
            raise Unusable(f"{self.known_as} lacks the metric {name}") from None

    def holdout(self) -> pd.DataFrame:
        """Every system's predictions of the judged matches."""
        return self.table(_HOLDOUT)

    def table(self, name: str) -> pd.DataFrame:
        """A file of the training that is parquet."""
        return self._read(name, lambda body: pd.read_parquet(BytesIO(body)))

    def log_table(self, name: str, table: pd.DataFrame) -> None:
        """Add a parquet file to the training, though it has ended."""
        import mlflow

        with explained(mlflow.get_tracking_uri()), tempfile.TemporaryDirectory() as folder:
            file = Path(folder, name).with_suffix(".parquet")
            file.parent.mkdir(parents=True, exist_ok=True)
            table.to_parquet(file, index=False)
            mlflow.MlflowClient().log_artifacts(self.run_id, folder)

    def judge(self) -> OutcomeModel:
        """The model before it had learnt from the judged matches."""
        model = self._read(_JUDGE, pickle.loads)
        if not isinstance(model, OutcomeModel):
            raise Unusable(f"{self.known_as} has a {_JUDGE} that is no OutcomeModel")
        return model

    def baselines(self) -> Baselines:
        """What is served beside the model to compare it with."""
        return self._read(_BASELINES, lambda body: Baselines.from_json(body.decode()))

    def goals(self) -> ScoreModel:
        """What makes score grids that go with the model."""
        return self._read(_GOALS, lambda body: ScoreModel.from_json(body.decode()))

    def card(self) -> str:
        """The model card, Markdown."""
        return self._read(_CARD, bytes.decode)

    def reference(self) -> ReferenceProfile:
        """What the features looked like in training."""
        return self._read(_REFERENCE, lambda body: ReferenceProfile.from_json(body.decode()))

    def _read(self, name: str, parse: Callable[[bytes], T]) -> T:
        body = self._artifact(name)
        try:
            return parse(body)
        except Exception as error:  # whatever a file that was changed since may hold
            raise Unusable(f"{self.known_as} has an illegible {name}: {error!r}") from error

    def _artifact(self, name: str) -> bytes:
        import mlflow

        with (
            explained(mlflow.get_tracking_uri()),
            tempfile.TemporaryDirectory() as folder,
        ):
            try:
                path = mlflow.artifacts.download_artifacts(
                    run_id=self.run_id, artifact_path=name, dst_path=folder
                )
            except Exception as error:
                if is_gone(error):
                    raise Unusable(f"{self.known_as} lacks the file {name}") from None
                raise
            return Path(path).read_bytes()
