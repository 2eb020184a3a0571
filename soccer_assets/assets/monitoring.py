"""Monitoring: reports whose checks, at WARN, are what the training loop listens to."""

import dagster as dg

from soccer_assets.assets.common import OWNERS, asset_once_possible, recorded, table
from soccer_assets.assets.features import FINISHED
from soccer_assets.assets.registry import CHAMPION
from soccer_assets.assets.serving import PREDICTIONS, SERVING_FEATURES, features_for_serving
from soccer_assets.clock import utc_now
from soccer_assets.resources import (
    LakeResource,
    ModelRegistryResource,
    ParamsResource,
    WarehouseResource,
)
from soccer_assets.resources.mlflow import champion_training
from soccer_assets.warehouse.ledger import settled, unsettled


def _report_asset(name: str, deps: list, check: str, description: str):  # type: ignore[no-untyped-def]
    return asset_once_possible(
        name=name,
        deps=deps,
        group_name="monitoring",
        owners=OWNERS,
        kinds={"report"},
        check_specs=[dg.AssetCheckSpec(check, asset=name, description=description)],
    )


def _trigger(passed: bool, **metadata: object) -> dg.AssetCheckResult:
    """A failed trigger asks for a retraining; it must not fail the run that found it."""
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,  # type: ignore[arg-type]
    )


@_report_asset(
    "feature_drift",
    [SERVING_FEATURES, CHAMPION],
    "drift",
    "Live features look like those the champion was trained on.",
)
def feature_drift(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    registry: ModelRegistryResource,
    params: ParamsResource,
) -> dg.MaterializeResult:
    """Live features against the champion's training data: PSI, Wasserstein distance, gaps."""
    from soccer_assets.monitoring.drift import drift_report

    thresholds = params.read().monitoring
    with registry.opened(context) as models:
        reference = champion_training(models)[1].reference()
    live = features_for_serving(context, lake)
    report = drift_report(reference, live, thresholds.drift)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.live_rows,
            "share_drifted": report.share_drifted,
            "features": table(report.features.head(20).round(4)),
        },
        check_results=[
            _trigger(
                not report.drifted,
                share_drifted=report.share_drifted,
                drifted=report.drifted_features,
            )
        ],
    )


@_report_asset(
    "prediction_scorecard",
    [PREDICTIONS, FINISHED],
    "quality",
    "Settled predictions score as the holdout promised.",
)
def prediction_scorecard(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    registry: ModelRegistryResource,
    params: ParamsResource,
) -> dg.MaterializeResult:
    """Proper scores of the champion's settled predictions, made before kick-off, and of all versions'
    beside the class prior, Elo and the odds; why the others are not settled."""
    from soccer_assets.monitoring.scorecard import quality_holds, score_settled

    with registry.opened(context) as models:
        version, training = champion_training(models)
        promised = training.metric("model_log_loss")
    score = score_settled(settled(warehouse.engine, version.number))
    ever = score_settled(settled(warehouse.engine))
    waiting = unsettled(warehouse.engine, utc_now(), version.number)
    overall = score.overall.as_dict() if score.overall else {}
    thresholds = params.read().monitoring
    holds = quality_holds(
        score.overall, promised, thresholds.scorecard_min_matches, thresholds.scorecard_tolerance
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": score.settled,
            "unsettled": len(waiting),
            "unsettled_because": waiting["why"].value_counts().to_dict(),
            "predicted_before_kickoff": score.settled + len(waiting),
            "champion_version": version.number,
            "holdout_log_loss": promised,
            **overall,
            **score.against,
            "weekly": table(score.weekly.round(4)),
            "daily": table(ever.daily.tail(31).round(4)),
            "leagues": table(ever.leagues.head(30).round(4)),
            "versions": table(ever.versions.round(4)),
        },
        check_results=[_trigger(holds, settled=score.settled, promised=promised, **overall)],
    )


@_report_asset(
    "data_volume",
    [FINISHED, CHAMPION],
    "volume",
    "Few finished matches have come in since the champion was trained.",
)
def data_volume(
    context: dg.AssetExecutionContext,
    registry: ModelRegistryResource,
    params: ParamsResource,
) -> dg.MaterializeResult:
    """Finished matches gained since the champion's training."""
    from soccer_assets.monitoring.volume import volume_gain

    thresholds = params.read().monitoring
    with registry.opened(context) as models:
        _, training = champion_training(models)
    now = recorded(context, FINISHED, "dagster/row_count")
    gain = volume_gain(
        now, training.finished_matches, thresholds.volume_min_share, thresholds.volume_min_rows
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": gain.rows_now,
            "gained": gain.gained,
            "required": gain.required,
            "share": gain.share,
        },
        check_results=[_trigger(not gain.enough, gained=gain.gained, required=gain.required)],
    )
