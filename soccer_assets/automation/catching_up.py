"""Asks again for past days that nobody asked for once they had settled: after an outage of the
daemon or the source, a deployment on an old database, or a failure."""

from datetime import date

import dagster as dg

from soccer_assets.automation.jobs import ingest_job
from soccer_assets.automation.partitions import FIRST_TAG, LAST_TAG
from soccer_assets.automation.retry_policy import RETRY_TAG, WAITS
from soccer_assets.clock import utc_now
from soccer_assets.ingestion.catching_up import CatchUp
from soccer_assets.resources import WarehouseResource
from soccer_assets.warehouse.ingested_days import overdue_days

#: Who asked for a run, where it was neither a person nor a schedule.
ASKED_BY_TAG = "soccer/asked_by"
CATCH_UP = "catch_up"
#: Days a run.
LONGEST = 31
_FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
UNFINISHED = [status for status in dg.DagsterRunStatus if status not in _FINISHED]


def catch_up_sensor(first_day: date) -> dg.SensorDefinition:
    """Of days from the first one on."""

    @dg.sensor(
        name=CATCH_UP,
        job=ingest_job,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Past days that were not asked for since they settled, newest first, a month a "
        "run, one run at a time; days that keep failing after growing pauses.",
    )
    def catch_up(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource
    ) -> dg.SensorResult | dg.SkipReason:
        running = dg.RunsFilter(tags={ASKED_BY_TAG: CATCH_UP}, statuses=UNFINISHED)
        waiting = dg.RunsFilter(tags={ASKED_BY_TAG: CATCH_UP, RETRY_TAG: WAITS})
        if any(context.instance.get_run_records(runs, limit=1) for runs in (running, waiting)):
            return dg.SkipReason("the last days that were asked for are still on their way")
        now = utc_now()
        overdue = overdue_days(warehouse.engine, now, first_day)
        plan = CatchUp.from_json(context.cursor)
        days = plan.ask(overdue, now, LONGEST)
        if not days:
            reason = (
                f"{len(overdue)} overdue days wait for their next try"
                if overdue
                else "no day is overdue"
            )
            return dg.SensorResult(skip_reason=reason, cursor=plan.to_json())
        first, last = str(days[-1]), str(days[0])
        request = dg.RunRequest(
            run_key=f"{now.isoformat()} {first}..{last}",
            run_config={"ops": {"ingest_days": {"config": {"resume": True}}}},
            tags={
                ASKED_BY_TAG: CATCH_UP,
                FIRST_TAG: first,
                LAST_TAG: last,
            },
        )
        return dg.SensorResult(run_requests=[request], cursor=plan.to_json())

    return catch_up
