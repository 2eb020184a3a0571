"""What several groups share."""

import dagster as dg
import sqlalchemy as sa

OWNERS = ["team:soccer-data"]


def column_schema(table: sa.Table) -> dict[str, dg.TableSchema]:
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
        for column in table.columns
    ]
    return {"dagster/column_schema": dg.TableSchema(columns)}
