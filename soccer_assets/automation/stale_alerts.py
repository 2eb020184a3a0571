"""Freshness as alerts: one for each asset that is stale by itself, none for what hangs on it."""

import json
from collections.abc import Collection, Mapping

import dagster as dg

from soccer_assets.alerting.kinds import Kind, Severity
from soccer_assets.alerting.outbox import OPEN, Alert, find
from soccer_assets.automation.telling import Teller, Untold
from soccer_assets.resources import SlackAlertResource, WarehouseResource

_STALE = {"WARN": Severity.WARNING, "FAIL": Severity.ERROR}


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Puts into the outbox which assets went stale, each with what is stale because of "
    "it, and which recovered.",
)
def freshness_alert(
    context: dg.SensorEvaluationContext, warehouse: WarehouseResource, slack: SlackAlertResource
) -> dg.SkipReason:
    assert context.repository_def is not None
    graph = context.repository_def.asset_graph
    keys = [key for key in graph.materializable_asset_keys if graph.get(key).freshness_policy]
    records = context.instance.get_freshness_state_records(keys)
    states = {key.to_user_string(): record.freshness_state.value for key, record in records.items()}
    above = {
        key.to_user_string(): {parent.to_user_string() for parent in _ancestors(graph, key)}
        for key in keys
    }
    teller = Teller(warehouse, slack)
    told = json.loads(context.cursor or "{}")
    try:
        _tell(teller, states, above, told)
    except Untold as untold:
        context.update_cursor(json.dumps(told))
        return dg.SkipReason(f"the next tick tries again: {untold}")
    context.update_cursor(json.dumps(told))
    return dg.SkipReason(f"{len(states)} freshness states seen")


def _tell(
    teller: Teller,
    states: Mapping[str, str],
    above: Mapping[str, Collection[str]],
    told: dict[str, list[str]],
) -> None:
    """Args:
    told: asset -> its state and what hangs on it, as put into the outbox last; brought up to date.
    """
    stale = {asset for asset, state in states.items() if state in _STALE}
    is_open = {row.key for row in teller.reach(lambda e: find(e, kinds=[Kind.STALE], state=OPEN))}
    alone = {asset for asset in stale if asset in is_open or not stale & set(above[asset])}
    for asset in sorted(alone):
        behind = sorted(a for a in stale - alone if asset in above[a])
        now = [states[asset], *behind]
        if told.get(asset) == now and asset in is_open:
            continue
        facts = {"stale with it": ", ".join(behind)} if behind else {}
        text = f"{asset} is stale ({states[asset]})"
        severity = _STALE[states[asset]]
        teller.tell(Alert(Kind.STALE, asset, text, severity=severity, facts=facts))
        told[asset] = now
    for asset in is_open - stale:
        if states.get(asset) in ("PASS", None):
            teller.over(Kind.STALE, asset, f"{asset} is fresh again")
            told.pop(asset, None)


def _ancestors(graph: object, key: dg.AssetKey) -> set[dg.AssetKey]:
    found: set[dg.AssetKey] = set()
    left = [key]
    while left:
        for parent in graph.get(left.pop()).parent_keys:  # type: ignore[attr-defined]
            if parent not in found:
                found.add(parent)
                left.append(parent)
    return found
