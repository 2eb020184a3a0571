"""The plain ways: pandas, and a script that asks for a day and inserts its rows."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import httpx
import pandas as pd
import psycopg2
import pyarrow as pa
import sqlalchemy as sa

from soccer_assets.feed.fields import FEED_PATH, HEADER_FIELDS
from soccer_assets.warehouse.schema import RAW_FIELDS, SCHEMA, match, match_raw

TABLES = {table.name: table for table in (match_raw, match)}
Insert = Callable[[Any, Any, list[str], Iterable[Sequence[Any]]], None]


def copy_rows(
    table: Any, connection: sa.Connection, columns: list[str], rows: Iterable[Sequence[Any]]
) -> None:
    """``to_sql``'s ``method`` as the pandas documentation shows it for PostgreSQL: CSV, COPY."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    buffer.seek(0)
    names = ", ".join(f'"{name}"' for name in columns)
    with connection.connection.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.copy_expert(f"COPY {table.name} ({names}) FROM STDIN WITH CSV", buffer)


#: Name -> arguments of ``DataFrame.to_sql``.
METHODS: dict[str, dict[str, Any]] = {
    "method=None": {},
    'method="multi", chunksize=1000': {"method": "multi", "chunksize": 1000},
    "method=COPY, the recipe of its documentation": {"method": copy_rows},
}


#: COPY does not read "1.0" as a whole number, which a column with gaps would hold otherwise.
_NULLABLE = {pa.int64(): pd.Int64Dtype()}


def frames(tables: Mapping[str, pa.Table]) -> dict[str, pd.DataFrame]:
    return {name: table.to_pandas(types_mapper=_NULLABLE.get) for name, table in tables.items()}


def upsert_frames(
    engine: sa.Engine, rows: Mapping[str, pd.DataFrame], arguments: Mapping[str, Any]
) -> None:
    """``to_sql`` into a staging table and one merge statement a table, in one transaction.

    The staging tables are temporary (not logged), and unchanged rows are left alone by their
    hash, as in the platform's load.
    """
    with engine.begin() as connection:
        for name, frame in rows.items():
            connection.execute(
                sa.text(f"CREATE TEMP TABLE stage_{name} (LIKE {SCHEMA}.{name}) ON COMMIT DROP")
            )
            frame.to_sql(f"stage_{name}", connection, if_exists="append", index=False, **arguments)
            connection.execute(sa.text(_merge(TABLES[name])))


def _merge(table: sa.Table) -> str:
    columns = [column.name for column in table.columns]
    updated = ", ".join(f"{c} = excluded.{c}" for c in columns if c not in _KEPT)
    names = ", ".join(columns)
    return f"""
        INSERT INTO {SCHEMA}.{table.name} AS t ({names}) SELECT {names} FROM stage_{table.name}
        ON CONFLICT (match_id) DO UPDATE SET {updated}
        WHERE t.content_hash <> excluded.content_hash"""


_KEPT = ("match_id", "first_seen_at")


def normalized(body: bytes) -> pd.DataFrame:
    """One row a match by pandas alone; checks nothing."""
    return pd.json_normalize(
        json.loads(body)["tournaments"],
        record_path="matches",
        meta=list(HEADER_FIELDS),
        meta_prefix="header.",
        errors="ignore",
    )


#: Columns of ``match`` that take a field of the feed as it is.
_SAME = {name: field for field, name in RAW_FIELDS.items() if name in match.columns}
_SAME |= {"kickoff": "startTimeUtc"}
_SAME.pop("status")


def ingest_day_plainly(feed_url: str, database_url: str, day: date) -> int:
    """A script's day: one request, a row-by-row upsert of both tables, one commit; with a session
    of its own for feed and database, as a run a day has. Returns the number of matches."""
    answer = httpx.get(f"{feed_url}{FEED_PATH}", params={"d": f"{day:%Y%m%d}", "isSummary": "true"})
    answer.raise_for_status()
    url = sa.make_url(database_url).set(drivername="postgresql").difference_update_query(["plugin"])
    connection = psycopg2.connect(url.render_as_string(hide_password=False))
    count = 0
    with connection, connection.cursor() as cursor:
        for tournament in answer.json()["tournaments"]:
            header = {field: tournament.get(field) for field in HEADER_FIELDS}
            for row in tournament["matches"]:
                fields = {**header, **row}
                for statement, values in _records(fields, day):
                    cursor.execute(statement, values)
                count += 1
    connection.close()
    return count


def _records(fields: dict[str, Any], day: date) -> Iterable[tuple[str, list[Any]]]:
    book = {
        "content_hash": 0,
        "first_seen_at": "now",
        "changed_at": "now",
        "feed_day": day,
    }
    raw = {name: _adapted(fields.get(field)) for field, name in RAW_FIELDS.items()}
    yield _statement("match_raw"), _ordered("match_raw", {**raw, **book, "payload_key": "none"})
    canonical = {name: fields.get(field) for name, field in _SAME.items()}
    status = "finished" if fields["status"] == 6 else "scheduled"
    yield _statement("match"), _ordered("match", {**canonical, **book, "status": status})


def _adapted(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _ordered(table: str, values: dict[str, Any]) -> list[Any]:
    return [values.get(column.name) for column in TABLES[table].columns]


def _row_statement(table: sa.Table) -> str:
    columns = [column.name for column in table.columns]
    updated = ", ".join(f"{c} = excluded.{c}" for c in columns if c not in _KEPT)
    return (
        f"INSERT INTO {SCHEMA}.{table.name} ({', '.join(columns)})"
        f" VALUES ({', '.join(['%s'] * len(columns))})"
        f" ON CONFLICT (match_id) DO UPDATE SET {updated}"
    )


_STATEMENTS = {name: _row_statement(table) for name, table in TABLES.items()}


def _statement(table: str) -> str:
    return _STATEMENTS[table]
