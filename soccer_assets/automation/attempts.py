"""What the instance has recorded of trainings, and of what asks for another one.

Read anew for every decision: see ``retraining``.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import dagster as dg

from soccer_assets.automation.reasons import (
    ATTEMPT,
    MATCHES_TAG,
    RECIPE_TAG,
    TRAINING_TAG,
    TRIGGER_TAG,
)
from soccer_assets.automation.recipe import made_by_other_code, recipe_of
from soccer_assets.automation.retraining import Attempt, Evidence, Failing, Outcome
from soccer_assets.automation.retry_policy import RETRY_OF_TAG
from soccer_assets.dagster_internals import DATA_VERSION_TAG, AssetCheckExecutionRecordStatus
from soccer_assets.params import Params

TRAINED_MODEL, CHAMPION = dg.AssetKey("trained_model"), dg.AssetKey("champion_model")
FINISHED = dg.AssetKey("finished")
#: Metadata of a trained model.
MLFLOW_RUN, MATCHES, RECIPE = "mlflow_run_id", "finished_matches", "recipe"
#: Of runs that were started again, by whoever: the run that it was before.
_BEFORE_TAGS = (RETRY_OF_TAG, "dagster/parent_run_id")

#: More attempts than that are not looked at; nor more champions, nor more of what is finished.
MOST_ATTEMPTS, MOST_CHAMPIONS, MOST_FINISHED = 50, 100, 20
#: A run that was created longer ago and never launched never will be.
_FORGOTTEN_AFTER_SECONDS = 1800.0
_ENDED_BADLY = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


class _Model(NamedTuple):
    """A materialization of the trained model."""

    run_id: str
    at: float
    mlflow_run: str | None
    matches: int | None
    recipe: str | None
    reasons: frozenset[str]


def read_attempts(instance: dg.DagsterInstance, now: float) -> list[Attempt]:
    """The newest trainings, the newest first: runs that were to train, whatever became of them, and
    models whose run says nothing of it."""
    models = list(_models(instance))
    champions = _champions(instance)
    by_run = {model.run_id: model for model in models if model.run_id}
    marked = dg.RunsFilter(tags={TRAINING_TAG: ATTEMPT})
    records = [
        record
        for record in instance.get_run_records(marked, limit=MOST_ATTEMPTS)
        # What is left of a run that is started again may be what follows the training.
        if TRAINED_MODEL in (record.dagster_run.asset_selection or {TRAINED_MODEL})
    ]
    tried_again = {run.tags.get(tag) for run in _runs(records) for tag in _BEFORE_TAGS}
    found = []
    for record in records:
        run_id = record.dagster_run.run_id
        model = by_run.pop(run_id, None)
        # A failed run and its further tries are one attempt.
        if model or run_id not in tried_again:
            found.append(_attempt(record, model, champions, now))
    told = [model for model in models if not model.run_id or model.run_id in by_run]
    found += [
        Attempt(
            began=model.at,
            outcome=_outcome(model, champions),
            reasons=model.reasons,
            ended=model.at,
            matches=model.matches,
            recipe=model.recipe,
        )
        for model in told
    ]
    return sorted(found, key=lambda attempt: attempt.began, reverse=True)[:MOST_ATTEMPTS]


def read_evidence(
    instance: dg.DagsterInstance, params: Params, checks: Mapping[str, dg.AssetCheckKey]
) -> Evidence:
    """What asks for a training.

    Args:
        checks: reason -> the check whose failure is one.
    """
    failing = {reason: _failing(instance, check) for reason, check in checks.items()}
    is_changing = bool(made_by_other_code(instance))
    return Evidence(
        failing={reason: check for reason, check in failing.items() if check is not None},
        matches=_settled_matches(instance),
        # Features that are about to be made by newer code are worth waiting for.
        recipe=None if is_changing else recipe_of(params),
        has_champion=bool(instance.fetch_materializations(CHAMPION, limit=1).records),
    )


def _runs(records: Iterable[dg.RunRecord]) -> list[dg.DagsterRun]:
    return [record.dagster_run for record in records]


def _attempt(
    record: dg.RunRecord, model: _Model | None, champions: set[str], now: float
) -> Attempt:
    run = record.dagster_run
    began = record.create_timestamp.timestamp()
    matches, recipe = run.tags.get(MATCHES_TAG), run.tags.get(RECIPE_TAG)
    asked = frozenset(run.tags.get(TRIGGER_TAG, "").split(", "))
    if model:
        return Attempt(
            began=began,
            outcome=_outcome(model, champions),
            reasons=asked,
            ended=model.at,
            matches=_as_number(matches) if model.matches is None else model.matches,
            recipe=model.recipe or recipe,
            asked_recipe=recipe,
        )
    forgotten = abs(now - began) > _FORGOTTEN_AFTER_SECONDS
    is_over = run.status in (*_ENDED_BADLY, dg.DagsterRunStatus.SUCCESS) or (
        run.status is dg.DagsterRunStatus.NOT_STARTED and forgotten
    )
    return Attempt(
        began=began,
        # A run that ends well without a model found too little to learn from.
        outcome=Outcome.FAILED if is_over else Outcome.RUNNING,
        reasons=asked,
        ended=record.end_time or began,
        matches=_as_number(matches),
        recipe=recipe,
        asked_recipe=recipe,
    )


def _models(instance: dg.DagsterInstance) -> Iterator[_Model]:
    for record in instance.fetch_materializations(TRAINED_MODEL, limit=MOST_ATTEMPTS).records:
        made = record.asset_materialization
        told = {name: value.value for name, value in made.metadata.items()} if made else {}
        yield _Model(
            run_id=record.event_log_entry.run_id,
            at=record.timestamp,
            mlflow_run=_as_text(told.get(MLFLOW_RUN)),
            matches=_as_number(told.get(MATCHES)),
            recipe=_as_text(told.get(RECIPE)),
            reasons=frozenset(str(told.get("trigger", "")).split(", ")),
        )


def _outcome(model: _Model, champions: set[str]) -> Outcome:
    """Of a model that is there. One that somebody reported by hand was their decision."""
    is_ours = model.mlflow_run is not None
    return Outcome.REFUSED if is_ours and model.mlflow_run not in champions else Outcome.ACCEPTED


def _champions(instance: dg.DagsterInstance) -> set[str]:
    """The MLflow runs of those that were champion: what is champion is the asset's data version,
    ``number:run``."""
    versions = [
        record.asset_materialization.tags.get(DATA_VERSION_TAG, "")
        for record in instance.fetch_materializations(CHAMPION, limit=MOST_CHAMPIONS).records
        if record.asset_materialization and record.asset_materialization.tags
    ]
    return {version.partition(":")[2] for version in versions} - {""}


def _failing(instance: dg.DagsterInstance, check: dg.AssetCheckKey) -> Failing | None:
    """If the check failed when it was evaluated last. While a run goes on that will evaluate it, the
    newest record of all is of what is planned, and says nothing."""
    completed = {
        AssetCheckExecutionRecordStatus.SUCCEEDED,
        AssetCheckExecutionRecordStatus.FAILED,
    }
    newest: Any = instance.event_log_storage.get_asset_check_execution_history(
        check, limit=1, status=completed
    )
    if not newest:
        return None
    event = newest[0].event
    evaluation = event.dagster_event.asset_check_evaluation_data
    if evaluation.passed:
        return None
    numbers = [
        f"{name} {value.value:.5g}"
        for name, value in evaluation.metadata.items()
        if isinstance(value.value, int | float)
    ]
    found = evaluation.description or ", ".join(numbers[:5])
    asset = check.asset_key.to_user_string()
    return Failing(event.timestamp, f"{asset} fails{f' ({found})' if found else ''}"[:300])


def _settled_matches(instance: dg.DagsterInstance) -> int | None:
    for record in instance.fetch_materializations(FINISHED, limit=MOST_FINISHED).records:
        made = record.asset_materialization
        if made and "dagster/row_count" in made.metadata:
            return _as_number(made.metadata["dagster/row_count"].value)
    return None


def _as_number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)
