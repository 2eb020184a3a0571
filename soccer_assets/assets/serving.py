"""Serving: features and predictions of coming and recent matches, and workers that serve them."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import dagster as dg
import pandas as pd

from soccer_assets.assets.common import (
    OWNERS,
    asset_once_possible,
    column_schema,
    frame_schema,
    recorded,
    table,
)
from soccer_assets.assets.features import FEATURES
from soccer_assets.assets.registry import CHAMPION
from soccer_assets.clock import utc_now
from soccer_assets.dvc import outs
from soccer_assets.dvc.reading import RevisionReader
from soccer_assets.integrations.revisions import REVISION
from soccer_assets.modelling.mlflow_service import Unusable
from soccer_assets.not_yet import NotYet
from soccer_assets.resources import (
    DvcResource,
    LakeResource,
    ModelRegistryResource,
    ParamsResource,
    WarehouseResource,
    WorkersResource,
)
from soccer_assets.resources.mlflow import champion_training
from soccer_assets.serving.reloading.ways import Wanted
from soccer_assets.storage.frames import get_frame, keep_frames, put_frame
from soccer_assets.storage.store import ObjectNotFound
from soccer_assets.warehouse.ledger import BASELINES
from soccer_assets.warehouse.schema import prediction
from soccer_assets.warehouse.served_model import ServedModel
from soccer_assets.warehouse.serving_tables import (
    publish_predictions,
    published_version,
    served_model,
    simplex_violations,
    upcoming_table,
)

SERVING_FEATURES, PREDICTIONS, SERVING_WORKERS = (
    dg.AssetKey(name) for name in ("serving_features", "predictions", "serving_workers")
)
#: What is told of a worker.
TOLD = ("worker", "version_before", "version_after", "ready", "seconds", "error", "restored")
#: Of steps that are ready, these go before reports: people wait for what is served. Celery's usual
#: priority is 5.
FIRST = {"dagster/priority": "1", "dagster-celery/priority": "6"}
#: Metadata: where in the lake the features for serving are.
FRAME = "frame"
#: Metadata: of the features that these are rows of.
DATA_REVISION = "data_revision"
#: In the lake: a folder of this group's own, and of the versions of the features.
FOLDER, FRAMES = "serving/", "serving/features/"


@asset_once_possible(
    key=SERVING_FEATURES,
    deps=[FEATURES, "features_meta"],
    group_name="serving",
    owners=OWNERS,
    op_tags=FIRST,
    kinds={"parquet"},
    pool="serving_features",  # or one would remove what another has just written
)
def serving_features(
    context: dg.AssetExecutionContext, dvc: DvcResource, lake: LakeResource, params: ParamsResource
) -> dg.MaterializeResult:
    """Features of every coming and recent match: rows of `features`, so training and serving
    cannot disagree."""
    revision = recorded(context, FEATURES, REVISION)
    made = dvc.at(revision)
    meta = made.document(outs.FEATURES_META)
    if meta["features_as_of"] is None:
        raise NotYet("there is no finished match to make features from")
    since = pd.Timestamp(utc_now()) - timedelta(days=params.read().serving.recent_days)
    rows = _coming_and_recent(made, since).assign(
        features_as_of=pd.Timestamp(meta["features_as_of"])
    )
    read_meanwhile, store = _recorded_frames(context), lake.store
    key = put_frame(store, FRAMES, rows)
    keep_frames(store, FOLDER, {*read_meanwhile, key})
    return dg.MaterializeResult(
        metadata={
            FRAME: key,
            "dagster/uri": f"{store.uri}/{key}",
            "dagster/row_count": len(rows),
            "dagster/column_schema": frame_schema(rows),
            "coming": int((~rows["is_finished"]).sum()),
            "features_as_of": meta["features_as_of"],
            DATA_REVISION: revision,
        },
        data_version=dg.DataVersion(key),
    )


def _coming_and_recent(made: RevisionReader, since: pd.Timestamp) -> pd.DataFrame:
    """Of the months that have a match to come, however late it is, and of the latest."""
    months = made.tables(outs.FEATURES)
    coming = set(made.tables(outs.FIXTURES))
    wanted = {name for name in months if name in coming or name >= f"{since:%Y-%m}"}
    features = made.frame(outs.FEATURES, files={*wanted, months[-1]})
    return features[~features["is_finished"] | (features["kickoff"] >= since)]


def _recorded_frames(context: dg.AssetExecutionContext) -> list[str]:
    try:
        return [recorded(context, SERVING_FEATURES, FRAME)]
    except NotYet:
        return []


def features_for_serving(context: dg.AssetExecutionContext, lake: LakeResource) -> pd.DataFrame:
    """The rows that `serving_features` made last. Raises NotYet where there are none."""
    key = recorded(context, SERVING_FEATURES, FRAME)
    try:
        return get_frame(lake.store, key)
    except ObjectNotFound:
        raise NotYet(f"{key} is not in the lake: materialize serving_features again") from None


def _revision_for_serving(context: dg.AssetExecutionContext) -> str | None:
    """Of the rows that `serving_features` made last; None where people reported them."""
    try:
        return recorded(context, SERVING_FEATURES, DATA_REVISION)
    except NotYet:
        return None


@asset_once_possible(
    key=PREDICTIONS,
    deps=[SERVING_FEATURES, CHAMPION],
    group_name="serving",
    owners=OWNERS,
    op_tags=FIRST,
    kinds={"postgres", "mlflow"},
    metadata=column_schema(prediction),
    check_specs=[
        dg.AssetCheckSpec(
            "probability_simplex",
            asset=PREDICTIONS,
            blocking=True,
            description="Every served prediction is three probabilities that sum to one.",
        )
    ],
)
def predictions(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    lake: LakeResource,
    registry: ModelRegistryResource,
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """1X2 probabilities of the champion for every coming and recent match. What was predicted for
    a match stays as it was once the match has begun, and what was predicted before is entered in the
    ledger; of a match that the champion has learnt from, its
    judge speaks, which has not."""
    from soccer_assets.modelling.holdout import PROBABILITY_COLUMNS
    from soccer_assets.modelling.registry import MODEL_NAME

    with registry.opened(context) as models:
        champion, run = champion_training(models)
        rows = features_for_serving(context, lake)
        if rows.empty and served_model(warehouse.engine) is None:
            raise NotYet("no match is coming: there is nothing to predict")
        rows[PROBABILITY_COLUMNS] = models.predict_unseen(champion, run, rows)
        with suppress(Unusable):  # versions of before kept none
            rows[BASELINES] = run.baselines().predict(rows)
    served = ServedModel(
        name=MODEL_NAME,
        version=champion.number,
        run_id=run.run_id,
        data_revision=run.data_revision,
        promoted_at=champion.promoted_at,
        metrics={k: v for k, v in run.metrics.items() if k.startswith("model_")},
    )
    wanted = ["match_id", "kickoff", *PROBABILITY_COLUMNS, "features_as_of", *BASELINES]
    kept = rows.reindex(columns=wanted)
    revision = _revision_for_serving(context)
    changed = publish_predictions(warehouse.engine, kept, served, utc_now(), revision)
    coming = upcoming_table(warehouse.engine, utc_now(), limit=10)
    violations = simplex_violations(warehouse.engine)
    # Before the asset: nothing is called made whose checks are unknown.
    yield dg.AssetCheckResult(passed=not violations, metadata={"violations": violations[:50]})
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(kept),
            "changed": changed,
            "champion_version": champion.number,
            "next_matches": table(coming.round(3)),
        },
        data_version=dg.DataVersion(published_version(warehouse.engine)),
    )


@asset_once_possible(
    key=SERVING_WORKERS,
    deps=[PREDICTIONS],
    group_name="serving",
    owners=OWNERS,
    op_tags=FIRST,
    kinds={"fastapi"},
)
def serving_workers(
    context: dg.AssetExecutionContext, workers: WorkersResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """The prediction workers, reloaded one at a time and verified to serve the champion whose
    predictions were published last."""
    published = published_version(warehouse.engine)
    champion = served_model(warehouse.engine)
    if champion is None:
        raise NotYet("no predictions were published: materialize predictions")
    with workers.reloading(context.log.warning) as (way, started):
        outcome = way.reload(Wanted(champion.version, champion.run_id))
    reports = outcome.reports
    told = pd.DataFrame([{k: getattr(r, k) for k in r.__slots__ if k in TOLD} for r in reports])
    if outcome.failed:
        raise dg.Failure(
            f"{outcome.failed} of {outcome.workers} workers do not serve version "
            f"{champion.version}: {outcome.error}",
            metadata={"workers": table(told)},
        ) from outcome.cause
    return dg.MaterializeResult(
        metadata={
            "champion_version": champion.version,
            "dagster/row_count": len(reports),
            "embedded": started,
            "reloaded_by": workers.settings.serving_reload,
            "workers": table(told),
        },
        data_version=dg.DataVersion(published),
    )
