"""Nothing runs for ever: dead runs are ended, and what takes far too long is told."""

from datetime import timedelta

import dagster as dg

from soccer_assets.alerting.kinds import Kind
from soccer_assets.alerting.outbox import OPEN, Alert, find
from soccer_assets.automation.telling import Teller, Untold, now
from soccer_assets.resources import ParamsResource, SlackAlertResource, WarehouseResource
from soccer_assets.runs import end_dead_runs, overdue


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process died, which frees their slots and fails them for the "
    "alerts; puts into the outbox which runs take far longer than usual.",
)
def run_watch(
    context: dg.SensorEvaluationContext,
    warehouse: WarehouseResource,
    slack: SlackAlertResource,
    params: ParamsResource,
) -> dg.SkipReason:
    # Here, in the code server, are the processes that execute its runs; the daemon may be elsewhere.
    ended = end_dead_runs(context.instance)
    limits, teller = params.read().alerting, Teller(warehouse, slack)
    short = timedelta(minutes=limits.slow_minutes)
    late = overdue(context.instance, now(), limits.slow_factor, short)
    try:
        _tell(teller, late)
    except Untold as untold:
        return dg.SkipReason(f"{len(ended)} dead runs ended; the next tick tells: {untold}")
    return dg.SkipReason(f"{len(ended)} dead runs ended, {len(late)} take long")


def _tell(teller: Teller, late: dict[str, str]) -> None:
    rows = teller.reach(lambda engine: find(engine, kinds=[Kind.RUN_SLOW], state=OPEN))
    told = {row.key for row in rows}
    for run, message in late.items():
        if run not in told:
            teller.tell(Alert(Kind.RUN_SLOW, run, message, run))
    for run in told - late.keys():
        teller.over(Kind.RUN_SLOW, run, "it has ended")
