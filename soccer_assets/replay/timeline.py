"""What happened and why, in the order in which it did, from what the graph itself has recorded."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from soccer_assets.replay.plan import Day
from soccer_assets.replay.slack import messages
from soccer_assets.runs import cause_of

COLUMNS = ["at", "kind", "what", "why"]
_REGISTRY = ("registered_model", "candidate_model", "champion_model")
#: How a message begins -> what kind of event it tells.
_TOLD = {
    ":white_check_mark:": "recovered",
    ":hourglass:": "stale",
    ":warning:": "check failed",
    ":red_circle:": "alert",
}
_MOST = 10_000


def timeline(
    instance: dg.DagsterInstance, slack: Path, days: list[Day], first: datetime
) -> pd.DataFrame:
    """``at, kind, what, why`` of everything from a moment on."""
    events = [*_trainings(instance), *_verdicts(instance), *_failures(instance)]
    events += [*_alerts(slack), *_faults(days)]
    frame = pd.DataFrame(events, columns=COLUMNS)
    frame["at"] = pd.to_datetime(frame["at"], utc=True)
    return frame[frame["at"] >= first].sort_values("at", kind="stable").reset_index(drop=True)


def _trainings(instance: dg.DagsterInstance) -> Iterator[tuple[Any, ...]]:
    for at, metadata in _made(instance, "trained_model"):
        what = f"{metadata.get('learner', '?')}, judged {metadata.get('holdout_log_loss', 0):.4f}"
        yield at, "training", what, str(metadata.get("trigger", ""))


def _verdicts(instance: dg.DagsterInstance) -> Iterator[tuple[Any, ...]]:
    for asset in _REGISTRY:
        for at, metadata in _made(instance, asset):
            if "verdict" not in metadata:
                continue
            passed = bool(metadata.get("promoted"))
            if asset == "champion_model" or not passed:
                kind = "promotion" if passed else "rejection"
                yield at, kind, f"version {metadata.get('version')}", str(metadata["verdict"])


def _made(instance: dg.DagsterInstance, asset: str) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """Materializations and observations."""
    key = dg.AssetKey(asset)
    made = instance.fetch_materializations(key, limit=_MOST).records
    seen = instance.fetch_observations(key, limit=_MOST).records
    for record in [*made, *seen]:
        event = record.asset_materialization or record.asset_observation
        if event is not None:
            metadata = {name: value.value for name, value in event.metadata.items()}
            yield datetime.fromtimestamp(record.timestamp, UTC), metadata


def _failures(instance: dg.DagsterInstance) -> Iterator[tuple[Any, ...]]:
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
    for record in instance.get_run_records(failed):
        run = record.dagster_run
        kinds = {dg.DagsterEventType.STEP_FAILURE}
        steps = [
            entry.dagster_event
            for entry in instance.all_logs(run.run_id, of_type=kinds)
            if entry.dagster_event
        ]
        why = "; ".join(f"{step.step_key}: {cause_of(step)}" for step in steps)
        at = record.end_time or record.update_timestamp.timestamp()
        assets = sorted(key.to_user_string() for key in run.asset_selection or ())
        yield (
            datetime.fromtimestamp(at, UTC),
            "failed run",
            ", ".join(assets) or run.job_name,
            why[:500] or "its process died",
        )


def _alerts(slack: Path) -> Iterator[tuple[Any, ...]]:
    for said in messages(slack):
        text = said["text"]
        kind = next((kind for mark, kind in _TOLD.items() if text.startswith(mark)), "alert")
        yield said["at"], kind, text.splitlines()[0] if text else said["method"], "told on Slack"


def _faults(days: list[Day]) -> Iterator[tuple[Any, ...]]:
    for day in days:
        for fault in day.faults:
            yield day.tick, "fault", fault, "asked for"
