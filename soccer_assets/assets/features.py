"""Features: the outs of ``dvc.yaml``, and the contracts on them."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from soccer_assets.assets.common import OWNERS
from soccer_assets.assets.lake import MATCH_PARQUET
from soccer_assets.automation.conditions import FOLLOW_LAKE
from soccer_assets.features.contract import range_violations
from soccer_assets.integrations.dvc import DvcTranslator, dvc_assets, reproduce
from soccer_assets.lake.tables import read_manifest
from soccer_assets.resources import DvcResource, LakeResource

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


@dg.asset_check(asset=FEATURES, blocking=True)
def feature_ranges(dvc: DvcResource) -> dg.AssetCheckResult:
    """Every feature is finite or missing, and inside the range its definition allows."""
    features = pd.read_parquet(dvc.workspace.path("data/features.parquet"))
    violations = range_violations(features)
    return dg.AssetCheckResult(
        passed=not violations,
        metadata={"rows": len(features), "violations": violations},
    )
