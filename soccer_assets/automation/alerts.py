"""Who is told, and when: what happens is put into an outbox, and from there delivered.

Each sensor is in a module of its own: runs with their checks and verdicts, freshness, what is silent,
what takes long, and the delivery.
"""

import dagster as dg

from soccer_assets.automation.delivery import alert_delivery
from soccer_assets.automation.run_alerts import run_alert
from soccer_assets.automation.run_watch import run_watch
from soccer_assets.automation.stale_alerts import freshness_alert
from soccer_assets.automation.training import TRAINED, training
from soccer_assets.automation.updates import updates
from soccer_assets.automation.watch_alerts import alert_watch

automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all() - TRAINED,  # a sensor of its own asks for that
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)

SENSORS = [
    automation,
    training,
    updates,
    run_alert,
    freshness_alert,
    run_watch,
    alert_watch,
    alert_delivery,
]
