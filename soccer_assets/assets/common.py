"""What several groups share."""

from collections.abc import Callable, Iterator, Mapping

import dagster as dg
import pandas as pd
import sqlalchemy as sa

from soccer_assets.text import markdown_table

OWNERS = ["team:soccer-data"]


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
