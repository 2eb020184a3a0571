"""Why a training runs, for the tags of its run and of its model."""

import dagster as dg

from soccer_assets.automation.conditions import TRIGGERS
from soccer_assets.dagster_internals import (
    AUTOMATION_CONDITION_TAG,
    AssetCheckExecutionRecordStatus,
)

TRIGGER_TAG = "soccer/trigger"


def training_reasons(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """What the run's tag says, or ``manual``, or, for an automated run, the triggers that hold
    (``drift``, ``volume``, ``quality``), or else ``age``, that of the model or its absence."""
    if TRIGGER_TAG in run.tags:
        return run.tags[TRIGGER_TAG]
    if AUTOMATION_CONDITION_TAG not in run.tags:
        return "manual"
    checks = {
        dg.AssetCheckKey(dg.AssetKey(report), name): name for name, report in TRIGGERS.items()
    }
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(checks))
    holding = [
        name
        for check, name in checks.items()
        if check in latest and latest[check].status is AssetCheckExecutionRecordStatus.FAILED
    ]
    return ", ".join(holding) or "age"
