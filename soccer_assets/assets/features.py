"""Features: the outs of ``dvc.yaml``, and the contracts on them."""

from collections.abc import Iterator

import dagster as dg

from soccer_assets.assets.common import OWNERS, Checks, evaluate, recorded
from soccer_assets.assets.lake import MATCH_PARQUET
from soccer_assets.clock import utc_now
from soccer_assets.dvc import outs
from soccer_assets.dvc.reading import RevisionReader
from soccer_assets.features.contract import violations
from soccer_assets.features.params import FeatureParams
from soccer_assets.ingestion.expectations import recency
from soccer_assets.integrations.dvc import REVISION, DvcTranslator, dvc_assets, reproduce
from soccer_assets.lake.manifest import read_manifest
from soccer_assets.resources import DvcResource, LakeResource

FINISHED = dg.AssetKey("finished")
FEATURES = dg.AssetKey("features")
DATASET = dg.AssetKey("dataset")
NEWEST_RESULT, FEATURE_RANGES = "newest_result", "feature_ranges"


@dvc_assets(
    name="dvc_outs",
    pool="dvc_workspace",
    translator=DvcTranslator(
        group_name="features",
        owners=OWNERS,
        external={"lake.json": MATCH_PARQUET},
    ),
    check_specs=[
        dg.AssetCheckSpec(
            NEWEST_RESULT,
            asset=FINISHED,
            description="The newest finished match is no older than results get at this time of "
            "the year.",
        ),
        dg.AssetCheckSpec(
            FEATURE_RANGES,
            asset=FEATURES,
            blocking=True,
            description="The features are those that are declared, each finite, inside its range, "
            "and missing only where its declaration allows.",
        ),
    ],
)
def dvc_outs(
    context: dg.AssetExecutionContext, dvc: DvcResource, lake: LakeResource
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    if context.selected_asset_keys:
        store = lake.store
        yield from reproduce(
            context,
            dvc.workspace,
            read_manifest(store).to_bytes(),
            store,
            check=lambda key, revision: evaluate(context, key, _contracts(key, dvc, revision)),
        )
    else:
        for key in sorted({check.asset_key for check in context.selected_asset_check_keys}):
            revision = recorded(context, key, REVISION)
            yield from evaluate(context, key, _contracts(key, dvc, revision))


def _contracts(key: dg.AssetKey, dvc: DvcResource, revision: str) -> Checks:
    contracts: dict[dg.AssetKey, Checks] = {
        FINISHED: {NEWEST_RESULT: lambda: _newest_result(dvc.at(revision))},
        FEATURES: {FEATURE_RANGES: lambda: _feature_ranges(dvc.at(revision))},
    }
    return contracts.get(key, {})


def _newest_result(made: RevisionReader) -> dg.AssetCheckResult:
    days = made.frame(outs.FINISHED, ["kickoff"])["kickoff"]
    judged = recency(days.dt.date.unique(), utc_now().date())
    return dg.AssetCheckResult(
        passed=judged is not None and judged.holds,
        metadata=vars(judged) if judged else {"results": 0},
    )


def _feature_ranges(made: RevisionReader) -> dg.AssetCheckResult:
    features = made.frame(outs.FEATURES)
    params = FeatureParams.model_validate(made.document(outs.FEATURES_META)["params"])
    found = violations(features, params)
    return dg.AssetCheckResult(
        passed=not found,
        metadata={"rows": len(features), "violations": found},
    )
