"""Features: the outs of ``dvc.yaml``, and the contracts on them."""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence, Set
from functools import partial
from hashlib import sha256
from pathlib import PurePosixPath

import dagster as dg

from soccer_assets.assets.common import OWNERS, Checks, evaluate, recorded, told_by_check
from soccer_assets.assets.lake import MATCH_PARQUET
from soccer_assets.assets.pods import FEATURES_TAGS
from soccer_assets.clock import utc_now
from soccer_assets.dvc import outs
from soccer_assets.dvc.code_version import code_version
from soccer_assets.dvc.command import DvcError
from soccer_assets.dvc.definition import PIPELINE_FILE, stage_code_version
from soccer_assets.dvc.pipeline import Pipeline, Stage, StageOut
from soccer_assets.dvc.reading import RevisionReader
from soccer_assets.features.contract import violations
from soccer_assets.features.params import FeatureParams
from soccer_assets.ingestion.expectations import looked_back_to, recency
from soccer_assets.integrations.dvc import DvcTranslator, dvc_assets
from soccer_assets.integrations.revisions import REVISION, reproduce_from_lake
from soccer_assets.lake.manifest import read_manifest
from soccer_assets.resources import DvcResource, LakeResource

FINISHED = dg.AssetKey("finished")
FEATURES = dg.AssetKey("features")
DATASET = dg.AssetKey("dataset")
NEWEST_RESULT, FEATURE_RANGES = "newest_result", "feature_ranges"
#: Metadata of a check: the version of the contract that was kept or not.
_CONTRACT = "contract"


class FeaturesTranslator(DvcTranslator):
    """Assets are called like their files; the code of a stage is all that its module imports."""

    def get_asset_key(self, path: str) -> dg.AssetKey:
        return dg.AssetKey(PurePosixPath(path).stem)

    def get_dep(self, path: str) -> dg.AssetDep:
        if path == "lake.json":
            # A stage reads the whole lake, whatever partitions its source has.
            return dg.AssetDep(MATCH_PARQUET, partition_mapping=dg.AllPartitionMapping())
        return super().get_dep(path)

    def get_group_name(self, stage: Stage, out: StageOut) -> str:
        return "features"

    def get_owners(self, stage: Stage, out: StageOut) -> Sequence[str]:
        return OWNERS

    def get_kinds(self, stage: Stage, out: StageOut) -> Set[str]:
        """A folder is one of parquet files."""
        return {"dvc", PurePosixPath(out.path).suffix.lstrip(".") or "parquet"}

    def get_code_version(self, pipeline: Pipeline, stage: Stage) -> str:
        return stage_code_version(stage.name)


@dvc_assets(
    pipeline=PIPELINE_FILE,
    name="dvc_outs",
    pool="dvc_workspace",
    translator=FeaturesTranslator(),
    op_tags=FEATURES_TAGS,
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
            "and missing only where its declaration allows. Months that have not changed since they "
            "held to that are not read again: rows and months are those that were read.",
        ),
    ],
)
def dvc_outs(
    context: dg.AssetExecutionContext, dvc: DvcResource, lake: LakeResource
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    if context.selected_asset_keys:
        store = lake.store
        yield from reproduce_from_lake(
            context,
            dvc.workspace,
            read_manifest(store).to_bytes(),
            store,
            check=lambda key, revision: evaluate(
                context, key, timed(context, _contracts(context, key, dvc, revision))
            ),
        )
    else:
        for key in sorted({check.asset_key for check in context.selected_asset_check_keys}):
            revision = recorded(context, key, REVISION)
            yield from evaluate(context, key, _contracts(context, key, dvc, revision))


def timed(context: dg.AssetExecutionContext, checks: Checks) -> Checks:
    """The same checks, which say in the log how long they took, as stages do."""

    def told(name: str, check: Callable[[], dg.AssetCheckResult]) -> dg.AssetCheckResult:
        began = time.monotonic()
        result = check()
        context.log.info(f"check {name} took {time.monotonic() - began:.2f} s")
        return result

    return {name: partial(told, name, check) for name, check in checks.items()}


def _contracts(
    context: dg.AssetExecutionContext, key: dg.AssetKey, dvc: DvcResource, revision: str
) -> Checks:
    contracts: dict[dg.AssetKey, Checks] = {
        FINISHED: {NEWEST_RESULT: lambda: _newest_result(dvc.at(revision))},
        FEATURES: {FEATURE_RANGES: lambda: _feature_ranges(context.instance, dvc, revision)},
    }
    return contracts.get(key, {})


def _newest_result(made: RevisionReader) -> dg.AssetCheckResult:
    today = utc_now().date()
    months = made.tables(outs.FINISHED)
    # And the last result before, with which a gap may begin.
    first = bisect_left(months, f"{looked_back_to(today):%Y-%m}") - 1
    days = (
        made.frame(outs.FINISHED, ["kickoff"], months[max(first, 0) :])["kickoff"].dt.date.unique()
        if months
        else ()
    )
    judged = recency(days, today)
    return dg.AssetCheckResult(
        passed=judged is not None and judged.holds,
        metadata=vars(judged) if judged else {"results": 0},
    )


def _feature_ranges(
    instance: dg.DagsterInstance, dvc: DvcResource, revision: str
) -> dg.AssetCheckResult:
    """Reads the months that are not as they were when the same contract was kept last."""
    made = dvc.at(revision)
    params = FeatureParams.model_validate(made.document(outs.FEATURES_META)["params"])
    contract = _contract_version(params)
    known = _kept_before(instance, dvc, contract)
    months = [month for month, md5 in made.hashes(outs.FEATURES).items() if known.get(month) != md5]
    features = made.frame(outs.FEATURES, files=months) if months else None
    found = {} if features is None else violations(features, params)
    return dg.AssetCheckResult(
        passed=not found,
        metadata={
            "rows": 0 if features is None else len(features),
            "months": len(months),
            "violations": found,
            REVISION: revision,
            _CONTRACT: contract,
        },
    )


def _contract_version(params: FeatureParams) -> str:
    """Of what features must be like, a digest (16 hex digits)."""
    told = f"{code_version(violations.__module__)} {params.model_dump_json()}"
    return sha256(told.encode()).hexdigest()[:16]


def _kept_before(instance: dg.DagsterInstance, dvc: DvcResource, contract: str) -> dict[str, str]:
    """Months of the features, with their MD5, that kept this contract when it was looked at last."""
    check = dg.AssetCheckKey(FEATURES, FEATURE_RANGES)
    told = told_by_check(instance, check, passed_only=True)
    if told.get(_CONTRACT) != contract:
        return {}
    try:
        return dvc.at(told[REVISION]).hashes(outs.FEATURES)
    except DvcError:  # it is not kept any more
        return {}
