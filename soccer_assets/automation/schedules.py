"""What runs by the clock: the feed. Everything after it follows by automation conditions."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from soccer_assets.automation.jobs import ends_within, ingest_job
from soccer_assets.params import IngestionParams


def _days(context: dg.ScheduleEvaluationContext, first: int, last: int) -> Iterator[dg.RunRequest]:
    """One run a day, so that a day that fails does so alone; offsets are from today (UTC)."""
    tick = context.scheduled_execution_time
    for offset in range(first, last + 1):
        day = (tick.date() + timedelta(days=offset)).isoformat()
        # The tick is part of the key, for a key is never run twice.
        yield dg.RunRequest(
            run_key=f"{tick.isoformat()} {day}", partition_key=day, tags=ends_within(hours=1)
        )


def feed_schedules(ingestion: IngestionParams) -> list[dg.ScheduleDefinition]:
    """Of the days that the parameters name."""

    @dg.schedule(
        job=ingest_job, cron_schedule="5 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING
    )
    def hourly_ingest(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        """The rolling window: today and the days before it, whose results still change."""
        yield from _days(context, -ingestion.days_back, 0)

    @dg.schedule(
        job=ingest_job, cron_schedule="30 4 * * *", default_status=dg.DefaultScheduleStatus.RUNNING
    )
    def daily_fixtures(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        """The fixtures ahead."""
        yield from _days(context, 1, ingestion.days_ahead)

    return [hourly_ingest, daily_fixtures]
