"""The JSON that the service speaks; the service documents it, the client reads it."""

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field


class Marks(BaseModel):
    """How far to trust an answer. Absent from answers of older workers, and so optional."""

    as_of: AwareDatetime | None = Field(
        default=None, description="When the pipeline wrote the predictions."
    )
    age_seconds: int | None = Field(default=None, ge=0, description="Seconds since.")
    stale: bool = Field(
        default=False, description="They are older than their maximum age: use them with care."
    )
    source: Literal["database", "disk"] | None = Field(
        default=None,
        description="`disk`: the worker could not load them when it started, and serves what it had kept.",
    )


class Prediction(BaseModel):
    """1X2 probabilities of one match; the three sum to 1."""

    match_id: int
    kickoff: AwareDatetime = Field(description="Kick-off as last scheduled, UTC.")
    status: str = Field(description="Status of the match when the predictions were last loaded.")
    tournament_id: int
    tournament_name: str
    region_name: str
    season_name: str | None
    home_team_id: int
    home_team_name: str
    away_team_id: int
    away_team_name: str
    p_home: float = Field(ge=0, le=1, description="Probability of a home win after 90 minutes.")
    p_draw: float = Field(ge=0, le=1, description="Probability of a draw after 90 minutes.")
    p_away: float = Field(ge=0, le=1, description="Probability of an away win after 90 minutes.")
    features_as_of: AwareDatetime = Field(description="Newest result known to the features.")
    predicted_at: AwareDatetime
    made_before_kickoff: bool = Field(
        description="Whether it is a prediction. What was first computed when the match had begun "
        "is shown, too, and counts for nothing."
    )
    model_version: int = Field(description="Registry version of the model that predicted.")


class OnePrediction(Prediction, Marks):
    """A prediction, and how far to trust it."""


class PredictionPage(Marks):
    """Coming matches by kick-off, then match id."""

    model_version: int
    predictions: list[Prediction]
    next: str | None = Field(
        description="Pass it as `cursor` for the following page; null on the last one."
    )


class ModelInfo(BaseModel):
    """The champion that is served."""

    name: str
    version: int
    run_id: str = Field(description="Tracking run that trained it.")
    data_revision: str = Field(description="Data revision it was trained on.")
    promoted_at: AwareDatetime
    metrics: dict[str, Any] = Field(description="Its scores when it was promoted.")
    refreshed_at: AwareDatetime = Field(description="When its predictions were last written.")
    loaded_at: AwareDatetime = Field(description="When this worker last read them.")
    n_predictions: int = Field(description="Matches this worker can answer for.")
    age_seconds: float = Field(description="Seconds since they were written.")
    stale: bool = Field(default=False, description="They are older than their maximum age.")
    source: Literal["database", "disk"] | None = Field(
        default=None, description="Where this worker has them from."
    )


class Health(Marks):
    """The process is up; ``as_of``, ``source`` and so on are of what it serves, if anything."""

    status: str
    instance: str | None = Field(
        default=None, description="This process, and no other, has this identifier."
    )


class Readiness(BaseModel):
    """Whether requests should be sent to this worker."""

    ready: bool
    version: int | None = Field(default=None, description="Model version in memory, if any.")
    age_seconds: float | None = Field(default=None, description="Age of the predictions.")
    as_of: AwareDatetime | None = Field(default=None, description="When they were written.")
    source: Literal["database", "disk"] | None = Field(
        default=None, description="Where this worker has them from."
    )
    reason: str | None = Field(default=None, description="Why the worker is not ready.")
    last_error: str | None = Field(
        default=None, description="Why the newest attempt to load failed; null if it succeeded."
    )


class ReloadResult(BaseModel):
    version_before: int | None = Field(description="Null when nothing was loaded before.")
    version_after: int
    run_id: str | None = Field(default=None, description="Tracking run that trained it.")
    n_predictions: int
    loaded_at: datetime
    run_id_before: str | None = Field(
        default=None, description="Tracking run that trained the one before."
    )


class Problem(BaseModel):
    detail: str = Field(description="What went wrong, in words.")
