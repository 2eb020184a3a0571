"""Registry: a trained model becomes registered, candidate and champion, each behind its gate.

A gate that does not open is a recorded verdict, not an error: the alias stays where it was.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from soccer_assets.assets.common import OWNERS, asset_once_possible, recorded, table
from soccer_assets.assets.model import MLFLOW_RUN, TRAINED_MODEL
from soccer_assets.dvc import outs
from soccer_assets.dvc.command import DvcError
from soccer_assets.modelling.mlflow_service import Unusable
from soccer_assets.not_yet import NotYet
from soccer_assets.resources import (
    DvcResource,
    ModelRegistryResource,
    ParamsResource,
    WarehouseResource,
)

if TYPE_CHECKING:
    from pathlib import Path

    from soccer_assets.modelling.comparison import Comparison
    from soccer_assets.modelling.registry import ModelRegistry, Version
    from soccer_assets.modelling.verdict import Verdict

REGISTERED, CANDIDATE, CHAMPION = (
    dg.AssetKey(name) for name in ("registered_model", "candidate_model", "champion_model")
)
CHAMPION_LOADS = "champion_loads"
#: Latest rows of the features that a model must be able to predict at all.
SMOKE_ROWS = 2000


def _registry_asset(key: dg.AssetKey, deps: list[dg.AssetKey], **more: Any) -> Any:
    return asset_once_possible(
        key=key,
        deps=deps,
        group_name="registry",
        owners=OWNERS,
        kinds={"mlflow"},
        pool="registry",
        **more,
    )


@_registry_asset(REGISTERED, [TRAINED_MODEL])
def registered_model(
    context: dg.AssetExecutionContext,
    registry: ModelRegistryResource,
    dvc: DvcResource,
    params: ParamsResource,
) -> Iterator[dg.MaterializeResult]:
    """The training as a registry version, alias `smoke` if it works at all."""
    from soccer_assets.modelling.gates import smoke_gate
    from soccer_assets.modelling.registry import SMOKE

    with registry.opened(context) as models:
        run = models.training_run(recorded(context, TRAINED_MODEL, MLFLOW_RUN))
        version = models.register(run)
        with _gone_told():
            features = dvc.at(run.data_revision).tail(outs.FEATURES, SMOKE_ROWS)
        verdict = smoke_gate(models.load(version), features, params.read().gates)
        models.record(version, verdict)
        if verdict.passed:
            models.point(SMOKE, version)
        holder = models.by_alias(SMOKE)
    yield from _conclude(context, version, verdict, holder)


@_registry_asset(
    CANDIDATE,
    [REGISTERED],
    check_specs=[
        dg.AssetCheckSpec(
            CHAMPION_LOADS,
            asset=CANDIDATE,
            description="The champion could be compared with: its files are there and it is one of "
            "ours.",
        )
    ],
)
def candidate_model(
    context: dg.AssetExecutionContext,
    registry: ModelRegistryResource,
    dvc: DvcResource,
    params: ParamsResource,
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Alias `candidate`: not worse than the champion beyond noise, on the same matches. A champion
    that cannot be used does not bar its replacement: the baselines stand in for it."""
    from soccer_assets.modelling.gates import candidate_gate
    from soccer_assets.modelling.registry import CANDIDATE as ALIAS
    from soccer_assets.modelling.registry import SMOKE

    with registry.opened(context) as models:
        version = models.by_alias(SMOKE)
        if version is None:
            raise NotYet("no version has passed the smoke gate")
        comparison = _comparison(models, version, dvc)
        verdict = candidate_gate(
            comparison.losses,
            comparison.champion_losses,
            params.read().gates,
            comparison.weeks,
            baseline_losses=comparison.baseline_losses,
            champion_fault=comparison.champion_fault,
            since=comparison.since_champion,
        )
        models.record(version, verdict)
        if verdict.passed:
            models.point(ALIAS, version)
        holder = models.by_alias(ALIAS)
    fault = comparison.champion_fault
    yield from _conclude(context, version, verdict, holder)
    yield dg.AssetCheckResult(
        asset_key=CANDIDATE,
        check_name=CHAMPION_LOADS,
        passed=fault is None,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"fault": fault} if fault else {},
    )


