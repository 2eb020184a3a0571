"""Model: the training, as one MLflow run."""

import shutil

import dagster as dg

from soccer_assets.assets.common import OWNERS, asset_once_possible, recorded, table
from soccer_assets.assets.features import DATASET, FEATURES
from soccer_assets.automation.conditions import RETRAIN
from soccer_assets.automation.reasons import TRIGGER_TAG, training_reasons
from soccer_assets.dvc import outs
from soccer_assets.integrations.dvc import REVISION
from soccer_assets.resources import DvcResource, ParamsResource
from soccer_assets.resources.mlflow import MlflowTrackingResource

TRAINED_MODEL = dg.AssetKey("trained_model")
#: Metadata: the MLflow run of the training.
MLFLOW_RUN = "mlflow_run_id"


@asset_once_possible(
    key=TRAINED_MODEL,
    # Of the features nothing is read here; their contract is what a training has to wait for.
    deps=[DATASET, FEATURES, "features_meta"],
    group_name="model",
    owners=OWNERS,
    kinds={"mlflow", "lightgbm"},
    automation_condition=RETRAIN,
    pool="training",
)
def trained_model(
    context: dg.AssetExecutionContext,
    dvc: DvcResource,
    mlflow_tracking: MlflowTrackingResource,
    params: ParamsResource,
) -> dg.MaterializeResult:
    """Chosen by walking forward in time, judged on the latest matches before it had seen them, then
    fitted on everything to the last result."""
    from soccer_assets.modelling.provenance import training_key
    from soccer_assets.modelling.splits import timeline
    from soccer_assets.modelling.tracking import log_training, reliability_plot
    from soccer_assets.modelling.train import train

    revision = recorded(context, DATASET, REVISION)
    made = dvc.at(revision)
    dataset, meta = made.frame(outs.DATASET), made.document(outs.FEATURES_META)
    training = params.read().training
    timeline(dataset["kickoff"], training)  # before MLflow has a run that comes to nothing
    reasons = training_reasons(context.instance, context.run)
    context.instance.add_run_tags(context.run.run_id, {TRIGGER_TAG: reasons})
    with mlflow_tracking.run(context):
        # A search for parameters that is broken off goes on from here in the next run.
        key = training_key(revision, meta["features"], training)
        journals = mlflow_tracking.settings.home / "tuning" / key
        result = train(dataset, meta["features"], training, context.log.info, journals)
        run_id = log_training(
            result,
            training,
            data_revision=revision,
            finished_matches=meta["finished"],
            tags={"soccer.trigger": reasons},
        )
    shutil.rmtree(journals.parent, ignore_errors=True)
    report = result.report_table()
    return dg.MaterializeResult(
        metadata={
            MLFLOW_RUN: run_id,
            "trigger": reasons,
            "chosen": result.chosen,
            "learner": result.learner,
            "dagster/row_count": len(dataset),
            "holdout": table(report.round(4), index=True),
            "holdout_log_loss": float(result.report["model"].log_loss),
            "learnt_until": result.model.trained_until.isoformat(),
            "reliability": png(reliability_plot(result)),
            "split": {name: part.as_dict() for name, part in result.bounds.items()},
            "data_revision": revision,
        },
        data_version=dg.DataVersion(run_id),
    )


def png(image: bytes) -> dg.MarkdownMetadataValue:
    """An image inside the metadata itself."""
    from base64 import b64encode

    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{b64encode(image).decode()})")
