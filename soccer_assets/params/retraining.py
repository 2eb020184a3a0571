"""What may be set about when a training is asked for."""

from datetime import timedelta

from pydantic import ConfigDict, Field

from soccer_assets.bounds import Count, Days, Hours, Section


class RetrainingParams(Section):
    """How often a model may be trained, immutable; unknown keys raise ``ValidationError``."""

    model_config = ConfigDict(frozen=True)

    cool_down_hours: Hours = Field(default=23, ge=1, le=24)
    """Between the beginnings of two trainings. Less than a day, so that whatever is asked for again
    is asked for within one."""
    min_new_matches: Count = Field(default=200, ge=0)
    """Settled since the last training, with fewer of which no report's failure asks for another:
    it would see nothing that the last one had not seen."""
    longest_pause_days: Days = Field(default=16, ge=1, le=20)
    """Up to which the cool-down doubles with every training that failed, or whose model was refused,
    or that did not cure what it was asked for. Shorter than a model may be old without a warning."""

    @property
    def cool_down(self) -> timedelta:
        return timedelta(hours=self.cool_down_hours)

    @property
    def longest_pause(self) -> timedelta:
        return timedelta(days=self.longest_pause_days)
