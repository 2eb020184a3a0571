"""The ledger of predictions: its days, closed and chained."""

from datetime import date, timedelta

import dagster as dg

from soccer_assets.assets.common import OWNERS, asset_once_possible, recorded
from soccer_assets.assets.serving import PREDICTIONS
from soccer_assets.clock import utc_now
from soccer_assets.not_yet import NotYet
from soccer_assets.resources import LakeResource, WarehouseResource

LEDGER = dg.AssetKey("ledger")
#: Metadata: the last closed day, and the hash of its manifest.
HEAD_DAY, HEAD = "head_day", "head"
#: Days whose entries are checked whenever days are closed; `soccer ledger verify` checks all.
CHECKED = timedelta(days=31)


@asset_once_possible(
    key=LEDGER,
    deps=[PREDICTIONS],
    group_name="monitoring",
    owners=OWNERS,
    kinds={"postgres"},
    check_specs=[
        dg.AssetCheckSpec(
            "chain_holds",
            asset=LEDGER,
            description="Predictions of the last month, their manifests and the chain between these "
            "are what they were.",
        )
    ],
)
def ledger(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, lake: LakeResource
) -> dg.MaterializeResult:
    """Closed days of what was predicted before kick-off, each with a manifest in the lake that names
    the hashes of its predictions and the manifest of the day before."""
    from soccer_assets.lake.ledger import close_days, verify
    from soccer_assets.ledger_check import LedgerBroken

    now, before = utc_now(), _told_before(context)
    try:
        closed = close_days(warehouse.engine, lake.store, now)
        holds = verify(warehouse.engine, lake.store, now.date() - CHECKED, before)
        if not closed and not holds.rows:
            raise NotYet("nothing has been predicted before its kick-off")
    except LedgerBroken as broken:
        check = dg.AssetCheckResult(passed=False, metadata={"broken": str(broken)})
        # What was told of the chain before is not replaced by what somebody has made of it.
        told = {HEAD_DAY: str(before[0]), HEAD: before[1]} if before else {}
        return dg.MaterializeResult(metadata=told, check_results=[check])
    head = {HEAD_DAY: str(max(closed)), HEAD: closed[max(closed)]} if closed else {}
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(closed),
            "dagster/uri": f"{lake.store.uri}/ledger",
            **head,
            "predictions_checked": holds.rows,
        },
        check_results=[
            dg.AssetCheckResult(
                passed=True, metadata={"days": holds.days, "predictions": holds.rows}
            )
        ],
        data_version=dg.DataVersion(closed[max(closed)] if closed else "no closed day"),
    )


def _told_before(context: dg.AssetExecutionContext) -> tuple[date, str] | None:
    """The newest head of the chain that Dagster's own log knows, which nobody has written but runs of
    this asset."""
    try:
        day = recorded(context, LEDGER, HEAD_DAY)
        return date.fromisoformat(day), recorded(context, LEDGER, HEAD)
    except NotYet:
        return None
