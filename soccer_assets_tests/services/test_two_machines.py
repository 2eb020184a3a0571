"""Two machines with one set of services: what they share is protected, and they are not kept from
working at once."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from soccer_assets_tests.services.machines import Machine, Records
from soccer_assets_tests.services.servers import Shared

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(1800)]

#: Halves of a season, by days and by months.
HALVES = (("2024-08-01", "2024-11-30"), ("2024-12-01", "2025-03-16"))
MONTHS = (("2024-08-01", "2024-11-01"), ("2024-12-01", "2025-03-01"))


@pytest.fixture(scope="module")
def world(shared: Shared, season: dict[str, str]) -> Iterator[dict[str, str]]:
    with shared.world("two", with_mlflow=False) as settings:
        yield {**settings, **season}


@pytest.fixture(scope="module")
def machines(place: Path, world: dict[str, str]) -> Iterator[list[Machine]]:
    both = [Machine(place / f"machine-{number}", world) for number in (1, 2)]
    yield both
    for machine in both:
        machine.end()


def spans(records: Records, job: str) -> list[tuple[float, float]]:
    """When the steps of the two newest runs of a job began and ended."""
    found = records.query(
        "SELECT extract(epoch FROM min(timestamp)), extract(epoch FROM max(timestamp))"
        " FROM event_logs WHERE dagster_event_type IN ('STEP_START', 'STEP_SUCCESS') AND run_id IN"
        " (SELECT run_id FROM runs WHERE pipeline_name = %s ORDER BY id DESC LIMIT 2)"
        " GROUP BY run_id ORDER BY 1",
        job,
    )
    return [(float(first), float(last)) for first, last in found]


def at_once(machines: list[Machine], job: str, ranges: tuple[tuple[str, str], ...]) -> None:
    running = [machine.job(job, *ends) for machine, ends in zip(machines, ranges, strict=True)]
    for machine, process in zip(machines, running, strict=True):
        machine.finish(process)


def test_different_days_at_once_where_the_feed_bears_it(
    machines: list[Machine], world: dict[str, str]
) -> None:
    machines[0].run("dagster", "instance", "concurrency", "set", "livescores", "2")
    at_once(machines, "ingest", HALVES)
    records = Records(world["POSTGRES_URL"])
    first, second = spans(records, "ingest")
    assert second[0] < first[1], "one waited for the other"
    days = records.query(
        "SELECT count(*), count(DISTINCT partition) FROM event_logs"
        " WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"
        " AND asset_key = '[\"match\"]'"
    )
    assert days == [(228, 228)]


def test_one_asks_a_feed_at_a_time_unless_told_otherwise(
    machines: list[Machine], world: dict[str, str]
) -> None:
    machines[0].run("dagster", "instance", "concurrency", "set", "livescores", "1")
    at_once(machines, "ingest", (("2024-08-01", "2024-08-31"), ("2024-09-01", "2024-09-30")))
    first, second = spans(Records(world["POSTGRES_URL"]), "ingest")
    assert first[1] <= second[0]


def test_the_lake_has_all_months_of_both(machines: list[Machine], world: dict[str, str]) -> None:
    """One manifest, which the later keeps the earlier's months in."""
    at_once(machines, "export", MONTHS)
    records = Records(world["POSTGRES_URL"])
    ((rows,),) = records.query("SELECT count(*) FROM soccer.match")
    assert rows > 500
    began = time.time()
    # The check that compares every month with the database.
    machines[1].run(
        "dagster", "asset", "materialize", "--select", "match_parquet", "--partition", "2025-03-01"
    )
    checks = records.query(
        "SELECT check_name, execution_status FROM asset_check_executions WHERE"
        " evaluation_event_timestamp > to_timestamp(%s) ORDER BY 1",
        began,
    )
    assert dict(checks) == {"parity_with_postgres": "SUCCEEDED", "unique_ids": "SUCCEEDED"}
