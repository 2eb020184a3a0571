"""When a model is trained without anybody asking: the decision of ``retraining`` as the condition of an
asset, whose parts the UI shows, and the sensor that evaluates it.

The conditions are evaluated in the code location, as only that knows them. They remember nothing: a lost
cursor, a reload between two evaluations and a tick that failed change nothing.
"""

import warnings
from collections.abc import Iterable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import dagster as dg

from soccer_assets.automation.attempts import TRAINED_MODEL, read_attempts, read_evidence
from soccer_assets.automation.freshness import RETRAINED_AFTER
from soccer_assets.automation.reasons import tags_of_training
from soccer_assets.automation.retraining import (
    AGE,
    NO_CHAMPION,
    NO_MODEL,
    RECIPE,
    Ask,
    Attempt,
    Bar,
    Evidence,
    Thresholds,
    Wait,
    decide,
)
from soccer_assets.dagster_internals import copy_record
from soccer_assets.params import Params, read_params

#: Reason for a training -> the report whose check of that name gives it.
TRIGGERS = {"shift": "prediction_shift", "decay": "prediction_decay", "volume": "data_volume"}
#: All there are.
REASONS = (NO_MODEL, NO_CHAMPION, *TRIGGERS, AGE, RECIPE)
CHECKS = {name: dg.AssetCheckKey(dg.AssetKey(asset), name) for name, asset in TRIGGERS.items()}
TRAINED = dg.AssetSelection.assets(TRAINED_MODEL)
#: Of the evaluation of a reason: what was known then.
_MATCHES, _RECIPE = "matches", "recipe"

AC: Any = dg.AutomationCondition  # its overloads do not type-check when conditions are combined


class Decided(NamedTuple):
    """Whether to train now, and from what that follows."""

    decision: Ask | Wait
    evidence: Evidence
    attempts: list[Attempt]


def decide_now(instance: dg.DagsterInstance, params: Params, now: float) -> Decided:
    """The decision by what the instance has recorded.

    Args:
        now: seconds since 1970.
    """
    thresholds = Thresholds(
        pace=params.retraining,
        age=RETRAINED_AFTER,
        volume_min_share=params.monitoring.volume_min_share,
        volume_min_rows=params.monitoring.volume_min_rows,
    )
    evidence, attempts = read_evidence(instance, params, CHECKS), read_attempts(instance, now)
    return Decided(decide(now, attempts, evidence, thresholds), evidence, attempts)


class _Known:
    """What is known in a tick, read once for all parts of the condition."""

    def __init__(self, params_file: Path) -> None:
        self._params_file = params_file
        self._of_ticks: WeakKeyDictionary[Any, Decided] = WeakKeyDictionary()

    def __call__(self, context: dg.AutomationContext[Any]) -> Decided:
        tick = context.asset_graph_view
        if tick not in self._of_ticks:
            now = context.evaluation_time.timestamp()
            params = read_params(self._params_file)
            self._of_ticks[tick] = decide_now(tick.instance, params, now)
        return self._of_ticks[tick]


class _Part(dg.AutomationCondition[dg.AssetKey]):
    """A part of the decision, true or not; its evaluation says more than its name."""

    def __init__(self, name: str, known: _Known) -> None:
        self._name, self._label, self._description = name, name, ""
        self._known = known

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return self._description

    @property
    def requires_cursor(self) -> bool:
        return False

    def get_label(self) -> str:
        return self._label

    def evaluate(self, context: dg.AutomationContext[Any]) -> dg.AutomationResult[Any]:
        raise NotImplementedError

    def _found(
        self,
        context: dg.AutomationContext[Any],
        is_so: bool,
        *,
        label: str = "",
        description: str = "",
        **metadata: Any,
    ) -> dg.AutomationResult[Any]:
        told = copy(self)
        told._label, told._description = label or self._name, description
        return dg.AutomationResult(
            replace(context, condition=told),
            context.candidate_subset if is_so else context.get_empty_subset(),
            metadata={
                name: dg.MetadataValue.text(str(value))
                for name, value in metadata.items()
                if value is not None
            },
        )


