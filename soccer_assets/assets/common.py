"""What several groups share."""

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
