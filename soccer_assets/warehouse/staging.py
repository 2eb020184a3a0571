"""The staging tables: days of a step on their way into the tables, by COPY."""

from collections.abc import Mapping, Sequence

import psycopg2.extensions
import pyarrow as pa
import sqlalchemy as sa
from psycopg2.extras import execute_values

from soccer_assets.warehouse.filling import copy_in
from soccer_assets.warehouse.rows import ParsedDay
from soccer_assets.warehouse.schema import SCHEMA, match, match_odds, match_raw, match_statistics
from soccer_assets.warehouse.steps import Shown

_STAGED = (match_raw, match, match_odds, match_statistics)
# Arrays, by which the indexes of the large tables can be asked; those of thousands of ids as one
# constant each, which is looked up by hash where no index is used after all.
DAYS = "ANY (ARRAY(SELECT day FROM stage_day))"
#: The fetch and the payload that a step's change is owed to: its own day's, or the only one's.
CAUSE = "coalesce((SELECT {0} FROM stage_day WHERE day = {1}), (SELECT {0} FROM stage_day LIMIT 1))"
# No statistics can make a load slow: they are of yesterday, and those of a wrong moment would have one
# table gone through for each row of another. So the tables of the warehouse are asked for given
# matches or days only, by their indexes, and joined by hashes only.
_BAD_PLANS = ("enable_seqscan", "enable_nestloop", "enable_mergejoin", "jit")
_PLANS = "SET LOCAL timezone = 'UTC';\n" + "".join(
    f"SET LOCAL {kind} = off;\n" for kind in _BAD_PLANS
)
_TABLES = "".join(
    f"CREATE TEMP TABLE IF NOT EXISTS stage_{table.name} (LIKE {SCHEMA}.{table.name})"
    " ON COMMIT DROP;\n"
    for table in _STAGED
) + (
    "CREATE TEMP TABLE IF NOT EXISTS stage_day"
    " (day date, fetched_at timestamptz, payload_key text) ON COMMIT DROP;\n"
    "CREATE TEMP TABLE IF NOT EXISTS pool"
    " (match_id bigint, feed_day date, origin text, place bigint) ON COMMIT DROP;\n"
)


def column_list(table: sa.Table) -> str:
    """The columns of a table, as SQL."""
    return ", ".join(column.name for column in table.columns)


#: Stage some records of a day as the tables have them.
_AS_BEFORE = "".join(
    f"""
    INSERT INTO stage_{table.name} ({column_list(table)})
        SELECT {column_list(table)} FROM {SCHEMA}.{name} WHERE match_id = ANY(%(ids)s){of_day};
    """
    for table, name, of_day in (
        *(
            (table, table.name + losing, " AND feed_day = %(day)s")
            for table in (match_raw, match)
            for losing in ("", "_shadow")
        ),
        (match_statistics, match_statistics.name, ""),
    )
)


def plan_without_statistics(cursor: psycopg2.extensions.cursor) -> None:
    """Have this transaction plan by indexes and hashes alone, and read times as UTC."""
    cursor.execute(_PLANS)


def stage(
    cursor: psycopg2.extensions.cursor,
    days: Sequence[ParsedDay],
    rows: Mapping[str, pa.Table],
    shown: Shown,
) -> None:
    """Fill the staging tables with rows of some days; of what a day could not tell, with what is
    known. They are made when first needed: in most loads nothing is new, and to make them would be
    most of what those take.

    Args:
        rows: table of the warehouse -> those of its rows that are to be merged.
    """
    cursor.execute(_TABLES)
    staged = ", ".join(f"stage_{table.name}" for table in _STAGED)
    cursor.execute(f"TRUNCATE {staged}, stage_day, pool")
    execute_values(
        cursor,
        "INSERT INTO stage_day VALUES %s",
        [(day.day, day.fetched_at, day.payload_key) for day in days],
    )
    for name, table_rows in rows.items():
        copy_in(cursor, f"stage_{name}", table_rows)
    for day in days:
        if untold := shown.untold(day):
            cursor.execute(_AS_BEFORE, {"day": day.day, "ids": list(untold)})
