"""What becomes of the model as alerts: trainings and why, verdicts of the gates."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import dagster as dg

from soccer_assets.alerting.kinds import Kind
from soccer_assets.alerting.outbox import Alert
from soccer_assets.automation.reasons import BECAUSE_TAG, MANUAL, TRIGGER_TAG

TRAINED_MODEL = "trained_model"
CHAMPION_MODEL = "champion_model"
#: Metadata of the assets of the registry: the run that a version is of.
MLFLOW_RUN = "mlflow_run_id"
GATES = ("registered_model", "candidate_model", CHAMPION_MODEL)


def training_alert(run: dg.DagsterRun) -> Alert:
    """That a training has begun, and why."""
    reasons = run.tags.get(TRIGGER_TAG, MANUAL)
    because = run.tags.get(BECAUSE_TAG)
    facts = {"because": because} if because else {}
    text = f"A training has begun: {reasons}"
    return Alert(Kind.RETRAIN_STARTED, run.run_id, text, run.run_id, facts=facts)


def trains(run: dg.DagsterRun, repository: dg.RepositoryDefinition) -> bool:
    """Whether a run is to train a model."""
    key = dg.AssetKey(TRAINED_MODEL)
    if run.asset_selection:  # empty: all of the job
        return key in run.asset_selection
    if run.asset_check_selection or not repository.has_job(run.job_name):
        return False
    return key in repository.get_job(run.job_name).asset_layer.asset_graph.materializable_asset_keys


def verdict_alerts(
    instance: dg.DagsterInstance, run_id: str, steps: Collection[str]
) -> Iterator[Alert]:
    """What the gates of a run decided; of a version that was decided on before, the same event."""
    if not set(GATES) & set(steps):
        return
    kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_OBSERVATION}
    for entry in instance.all_logs(run_id, of_type=kinds):
        event = entry.dagster_event
        if event is None or event.asset_key is None:
            continue
        asset = event.asset_key.to_user_string()
        if asset not in GATES:
            continue
        found = (
            event.step_materialization_data.materialization
            if event.is_step_materialization
            else event.asset_observation_data.asset_observation
        )
        told = {name: value.value for name, value in found.metadata.items()}
        if "verdict" in told:
            alert = _verdict(asset, told, run_id)
            if alert:
                yield alert


def _verdict(asset: str, told: Mapping[str, Any], run_id: str) -> Alert | None:
    version = told["version"]
    key = f"{version}:{told.get(MLFLOW_RUN, '')}"
    facts = {"verdict": str(told["verdict"])}
    if not told.get("promoted"):
        gate = asset.removesuffix("_model")
        text = f"Version {version} was refused at the gate {gate}"
        return Alert(Kind.REJECTED, key, text, run_id, facts=facts)
    if asset == CHAMPION_MODEL:
        return Alert(Kind.PROMOTED, key, f"Version {version} is champion", run_id, facts=facts)
    return None
