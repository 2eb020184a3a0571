"""What may be set about alerts."""

from itertools import pairwise

from pydantic import ConfigDict, Field, field_validator

from soccer_assets.alerting.kinds import KINDS, OWNERS, Kind
from soccer_assets.bounds import Count, Days, Hours, Minutes, Number, Section


class AlertingParams(Section):
    """Settings of what is told, immutable; unknown keys raise ``pydantic.ValidationError``."""

    model_config = ConfigDict(frozen=True)

    channels: dict[str, str] = Field(default_factory=dict)
    """Kind, or owner -> channel; a kind's comes first. Others go to ``SLACK_CHANNEL``."""
    repeat_hours: tuple[Hours, ...] = Field(default=(1, 6, 24), min_length=1)
    """A trouble that goes on has its message updated after these pauses, then at the last one."""
    flood: Count = Field(default=5, ge=1)
    """More messages of a kind, or after an outage of Slack of all kinds, become one digest."""
    window_minutes: Minutes = Field(default=10, gt=0)
    """So many messages of a kind go out in this time; what has waited longer waited for Slack."""
    forget_days: Days = Field(default=7, gt=0)
    """A failed run that nobody asks for again is closed after so long."""
    keep_days: Days = Field(default=180, gt=0)
    """What is over is removed from the outbox after so long."""
    slow_factor: Number = Field(default=3, gt=1)
    """A run is slow when it takes so many times the median of its like,"""
    slow_minutes: Minutes = Field(default=5, ge=0)
    """and longer than this."""
    heartbeat_minutes: Minutes = Field(default=10, gt=0)
    no_champion_hours: Hours = Field(default=24, gt=0)
    digest_hour: Count = Field(default=7, ge=0, le=23)
    """Of the day, UTC, when the daily digest is told."""

    @field_validator("channels")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(value) - set(KINDS) - set(OWNERS))
        if unknown:
            raise ValueError(
                f"{', '.join(unknown)}: no kind and no owner; kinds: {', '.join(KINDS)}; "
                f"owners: {', '.join(OWNERS)}"
            )
        return value

    @field_validator("repeat_hours")
    @classmethod
    def _longer_and_longer(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if min(value) <= 0:
            raise ValueError("pauses must be above 0")
        if any(after <= before for before, after in pairwise(value)):
            raise ValueError("each pause must be longer than the one before")
        return value

    def channel(self, kind: Kind, default: str) -> str:
        """Where alerts of a kind go."""
        return self.channels.get(kind) or self.channels.get(KINDS[kind].owner) or default
