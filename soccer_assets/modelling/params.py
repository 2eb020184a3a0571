"""What may be set about a training."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from soccer_assets.modelling.estimators import make_estimator


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
            make_estimator(name, params, self.seed)
        if self.calibration_share + self.validation_share >= 1.0:
            raise ValueError("calibration_share and validation_share leave nothing to train on")
        return self
