"""What may be set about the gates that a model passes."""

from pydantic import BaseModel, ConfigDict, Field


class GateParams(BaseModel):
    """Settings of the gates, immutable; unknown keys raise ``pydantic.ValidationError``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    draws: int = Field(default=2000, ge=100)
    """Bootstrap resamples."""
    seed: int = Field(default=20, ge=0)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """Of the interval beyond which a difference is not chance."""
    prior_probability: float = Field(default=0.95, gt=0, lt=1)
    """How sure it must be that a champion beats the class prior."""
    min_probability: float = Field(default=0.9, gt=0, lt=1)
    """How sure it must be that a new champion beats the current one."""
    ece_limit: float = Field(default=0.02, gt=0)
    """Calibration error that a model may really have. Chance adds to what is measured, by much on
    few matches, so the measured error may be the root of the sum of the squares of the two."""
    ece_quantile: float = Field(default=0.99, gt=0, lt=1)
    """Of the error that chance alone gives a calibrated model."""
    ece_draws: int = Field(default=200, ge=20)
    min_slice_rows: int = Field(default=300, ge=1)
    """Smaller slices are not judged."""
    max_mean_probability: float = Field(default=0.9, gt=0, lt=1)
    """Smoke: no outcome may be this likely in the mean over matches."""
    min_elo_rows: int = Field(default=30, ge=3)
    """Smoke: with fewer rows of known Elo, a typical match is probed instead."""
