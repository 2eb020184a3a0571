"""From a dataset to a chosen, calibrated and honestly scored model.

    train -> validation -> calibration -> holdout        (in order of kick-off)

The candidates are compared by walking forward through train and validation; the chosen one takes
its size from the validation slice and is fitted on train and validation; its probabilities are
calibrated on the calibration slice; everything is scored on the holdout, which nothing before has
looked at.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from soccer_assets.arrays import Float32Array, FloatArray, IntArray
from soccer_assets.modelling.baselines import ELO_COLUMN, ClassPrior, EloOrderedLogit
from soccer_assets.modelling.calibration import VectorScaling
from soccer_assets.modelling.estimators import make_estimator
from soccer_assets.modelling.holdout import holdout_table, losses_of
from soccer_assets.modelling.metrics import Scorecard, scorecard
from soccer_assets.modelling.model import MissingFeatures, OutcomeModel, feature_matrix
from soccer_assets.modelling.profile import ReferenceProfile
from soccer_assets.modelling.selection import best_candidate, cross_validate, sized_fit
from soccer_assets.modelling.splits import TimeSplit, latest, time_ordered_split, utc_kickoffs
from soccer_assets.params.training import TrainingParams

__all__ = ["PartBounds", "TrainingParams", "TrainingResult", "split_for", "train"]


#: The systems every training reports on.
MODEL, CLASS_PRIOR, ELO_LOGIT, LOGISTIC = "model", "class_prior", "elo_ordered_logit", "logistic"


@dataclass(frozen=True)
class PartBounds:
    """Extent of one part of the split; kick-offs UTC, both included."""

    rows: int
    first: pd.Timestamp
    last: pd.Timestamp

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {"rows": self.rows, "first": self.first.isoformat(), "last": self.last.isoformat()}


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """All that a training leaves."""

    model: OutcomeModel
    chosen: str
    """Name of the chosen candidate."""
    bounds: dict[str, PartBounds]
    """train, validation, calibration, holdout."""
    cv: pd.DataFrame
    """Candidate x fold: see ``selection.cross_validate``."""
    report: dict[str, Scorecard]
    """System -> scores on the holdout: model, class_prior, elo_ordered_logit, logistic."""
    holdout_predictions: pd.DataFrame
    """Every system match by match: see ``holdout``."""
    importances: dict[str, float]
    """Feature -> share of importance in the model, largest first."""
    reference: ReferenceProfile
    """Of the latest fitted rows, for watching drift."""

    def losses(self, system: str) -> FloatArray:
        """Per-match holdout log-loss of a system, nats, (matches,); ``KeyError`` if unknown."""
        return losses_of(self.holdout_predictions, system)

    def report_table(self) -> pd.DataFrame:
        """The report as a frame: systems x scores."""
        return pd.DataFrame({name: asdict(card) for name, card in self.report.items()}).T


@dataclass(frozen=True, eq=False)
class _Rows:
    """A dataset in order of time, with its features as a matrix."""

    frame: pd.DataFrame
    matrix: Float32Array
    outcomes: IntArray


def train(
    dataset: pd.DataFrame,
    features: Sequence[str],
    params: TrainingParams | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> TrainingResult:
    """Train on ``dataset``, one row a finished match.

    It has ``match_id``, ``kickoff`` (UTC), ``tournament_id``, ``sex``, ``outcome`` (0 home win, 1
    draw, 2 away win), ``elo_difference`` (Elo points) and the numeric columns ``features``, NaN
    where unknown. Its order does not matter. ``progress`` is told a line at every step.

    Deterministic: the same dataset, features, params and library versions give the same model and
    predictions, byte by byte. Raises ``ValueError`` on a malformed dataset (``MissingFeatures``
    for absent columns, ``TooFewRows`` when a part of the split is too small).
    """
    settings = params or TrainingParams()
    rows = _prepare(dataset, features)
    split = split_for(rows.frame["kickoff"], settings)
    bounds = _bounds(rows.frame["kickoff"], split)
    progress("split: " + ", ".join(f"{name} {part.rows}" for name, part in bounds.items()))

    fitted = np.flatnonzero(split.fit)
    cv = cross_validate(
        rows.matrix[fitted],
        rows.outcomes[fitted],
        rows.frame["kickoff"].iloc[fitted],
        settings,
        progress,
    )
    chosen = best_candidate(cv)
    progress(f"chosen: {chosen}")

    model = _fit_model(chosen, rows, split, tuple(features), settings)
    progress(f"fitted {chosen} on {len(fitted)} rows")
    matches = rows.frame[split.holdout]
    systems = {MODEL: model.predict_proba(matches)}
    systems |= _baseline_predictions(rows.frame[split.before_holdout], matches)
    if chosen == LOGISTIC:
        systems[LOGISTIC] = systems[MODEL]
    else:
        logistic = _fit_model(LOGISTIC, rows, split, tuple(features), settings)
        systems[LOGISTIC] = logistic.predict_proba(matches)
    outcomes = rows.outcomes[split.holdout]
    report = {name: scorecard(probabilities, outcomes) for name, probabilities in systems.items()}
    for name, card in report.items():
        progress(f"holdout: {name} log-loss {card.log_loss:.4f}, RPS {card.rps:.4f}")

    recent = rows.frame.iloc[fitted]
    recent = recent[latest(recent["kickoff"], settings.reference_max_rows)]
    return TrainingResult(
        model=model,
        chosen=chosen,
        bounds=bounds,
        cv=cv,
        report=report,
        holdout_predictions=holdout_table(matches, systems),
        importances=model.importances(),
        reference=ReferenceProfile.build(recent, features),
    )


def split_for(kickoff: pd.Series, params: TrainingParams) -> TimeSplit:
    """How a training cuts its rows. Raises ``TooFewRows`` when there are too few to train on."""
    return time_ordered_split(
        kickoff,
        holdout_share=params.holdout_share,
        holdout_from=params.holdout_from,
        calibration_share=params.calibration_share,
        validation_share=params.validation_share,
        min_rows=params.min_rows,
    )


def _prepare(dataset: pd.DataFrame, features: Sequence[str]) -> _Rows:
    """Check the dataset, put it in order of time and lay its features out."""
    if not features:
        raise ValueError("there is no feature to train on")
    if len(set(features)) != len(features):
        raise ValueError("a feature is named twice")
    needed = ["match_id", "kickoff", "outcome", ELO_COLUMN, *features]
    absent = [name for name in dict.fromkeys(needed) if name not in dataset.columns]
    if absent:
        raise MissingFeatures(absent)
    if dataset["match_id"].duplicated().any():
        raise ValueError("the dataset holds a match twice")
    if not dataset["outcome"].isin((0, 1, 2)).all():
        raise ValueError("outcomes must be 0 (home win), 1 (draw) or 2 (away win)")
    times = utc_kickoffs(dataset["kickoff"])
    order = np.lexsort((dataset["match_id"].to_numpy(), times.asi8))
    if (order[1:] > order[:-1]).all():
        frame = dataset.reset_index(drop=True)
    else:
        frame = dataset.iloc[order].reset_index(drop=True)
    frame = frame.assign(kickoff=times[order])
    return _Rows(frame, feature_matrix(frame, features), frame["outcome"].to_numpy(dtype=np.int64))


def _bounds(kickoff: pd.Series, split: TimeSplit) -> dict[str, PartBounds]:
    return {
        name: PartBounds(int(mask.sum()), kickoff[mask].min(), kickoff[mask].max())
        for name, mask in split.parts().items()
    }


def _fit_model(
    name: str, rows: _Rows, split: TimeSplit, features: tuple[str, ...], params: TrainingParams
) -> OutcomeModel:
    """Size on validation, fit on train and validation, calibrate on the calibration slice."""
    estimator = sized_fit(
        make_estimator(name, params.candidates.get(name), params.seed),
        rows.matrix,
        rows.outcomes,
        np.flatnonzero(split.train),
        np.flatnonzero(split.validation),
        params.cv_max_rows,
    )
    raw = estimator.predict_proba(rows.matrix[split.calibration])
    return OutcomeModel(
        name=name,
        features=features,
        estimator=estimator,
        calibrator=VectorScaling().fit(raw, rows.outcomes[split.calibration]),
        trained_until=split.holdout_from,
        medians=_medians(rows.matrix[split.fit], features),
    )


def _medians(matrix: Float32Array, features: tuple[str, ...]) -> dict[str, float]:
    medians = {}
    for position, name in enumerate(features):
        column = matrix[:, position]
        known = column[~np.isnan(column)]
        medians[name] = float(np.median(known)) if len(known) else float("nan")
    return medians


def _baseline_predictions(past: pd.DataFrame, matches: pd.DataFrame) -> dict[str, FloatArray]:
    """The two simple baselines, fitted on every row before the holdout: their best case."""
    return {
        CLASS_PRIOR: ClassPrior().fit(past).predict_proba(matches),
        ELO_LOGIT: EloOrderedLogit().fit(past).predict_proba(matches),
    }
