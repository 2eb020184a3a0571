"""Model: the training, as one MLflow run."""

import shutil
from collections.abc import Mapping

import dagster as dg
import pandas as pd

from soccer_assets.assets.common import OWNERS, asset_once_possible, recorded, table
from soccer_assets.assets.features import DATASET, FEATURES
from soccer_assets.assets.pods import TRAINING_TAGS
from soccer_assets.automation.attempts import MATCHES, MLFLOW_RUN, RECIPE, TRAINED_MODEL
from soccer_assets.automation.reasons import note_training
from soccer_assets.automation.recipe import made_by_other_code, recipe_of
from soccer_assets.dvc import outs
from soccer_assets.dvc.reading import RevisionReader
from soccer_assets.integrations.revisions import REVISION
from soccer_assets.lake.manifest import Manifest, read_manifest
from soccer_assets.lake.tables import read_table
from soccer_assets.not_yet import NotYet
from soccer_assets.resources import DvcResource, LakeResource, ParamsResource
from soccer_assets.resources.mlflow import MlflowTrackingResource
from soccer_assets.storage.store import ObjectStore

#: Months of the lake whose regions are known by their names.
REGION_MONTHS = 13


@asset_once_possible(
    key=TRAINED_MODEL,
    # Of the features nothing is read here; their contract is what a training has to wait for.
    deps=[DATASET, FEATURES, "features_meta"],
    group_name="model",
    owners=OWNERS,
    kinds={"mlflow", "lightgbm"},
    pool="training",
    op_tags=TRAINING_TAGS,
)
def trained_model(
    context: dg.AssetExecutionContext,
    dvc: DvcResource,
    mlflow_tracking: MlflowTrackingResource,
    lake: LakeResource,
    params: ParamsResource,
) -> dg.MaterializeResult:
    """Chosen by walking forward in time, judged on the latest matches before it had seen them, then
    fitted on everything to the last result."""
    from soccer_assets.modelling.pages import pages_of
    from soccer_assets.modelling.provenance import training_key
    from soccer_assets.modelling.splits import timeline
    from soccer_assets.modelling.tracking import log_training
    from soccer_assets.modelling.train import train

    revision = recorded(context, DATASET, REVISION)
    made = dvc.at(revision)
    meta = made.document(outs.FEATURES_META)
    everything = params.read()
    training = everything.training
    recipe = recipe_of(everything, made_by_other_code(context.instance))
    # Also on a run that comes to nothing: it is not to be tried over and over.
    reasons = note_training(context.instance, context.run, meta["finished"], recipe)
    if not meta["finished"]:
        raise NotYet("there is no finished match to learn from")
    dataset = told_apart(made, region_names(lake.store))
    timeline(dataset["kickoff"], training)  # before MLflow has a run that comes to nothing
    with mlflow_tracking.run(context):
        # A search for parameters that is broken off goes on from here in the next run.
        key = training_key(revision, meta["features"], training)
        journals = mlflow_tracking.settings.home / "tuning" / key
        result = train(dataset, meta["features"], training, context.log.info, journals)
        pages = pages_of(result, revision)
        run_id = log_training(
            result,
            pages,
            training,
            data_revision=revision,
            finished_matches=meta["finished"],
            tags={"soccer.trigger": reasons.names, "soccer.because": reasons.because},
        )
    shutil.rmtree(journals.parent, ignore_errors=True)
    return dg.MaterializeResult(
        metadata={
            MLFLOW_RUN: run_id,
            "trigger": reasons.names,
            "because": reasons.because,
            MATCHES: meta["finished"],
            RECIPE: recipe,
            "chosen": result.chosen,
            "learner": result.learner,
            "dagster/row_count": len(dataset),
            "holdout": table(result.report_table().round(4), index=True),
            "holdout_log_loss": float(result.report["model"].log_loss),
            "learnt_until": result.model.trained_until.isoformat(),
            "report": png(pages.figure),
            "against": table(pages.report.against.round(4)),
            "slices": table(pages.report.slices.round(4)),
            "goals": table(result.goals.scores.round(4)) if result.goals else "left out",
            "card": dg.MetadataValue.md(pages.card),
            "split": {name: part.as_dict() for name, part in result.bounds.items()},
            "data_revision": revision,
        },
        data_version=dg.DataVersion(run_id),
    )


def told_apart(made: RevisionReader, regions: Mapping[int, str]) -> pd.DataFrame:
    """The dataset, with what a report tells matches apart by and compares with, as far as it is
    there: no feature, but of the finished matches."""
    from soccer_assets.modelling.market import ODDS_COLUMNS

    dataset, finished = made.frame(outs.DATASET), made.frame(outs.FINISHED).set_index("match_id")
    more = [*("home_team_id", "away_team_id"), *ODDS_COLUMNS]
    columns = [name for name in more if name in finished and name not in dataset]
    ids = finished["region_id"].loc[dataset["match_id"]]
    names = ids.map(regions).fillna(ids.astype(str)).to_numpy()
    return dataset.join(finished[columns], on="match_id").assign(region=names)


def region_names(lake: ObjectStore) -> dict[int, str]:
    """Region -> its name, of the latest matches."""
    months = sorted(read_manifest(lake).tables.get("match", {}).items())[-REGION_MONTHS:]
    rows = read_table(
        lake, Manifest({"match": dict(months)}), "match", ["region_id", "region_name"]
    )
    regions = rows.to_pandas().drop_duplicates("region_id", keep="last")
    return dict(zip(regions["region_id"], regions["region_name"], strict=True))


def png(image: bytes) -> dg.MarkdownMetadataValue:
    """An image inside the metadata itself."""
    from base64 import b64encode

    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{b64encode(image).decode()})")
