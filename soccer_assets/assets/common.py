"""What several groups share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

import dagster as dg
import pandas as pd
import sqlalchemy as sa

from soccer_assets.dagster_internals import (
    REPORTED,
    AssetCheckExecutionRecordStatus,
    report_materializations,
    version_tags,
)
from soccer_assets.not_yet import NotYet
from soccer_assets.text import markdown_table

OWNERS = ["team:soccer-data"]
#: Metadata of an observation: why an asset is not made.
NOT_YET = "not_yet"
#: So many materializations of an asset, the newest, may hold what is looked for.
_LOOKED_THROUGH = 20


def asset_once_possible(**attributes: Any) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """An asset that is left out, with what follows it in the run, as long as it cannot be made.

    It is told in the log and on the asset's page, and fails nothing: a first start has no champion,
    and the first days no model. What was made before and cannot be made any more does fail.
    """

    def decorate(make: Callable[..., Any]) -> dg.AssetsDefinition:
        @wraps(make)
        def made_or_left_out(*context: Any, **resources: Any) -> Iterator[Any]:
            try:
                made = make(*context, **resources)
                yield from made if isinstance(made, Iterator) else [made]
            except NotYet as early:
                yield from _leave_out(dg.AssetExecutionContext.get(), early)

        return dg.asset(output_required=False, **attributes)(made_or_left_out)

    return decorate


def _leave_out(context: dg.AssetExecutionContext, early: NotYet) -> Iterator[dg.Output[None]]:
    key = context.asset_key
    if context.instance.get_latest_materialization_event(key):
        raise dg.Failure(f"{early}, although there was before") from early
    context.log.warning(f"{key.to_user_string()} cannot be made yet: {early}")
    context.log_event(dg.AssetObservation(key, metadata={NOT_YET: str(early)}))
    # Dagster insists on the outputs of checks; those without a result were not evaluated.
    for output in context.assets_def.check_specs_by_output_name:
        yield dg.Output(None, output)


def recorded(
    context: dg.AssetExecutionContext | dg.OpExecutionContext, key: dg.AssetKey, name: str
) -> Any:
    """What the newest materialization of an asset that says so tells of it under this name: people
    may report others.

    Raises:
        NotYet: there is none.
    """
    newest = context.instance.fetch_materializations(key, limit=_LOOKED_THROUGH).records
    for record in newest:
        made = record.asset_materialization
        if made is not None and name in made.metadata:
            return made.metadata[name].value
    asset = key.to_user_string()
    if newest:
        raise NotYet(f"{asset} was made without saying its {name}: materialize it again")
    raise NotYet(f"there is no {asset} yet: materialize it first")


def table(frame: pd.DataFrame, *, index: bool = False) -> dg.MarkdownMetadataValue:
    """Rows as the UI shows them, whatever their texts hold."""
    return dg.MetadataValue.md(markdown_table(frame, index=index))


def column_schema(of: sa.Table) -> dict[str, dg.TableSchema]:
    """A warehouse table's columns as the metadata the UI shows."""
    columns = [
        dg.TableColumn(
            column.name,
            type=str(column.type).lower(),
            description=column.comment,
            constraints=dg.TableColumnConstraints(
                nullable=bool(column.nullable), unique=column.primary_key
            ),
        )
        for column in of.columns
    ]
    return {"dagster/column_schema": dg.TableSchema(columns)}


def frame_schema(frame: pd.DataFrame) -> dg.TableSchema:
    """A frame's columns as the metadata the UI shows."""
    return dg.TableSchema(
        [dg.TableColumn(str(name), str(dtype)) for name, dtype in frame.dtypes.items()]
    )


def report_partitions(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    key: dg.AssetKey,
    versions: Mapping[str, str],
    metadata: Callable[[str], Mapping[str, Any]],
) -> Iterator[dg.DagsterEvent]:
    """That partitions of an asset were made, each with the version of its data."""
    yield from report_materializations(
        context,
        [
            dg.AssetMaterialization(
                key, partition=partition, metadata=metadata(partition), tags=version_tags(version)
            )
            for partition, version in versions.items()
        ],
    )


def reported(
    key: dg.AssetKey, check_results: Sequence[dg.AssetCheckResult] = ()
) -> dg.MaterializeResult:
    """The result of an asset whose partitions have been reported."""
    return dg.MaterializeResult(asset_key=key, metadata=REPORTED, check_results=check_results)


def check_evaluation(
    result: dg.AssetCheckResult, *, blocking: bool = False
) -> dg.AssetCheckEvaluation:
    """What a check found, as an event of a step that does not return it."""
    assert result.asset_key
    assert result.check_name
    return dg.AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        severity=result.severity,
        blocking=blocking,
        metadata=result.metadata,
    )


def told_by_check(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, *, passed_only: bool = False
) -> Mapping[str, Any]:
    """The metadata of the newest evaluation of a check, by name; none where there is none. What is
    planned, or was killed, tells nothing."""
    ended = {AssetCheckExecutionRecordStatus.SUCCEEDED}
    if not passed_only:
        ended.add(AssetCheckExecutionRecordStatus.FAILED)
    history = instance.event_log_storage.get_asset_check_execution_history
    found = history(key, limit=1, status=ended)
    event: Any = found[0].event.dagster_event if found and found[0].event else None
    metadata = event.asset_check_evaluation_data.metadata if event else {}
    return {name: entry.value for name, entry in metadata.items()}


#: Name of a check -> what evaluates it.
Checks = Mapping[str, Callable[[], dg.AssetCheckResult]]


def evaluate(
    context: dg.AssetExecutionContext, asset: dg.AssetKey, checks: Checks
) -> Iterator[dg.AssetCheckResult]:
    """The checks of an asset in the step that makes it: all of them in every run that does, also
    where the run was asked for without them; without the asset, those that were selected.

    To be yielded before the asset, so that whenever the run is killed nothing is called made whose
    checks are unknown.
    """
    selected = {key.name for key in context.selected_asset_check_keys if key.asset_key == asset}
    for name, check in checks.items():
        if asset in context.selected_asset_keys or name in selected:
            result = check()
            yield result._replace(asset_key=asset, check_name=name)
