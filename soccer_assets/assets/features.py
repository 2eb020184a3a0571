"""Features: the outs of ``dvc.yaml``, and the contracts on them."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from soccer_assets.assets.common import OWNERS
from soccer_assets.assets.lake import MATCH_PARQUET
from soccer_assets.automation.conditions import FOLLOW_LAKE
from soccer_assets.clock import utc_now
from soccer_assets.features.contract import range_violations
from soccer_assets.integrations.dvc import DvcTranslator, dvc_assets, reproduce
from soccer_assets.lake.manifest import read_manifest
from soccer_assets.monitoring.expectations import recency
from soccer_assets.resources import DvcResource, LakeResource

FINISHED = dg.AssetKey("finished")
FEATURES = dg.AssetKey("features")
DATASET = dg.AssetKey("dataset")


@dvc_assets(
    name="dvc",
    pool="dvc_workspace",
    translator=DvcTranslator(
        group_name="features",
        owners=OWNERS,
        automation_condition=FOLLOW_LAKE,
        external={"lake.json": MATCH_PARQUET},
    ),
)
def dvc_outs(
    context: dg.AssetExecutionContext, dvc: DvcResource, lake: LakeResource
) -> Iterator[dg.MaterializeResult]:
    yield from reproduce(context, dvc.workspace, read_manifest(lake.store).to_bytes())


@dg.asset_check(asset=FINISHED)
def newest_result(dvc: DvcResource) -> dg.AssetCheckResult:
    """The newest finished match is no older than results get at this time of the year."""
    days = pd.read_parquet(dvc.workspace.path("data/finished.parquet"), columns=["kickoff"])
    judged = recency(days["kickoff"].dt.date.unique(), utc_now().date())
    return dg.AssetCheckResult(
        passed=judged is not None and judged.holds,
        metadata=vars(judged) if judged else {"results": 0},
    )


@dg.asset_check(asset=FEATURES, blocking=True)
def feature_ranges(dvc: DvcResource) -> dg.AssetCheckResult:
    """Every feature is finite or missing, and inside the range its definition allows."""
    features = pd.read_parquet(dvc.workspace.path("data/features.parquet"))
    violations = range_violations(features)
    return dg.AssetCheckResult(
        passed=not violations,
        metadata={"rows": len(features), "violations": violations},
    )
