"""Parameters of the features."""

from pydantic import BaseModel, ConfigDict, Field, field_validator


class RatingParams(BaseModel):
    model_config = ConfigDict(extra="forbid")

    elo_k: float = Field(20.0, gt=0, description="Elo points a surprise is worth")
    elo_home_advantage: float = Field(65.0, description="Elo points added to the home team")
    pi_learning_rate: float = Field(0.06, gt=0, description="lambda of the pi-rating")
    pi_venue_transfer: float = Field(0.6, ge=0, le=1, description="gamma of the pi-rating")
    goals_learning_rate: float = Field(0.025, gt=0, description="step of attack and defence")


class FeatureParams(BaseModel):
    model_config = ConfigDict(extra="forbid")

    form_windows: list[int] = Field([5, 15], min_length=1, description="matches looked back")
    venue_window: int = Field(8, ge=1, description="matches looked back at the same venue")
    league_window: int = Field(400, ge=1, description="matches a league's averages look back")
    league_prior_matches: float = Field(50, ge=0, description="weight of the prior averages")
    result_delay_minutes: int = Field(
        180, ge=1, description="after kick-off, when a result counts as known; never at it"
    )
    ratings: RatingParams = RatingParams()

    @field_validator("form_windows")
    @classmethod
    def _are_different(cls, windows: list[int]) -> list[int]:
        if len(set(windows)) < len(windows):
            raise ValueError("a window is there twice")
        return windows
