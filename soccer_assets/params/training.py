"""What may be set about a training, and about each estimator that may be trained."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator


class UnknownEstimator(ValueError):
    """No estimator is registered under this name."""


class BadEstimatorParams(ValueError):
    """An estimator does not know a parameter, or not that value of it."""


class _Params(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LogisticParams(_Params):
    """Parameters of the logistic regression."""

    C: float = Field(default=1.0, gt=0)
    """Inverse strength of the ridge penalty."""
    max_iter: int = Field(default=300, ge=1)
    max_rows: int = Field(default=300_000, ge=1)
    """Only the latest rows are fitted: a linear model gains nothing from more."""


class BoostingParams(_Params):
    """Parameters of the boosted trees, by their LightGBM names."""

    learning_rate: float = Field(default=0.05, gt=0)
    num_leaves: int = Field(default=15, ge=2)
    max_depth: int = Field(default=-1, ge=-1)
    min_data_in_leaf: int = Field(default=200, ge=1)
    feature_fraction: float = Field(default=0.6, gt=0, le=1)
    bagging_fraction: float = Field(default=0.8, gt=0, le=1)
    bagging_freq: int = Field(default=1, ge=0)
    lambda_l1: float = Field(default=0.0, ge=0)
    lambda_l2: float = Field(default=5.0, ge=0)
    max_bin: int = Field(default=127, ge=2)
    rounds: int = Field(default=800, ge=1)
    """At most this many boosting rounds (of three trees); exactly so many without validation."""
    early_stopping_rounds: int = Field(default=60, ge=1)
    n_jobs: int = Field(default=2, ge=1)
    """Threads. More than there are idle cores is many times slower, as the threads spin."""


_ESTIMATORS: dict[str, type[LogisticParams | BoostingParams]] = {
    "logistic": LogisticParams,
    "boosting": BoostingParams,
}
#: The names that ``estimator_params`` knows.
ESTIMATORS = tuple(_ESTIMATORS)


def estimator_params(
    name: str, given: Mapping[str, Any] | None = None
) -> LogisticParams | BoostingParams:
    """The parameters of the estimator called ``name``; ``given`` override its defaults.

    Raises ``UnknownEstimator`` or ``BadEstimatorParams``, both ``ValueError``.
    """
    if name not in _ESTIMATORS:
        raise UnknownEstimator(f"unknown estimator {name!r}, there are: {', '.join(ESTIMATORS)}")
    try:
        return _ESTIMATORS[name].model_validate(dict(given or {}))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        )
        raise BadEstimatorParams(f"estimator {name!r}: {problems}") from error


def _default_candidates() -> dict[str, dict[str, Any]]:
    return {"boosting": {}, "logistic": {}}


class TrainingParams(BaseModel):
    """Settings of one training, immutable.

    An unknown key, a value out of range and an unknown candidate or candidate parameter raise
    ``pydantic.ValidationError``, a ``ValueError``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(default=20, ge=0, lt=2**31)
    holdout_share: float = Field(default=0.15, gt=0, lt=1)
    """The latest rows, kept for judging."""
    holdout_from: datetime | None = None
    """Instead of a share: the holdout starts at this kick-off (naive is UTC)."""
    calibration_share: float = Field(default=0.1, gt=0, lt=1)
    """Of the rows before the holdout."""
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    """Of the rows before the holdout."""
    candidates: dict[str, dict[str, Any]] = Field(default_factory=_default_candidates, min_length=1)
    """Estimator name -> its parameters."""
    folds: int = Field(default=3, ge=1)
    cv_max_rows: int = Field(default=300_000, ge=1)
    """The candidates are compared, and the chosen one's size is found, on at most so many of the
    latest rows before calibration; the final fit takes all of them."""
    reference_max_rows: int = Field(default=200_000, ge=1)
    """The reference profile is taken of at most so many of the latest fitted rows."""
    min_rows: int = Field(default=30, ge=1)
    """Every part of the split and of every fold needs so many."""

    @model_validator(mode="after")
    def _candidates_are_known(self) -> Self:
        for name, params in self.candidates.items():
            estimator_params(name, params)
        if self.calibration_share + self.validation_share >= 1.0:
            raise ValueError("calibration_share and validation_share leave nothing to train on")
        return self
