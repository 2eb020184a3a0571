"""From the outbox to Slack: an outage of it delays, and loses nothing."""

import json
import logging

import dagster as dg
import sqlalchemy as sa

from soccer_assets.alerting.delivery import deliver
from soccer_assets.automation.telling import now
from soccer_assets.resources import ParamsResource, SlackAlertResource, WarehouseResource

log = logging.getLogger(__name__)


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells on Slack what is due in the outbox of alerts: a new trouble as a message, one "
    "that goes on as an update of it, its end once, a flood as one digest. What Slack does not take "
    "is told when it does. Without SLACK_BOT_TOKEN, the log is told.",
)
def alert_delivery(
    context: dg.SensorEvaluationContext,
    warehouse: WarehouseResource,
    slack: SlackAlertResource,
    params: ParamsResource,
) -> dg.SkipReason:
    memory = json.loads(context.cursor or "{}")
    time = now()
    wait = memory.get("not_before", 0) - time.timestamp()
    if 0 < wait <= memory.get("pause", 0):  # else a clock was set
        return dg.SkipReason(f"Slack asked for a pause, of which {wait:.0f} s are left")
    try:
        told = deliver(warehouse.engine, slack, params.read().alerting, time)
    except sa.exc.OperationalError as error:
        return dg.SkipReason(f"the outbox does not answer ({type(error).__name__})")
    if told.fault and told.fault != memory.get("fault"):
        log.error("%d alerts wait in the outbox: %s", told.waiting, told.fault)
    memory = {"fault": told.fault} if told.fault else {}
    if told.retry_after:
        memory |= {"not_before": time.timestamp() + told.retry_after, "pause": told.retry_after}
    context.update_cursor(json.dumps(memory))
    waiting = f", {told.waiting} alerts wait: {told.fault}" if told.fault else ""
    return dg.SkipReason(f"{told.sent} messages sent{waiting}")
