"""The alias of the champion is followed wherever it goes, whoever moves it."""

import dagster as dg

from soccer_assets.automation.reasons import TRIGGER_TAG
from soccer_assets.dagster_internals import DATA_VERSION_TAG, get_current_timestamp
from soccer_assets.modelling.mlflow_service import MlflowUnavailable
from soccer_assets.resources import ModelRegistryResource, WarehouseResource

CHAMPION = dg.AssetKey("champion_model")
#: Value of the trigger tag.
ALIAS = "alias"
#: What was asked for and is not there is asked for again after so many seconds.
ASKED_AGAIN_SECONDS = 600


@dg.sensor(
    asset_selection=[CHAMPION],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for `champion_model` when the alias in MLflow points to another version than "
    "the asset knows: after an approval, a rollback, or a move by hand, which goes on record. What "
    "follows the asset, predictions and workers, is then behind, and `updates` asks for it. "
    "Completes decisions that were broken off.",
)
def champion_alias(
    context: dg.SensorEvaluationContext,
    registry: ModelRegistryResource,
    warehouse: WarehouseResource,
) -> dg.RunRequest | dg.SkipReason:
    from soccer_assets.modelling.office import Office

    try:
        champion = Office(registry.registry, warehouse.engine).settle()
    except MlflowUnavailable as away:
        return dg.SkipReason(str(away))
    if champion is None:
        return dg.SkipReason("no version is the champion")
    made = context.instance.get_latest_materialization_event(CHAMPION)
    materialization = made.asset_materialization if made else None
    known = (materialization.tags or {}).get(DATA_VERSION_TAG) if materialization else None
    if known == champion.name:
        return dg.SkipReason(f"{champion} is the champion, and champion_model knows")
    # A run, not a report of what is: a candidate that waits for its gate must not seem judged.
    period = int(get_current_timestamp() // ASKED_AGAIN_SECONDS)
    return dg.RunRequest(
        run_key=f"{champion.name} not {known} in {period}",
        asset_selection=[CHAMPION],
        tags={TRIGGER_TAG: ALIAS},
    )