class Reason(_Part):
    """One reason for a training, whether or not anything keeps it from being asked for."""

    def evaluate(self, context: dg.AutomationContext[Any]) -> dg.AutomationResult[Any]:
        decision, evidence, _ = self._known(context)
        told = decision.reasons.get(self._name)
        return self._found(
            context,
            told is not None,
            description=told or "",
            matches=evidence.matches,
            recipe=evidence.recipe,
        )


class Obstacle(_Part):
    """What keeps a training from being asked for that there is a reason for; says until when."""

    def evaluate(self, context: dg.AutomationContext[Any]) -> dg.AutomationResult[Any]:
        decision = self._known(context).decision
        is_so = decision.bar == self._name
        return self._found(context, is_so, label=decision.why if is_so else "")


def retrain_when(params_file: Path) -> dg.AutomationCondition[Any]:
    """The condition of a training, by the parameters as they are in that file at each evaluation."""
    known = _Known(params_file)
    any_reason: Any = Reason(REASONS[0], known)
    for name in REASONS[1:]:
        any_reason |= Reason(name, known)
    condition = any_reason.with_label("a reason")
    for bar in (Bar.RUNNING, Bar.COOL_DOWN, Bar.BACKING_OFF, Bar.FEW_MATCHES):
        obstacle: Any = Obstacle(bar.value, known)
        condition &= ~obstacle
    # A blocking check stops what follows it in its own run; this stops the runs that would come after.
    unsound = AC.any_deps_match(AC.any_checks_match(AC.check_failed(), blocking_only=True))
    condition &= ~unsound.with_label("a blocking check upstream fails")
    condition &= ~AC.any_deps_missing() & ~AC.in_progress() & ~AC.any_deps_in_progress()
    labelled: dg.AutomationCondition[Any] = condition.with_label("retrain")
    return labelled


def with_retraining(assets: Iterable[Any], params_file: Path) -> list[Any]:
    """Have the training asked for by its condition."""
    condition = retrain_when(params_file)

    def with_it(spec: dg.AssetSpec) -> dg.AssetSpec:
        is_training = spec.key == TRAINED_MODEL
        return spec.replace_attributes(automation_condition=condition) if is_training else spec

    return list(dg.map_asset_specs(with_it, assets))


class _TrainingSensor(dg.AutomationConditionSensorDefinition):
    """Writes on a run that it asks for why it does, from the evaluation that decided it."""

    def evaluate_tick(self, context: dg.SensorEvaluationContext) -> Any:
        found = super().evaluate_tick(context)
        tags: dict[str, str] = {}
        for evaluation in found.automation_condition_evaluations:
            if evaluation.key == TRAINED_MODEL:
                tags |= tags_of(evaluation.iter_nodes())
        requests = [
            request.with_replaced_attrs(tags={**request.tags, **tags})
            for request in found.run_requests or ()
        ]
        return copy_record(found, run_requests=requests)


def tags_of(nodes: Iterable[Any]) -> dict[str, str]:
    """The tags of a run that is asked for, by the nodes of the evaluation that asks for it."""
    reasons, known = {}, {}
    for node in nodes:
        part = node.condition_snapshot
        if part.class_name == Reason.__name__ and not node.true_subset.is_empty:
            reasons[part.name] = part.description
            known = {name: str(told.value) for name, told in (node.metadata or {}).items()}
    matches = known.get(_MATCHES)
    return tags_of_training(reasons, int(matches) if matches else None, known.get(_RECIPE))


with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)  # evaluated in the code location, knowingly
    training = _TrainingSensor(
        "training",
        target=TRAINED,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        use_user_code_server=True,
        description="Asks for a training when a report's check fails, the model is old or its recipe "
        "has changed; keeps attempts apart by a cool-down, by newly settled matches and, after vain "
        "ones, by pauses that double. Writes the reasons on the run.",
    )
