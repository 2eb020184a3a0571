"""What a load reads grows with what it loads, whatever the database believes of its tables.

Counted in rows, not in time: each statement of the real load is executed under ``EXPLAIN ANALYZE``,
taken back, and executed again.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import psycopg2.extensions
import pytest
import sqlalchemy as sa

from soccer_assets.warehouse.load import load_days
from soccer_assets.warehouse.rows import ParsedDay
from soccer_assets.warehouse.schema import SCHEMA
from soccer_assets_tests.feed_days import DAY, FETCHED, a_match, parsed

DETAILS = ("match_odds", "match_statistics", "match_change")
TABLES = ("match", "match_raw", "match_shadow", "match_raw_shadow", *DETAILS)
#: Matches that move, and those that are there besides.
MOVING, OTHERS = range(1, 1001), range(10_001, 12_001)
#: Rows that the nodes of a statement may handle for each match; about thirty columns of a match are
#: compared in some. Going through one table for each row of another would be half a thousand.
EACH = 150

Plan = dict[str, Any]


class Explaining(psycopg2.extensions.cursor):
    """Keeps the plans of what it executes, as they came out."""

    plans: list[tuple[str, Plan]]

    def execute(self, query: str | bytes, parameters: Any = None) -> None:
        for statement in re.split(r";\s*(?:\n|$)", self.mogrify(query, parameters).decode()):
            verb = statement.split(None, 1)[0] if statement.strip() else ""
            if verb in ("INSERT", "UPDATE", "DELETE", "WITH", "SELECT"):
                super().execute("SAVEPOINT explained")
                super().execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}")
                found = self.fetchone()
                assert found
                self.plans.append((statement, found[0][0]["Plan"]))
                super().execute("ROLLBACK TO explained; RELEASE explained")
            if statement.strip():
                super().execute(statement)


@pytest.fixture
def explained(database_url: str, engine: sa.Engine) -> Iterator[sa.Engine]:
    """An engine that explains what it does."""
    Explaining.plans = []
    options = {"options": "-c timezone=UTC", "cursor_factory": Explaining}
    explaining = sa.create_engine(database_url, connect_args=options)
    yield explaining
    explaining.dispose()


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def handled(plan: Plan) -> float:
    """Rows that pass through the nodes of a plan, or are looked at there and passed over."""
    counted = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
    return sum(
        node["Actual Loops"] * sum(node.get(count, 0) for count in counted) for node in nodes(plan)
    )


def scanned(plan: Plan) -> set[str]:
    """The tables of the warehouse that are gone through from end to end."""
    return {
        node["Relation Name"]
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in TABLES
    }


def searched(plan: Plan) -> list[str]:
    """Where each row is looked for in a long array, element by element."""
    return [
        node["Filter"]
        for node in nodes(plan)
        if "match_id = ANY ((InitPlan" in node.get("Filter", "")
    ]


def on_server(engine: sa.Engine, statements: Sequence[str]) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def forgotten(table: str) -> list[str]:
    """No statistics."""
    return [
        f"SELECT pg_clear_relation_stats('{SCHEMA}', '{table}')",
        f"DELETE FROM pg_statistic WHERE starelid = '{SCHEMA}.{table}'::regclass",
    ]


def of_a_tiny_table(table: str) -> list[str]:
    """As taken of one row in a file that was as large as it is now."""
    return [
        *forgotten(table),
        f"SELECT pg_restore_relation_stats('schemaname', '{SCHEMA}', 'relname', '{table}',"
        " 'relpages', 1000000, 'reltuples', 1::real)",
    ]


def of_one_match(table: str) -> list[str]:
    """All rows are of one match and one day."""
    attributes = ["match_id"] if table in DETAILS else ["match_id", "feed_day"]
    return [
        f"SELECT pg_restore_attribute_stats('schemaname', '{SCHEMA}', 'relname', '{table}',"
        f" 'attname', '{attribute}', 'inherited', false, 'null_frac', 0::real,"
        " 'avg_width', 8, 'n_distinct', 1::real)"
        for attribute in attributes
    ]


@pytest.mark.parametrize(
    "believed", [forgotten, of_a_tiny_table, of_one_match], ids=lambda f: f.__name__
)
def test_no_statistics_make_a_load_go_through_one_table_for_each_row_of_another(
    engine: sa.Engine, explained: sa.Engine, believed: Any
) -> None:
    others = [
        parsed(*(a_match(n, day) for n in OTHERS[k::20]), day=day)
        for k, day in enumerate(DAY + timedelta(days=k + 5) for k in range(20))
    ]
    load_days(engine, others)
    on_server(engine, [f"ALTER TABLE {SCHEMA}.{t} SET (autovacuum_enabled = off)" for t in TABLES])

    def shown(day: int, ids: range, hours: int, **fields: Any) -> ParsedDay:
        day_, at = DAY + timedelta(days=day), FETCHED + timedelta(hours=hours)
        return parsed(*(a_match(n, day_, **fields) for n in ids), day=day_, fetched_at=at)

    none = range(0)
    for what, day in (
        ("they come", shown(0, MOVING, 0)),
        ("all are changed", shown(0, MOVING, 1, commentCount=1, homeTeamName="New")),
        ("they move", shown(1, MOVING, 2)),
        ("the day before shows them still", shown(0, MOVING, 3, commentCount=2)),
        ("they move back", shown(1, none, 4)),
        ("they vanish", shown(0, none, 5)),
    ):
        on_server(engine, [line for table in TABLES for line in believed(table)])
        Explaining.plans.clear()
        load_days(explained, [day])
        assert len(Explaining.plans) > 5
        for statement, plan in Explaining.plans:
            told = f"{what}: {statement}: {handled(plan):,.0f} rows"
            assert handled(plan) <= EACH * len(MOVING), told
            assert not scanned(plan), told
            assert not searched(plan), told
    with engine.connect() as connection:
        counts = "SELECT count(*), count(vanished_at) FROM soccer.match"
        assert connection.execute(sa.text(counts)).one() == (len(OTHERS) + len(MOVING), len(MOVING))
