"""What runs by the clock: the feed. Everything after it follows by the sensor ``updates``."""

from datetime import timedelta

import dagster as dg

from soccer_assets.automation.jobs import ends_within, ingest_job
from soccer_assets.automation.partitions import FIRST_TAG, LAST_TAG
from soccer_assets.params import IngestionParams


def _days(context: dg.ScheduleEvaluationContext, first: int, last: int) -> dg.RunRequest:
    """One run for all of them: a day that fails is told, and costs the others nothing. Offsets are
    from today (UTC)."""
    tick = context.scheduled_execution_time
    days = [(tick.date() + timedelta(days=offset)).isoformat() for offset in (first, last)]
    return dg.RunRequest(
        # The tick is part of the key, for a key is never run twice.
        run_key=f"{tick.isoformat()} {days[0]}..{days[1]}",
        tags={FIRST_TAG: days[0], LAST_TAG: days[1], **ends_within(hours=1)},
    )


def feed_schedules(ingestion: IngestionParams) -> list[dg.ScheduleDefinition]:
    """Of the days that the parameters name."""

    @dg.schedule(
        job=ingest_job, cron_schedule="5 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING
    )
    def hourly_ingest(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """The rolling window: today and the days before it, whose results still change."""
        return _days(context, -ingestion.days_back, 0)

    @dg.schedule(
        job=ingest_job, cron_schedule="30 4 * * *", default_status=dg.DefaultScheduleStatus.RUNNING
    )
    def daily_fixtures(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """The fixtures ahead."""
        return _days(context, 1, ingestion.days_ahead)

    return [hourly_ingest, daily_fixtures]