@_registry_asset(CHAMPION, [CANDIDATE])
def champion_model(
    context: dg.AssetExecutionContext,
    registry: ModelRegistryResource,
    warehouse: WarehouseResource,
    dvc: DvcResource,
    params: ParamsResource,
) -> Iterator[dg.MaterializeResult]:
    """Alias `champion`: not worse than the champion and newer, or surely better; better than the
    class prior, calibrated, sound on every slice. With REQUIRE_SIGN_OFF it waits for a person, alias
    `awaiting_sign_off`. The version it replaces keeps the alias `previous_champion`."""
    from soccer_assets.modelling.gates import champion_gate
    from soccer_assets.modelling.office import GATE, By, Office
    from soccer_assets.modelling.registry import CANDIDATE as CANDIDATE_ALIAS
    from soccer_assets.modelling.slices import standard_slices

    by = By(GATE, context.run.run_id)
    with registry.opened(context) as models, _other_champion_told():
        office = Office(models, warehouse.engine)
        champion = office.settle()
        version = models.by_alias(CANDIDATE_ALIAS)
        if version is None and champion is None:
            raise NotYet("no version has passed the candidate gate")
        if champion and (version is None or champion.number == version.number):
            version = champion
            context.log.info(f"{version} is the champion already")
            yield dg.MaterializeResult(
                metadata={"version": version.number, "promoted": False},
                data_version=_data_version(champion),
            )
            return
        assert version is not None
        training, gates = models.training(version), params.read().gates
        comparison = _comparison(models, version, dvc)
        challenge = office.challenge(version, training, comparison, gates)
        verdict = champion_gate(
            comparison.probabilities,
            comparison.outcomes,
            comparison.baseline_losses,
            comparison.champion_losses,
            standard_slices(comparison.matches),
            gates,
            comparison.weeks,
            champion_fault=comparison.champion_fault,
            challenge=challenge,
        )
        models.record(version, verdict)
        if not verdict.passed:
            counts = challenge.barred is None
            office.refuse(version, training, verdict, by, counts=counts, instead_of=champion)
        elif registry.settings.require_sign_off:
            office.await_sign_off(version, verdict, by, instead_of=champion)
        else:
            office.promote(version, verdict, by, instead_of=champion)
        holder = models.champion()
    promoted = holder is not None and holder.number == version.number
    yield from _conclude(context, version, verdict, holder, promoted=promoted)


@contextmanager
def _other_champion_told() -> Iterator[None]:
    """A person may decide while a version is compared: the next run, which the sensors ask for as long
    as the asset is behind, compares it with who serves by then."""
    from soccer_assets.modelling.office import NotPossible

    try:
        yield
    except NotPossible as error:
        raise dg.Failure(str(error)) from error


def _comparison(models: "ModelRegistry", version: "Version", dvc: DvcResource) -> "Comparison":
    """With the champion, on the data that the version was made of."""
    from soccer_assets.modelling.comparison import compare_with_champion

    return compare_with_champion(
        models, version, lambda revision: _made(outs.DATASET, revision, dvc)
    )


def _made(out: "Path", revision: str, dvc: DvcResource) -> pd.DataFrame:
    """An out as a training found it."""
    with _gone_told():
        return dvc.at(revision).frame(out)


@contextmanager
def _gone_told() -> Iterator[None]:
    try:
        yield
    except DvcError as error:
        raise Unusable(f"what the version was trained on is gone: {error}; train again") from error


def _conclude(
    context: dg.AssetExecutionContext,
    version: "Version",
    verdict: "Verdict",
    holder: "Version | None",
    *,
    promoted: bool | None = None,
) -> Iterator[dg.MaterializeResult]:
    """Report a verdict: with the asset if some version holds the alias, else as an observation."""
    context.log.info(verdict.summary())
    reasons = pd.DataFrame([criterion.as_dict() for criterion in verdict.reasons])
    metadata: dict[str, Any] = {
        "version": version.number,
        MLFLOW_RUN: version.run_id,
        "promoted": verdict.passed if promoted is None else promoted,
        "verdict": verdict.summary(),
        "criteria": table(reasons),
    }
    if holder is None:
        context.log_event(dg.AssetObservation(context.asset_key, metadata=metadata))
    else:
        yield dg.MaterializeResult(
            metadata={**metadata, "alias_version": holder.number},
            data_version=_data_version(holder),
        )


def _data_version(holder: "Version") -> dg.DataVersion:
    """Of an alias: the version that holds it."""
    return dg.DataVersion(holder.name)
