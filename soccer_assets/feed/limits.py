"""How much one day of the feed may hold. A source that sends more is at fault, not to be served."""

from datetime import timedelta

from pydantic import ConfigDict, Field

from soccer_assets.bounds import Count, Seconds, Section, WholeDays


class FeedLimits(Section):
    """Limits of a day's payload. The busiest of 11,107 days of real matches had 458, in 0.5 MB."""

    model_config = ConfigDict(frozen=True)

    max_bytes: Count = Field(
        32 * 1024 * 1024, ge=1, description="bytes of an answer, after decompression"
    )
    max_seconds: Seconds = Field(
        120.0, gt=0, description="seconds from asking to the last byte of an answer"
    )
    max_matches: Count = Field(20_000, ge=1, description="matches of a day")
    kickoff_days: WholeDays = Field(
        2, ge=0, description="days that a kick-off may lie before or after the day that shows it"
    )

    @property
    def kickoff_span(self) -> timedelta:
        return timedelta(days=self.kickoff_days)
