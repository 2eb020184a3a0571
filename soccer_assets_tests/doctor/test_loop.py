"""What an operator reads of the daemon, of sensors, runs, days and assets."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.remote_origin import RemoteInstigatorOrigin
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType
from dagster._core.test_utils import freeze_time
from dagster._daemon.types import DaemonHeartbeat

from soccer_assets.dagster_internals import (
    SINGLETON_REPOSITORY_NAME,
    InstigatorState,
    RegisteredCodeLocationOrigin,
    RemoteRepositoryOrigin,
    SensorInstigatorData,
)
from soccer_assets.doctor import loop as looks
from soccer_assets.doctor.finding import Wrong
from soccer_assets.doctor.lines import GROUPS
from soccer_assets.doctor.loop import Graph
from soccer_assets.doctor.services import Services
from soccer_assets.instance import SoccerInstance
from soccer_assets.warehouse.load import load_days
from soccer_assets_tests.feed_days import parsed

HOUR = timedelta(hours=1)


def wrong(look: Callable[[], str]) -> str:
    with pytest.raises(Wrong) as told:
        look()
    return str(told.value)


@pytest.fixture
def graph(
    services_of: Callable[..., Services],
    household_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Graph]:
    """The real definitions and an instance of the real class, in which nothing has happened."""
    services = services_of(postgres_url=household_url)
    monkeypatch.setenv("SOCCER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("POSTGRES_URL", household_url)
    with ExitStack() as stack:
        graph = Graph(services.engine, stack)
        assert graph.open() == f"version {dg.__version__}; the definitions load, 25 assets"
        yield graph


# Dagster's own tables


def test_a_database_without_dagsters_tables_is_left_so(services: Services) -> None:
    with ExitStack() as stack:
        graph = Graph(services.engine, stack)
        assert "kept nothing in this database yet" in wrong(graph.open)
    with services.engine.connect() as connection:
        assert sa.inspect(connection).get_table_names("public") == []


def test_tables_of_an_older_dagster_are_told(graph: Graph, services: Services) -> None:
    with graph._engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0123456789ab'"))
    with ExitStack() as stack:
        told = wrong(Graph(graph._engine, stack).open)
    assert "at revision 0123456789ab, not " in told
    assert "dagster instance migrate" in told


# The daemon


def beat(instance: dg.DagsterInstance, parts: list[str], at: datetime) -> None:
    for part in parts:
        instance.add_daemon_heartbeat(DaemonHeartbeat(at.timestamp(), part, None, None))


def test_a_daemon_that_never_ran_or_lives_or_is_silent(graph: Graph) -> None:
    instance, now = graph.instance, datetime.now(UTC)
    assert "never ran here" in wrong(lambda: looks.daemon(instance))
    parts = sorted(instance.get_required_daemon_types())
    beat(instance, parts, now)
    assert looks.daemon(instance) == f"its {len(parts)} parts give signs of life"
    beat(instance, parts[:1], now - 2 * HOUR)
    told = wrong(lambda: looks.daemon(instance))
    assert told.startswith(f"no sign of life of {parts[0]} since {now:%Y-%m-%d}")
    beat(instance, parts, now - 2 * HOUR)
    told = wrong(lambda: looks.daemon(instance))
    assert told.startswith(f"no sign of life since {now - 2 * HOUR:%Y-%m-%d %H:%M} UTC")


def test_a_sensor_that_somebody_has_stopped(graph: Graph) -> None:
    assert looks.sensors(graph.instance, graph.definitions).endswith("are on")
    repository = RemoteRepositoryOrigin(
        RegisteredCodeLocationOrigin("soccer_assets"), SINGLETON_REPOSITORY_NAME
    )
    for name in ("catch_up", "one_that_was_removed"):
        origin = RemoteInstigatorOrigin(repository, name)
        state = InstigatorState(
            origin,
            InstigatorType.SENSOR,
            InstigatorStatus.STOPPED,
            SensorInstigatorData(),
        )
        graph.instance.add_instigator_state(state)
    told = wrong(lambda: looks.sensors(graph.instance, graph.definitions))
    assert told.startswith("stopped by somebody: catch_up; to start")


# Pools


def claim(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.event_log_storage.set_concurrency_slots("registry", 9)
    instance.event_log_storage.claim_concurrency_slot("registry", run_id, "step")


def add_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> str:
    run = instance.add_run(dg.DagsterRun(job_name="nightly", status=status))
    return run.run_id


def test_pools_that_are_free_or_held_by_the_living(graph: Graph) -> None:
    instance = graph.instance
    assert isinstance(instance, SoccerInstance)
    assert looks.pools(instance) == "no run holds a slot"
    alive = add_run(instance, dg.DagsterRunStatus.STARTED)
    instance.leases.take(alive)
    claim(instance, alive)
    claim(instance, add_run(instance, dg.DagsterRunStatus.STARTED))  # on another machine
    assert looks.pools(instance) == "2 runs hold or wait for slots"
    instance.leases.give_back(alive)


@pytest.mark.parametrize("how", ["killed", "finished", "deleted"])
def test_a_pool_that_is_held_by_a_run_that_is_over(graph: Graph, how: str) -> None:
    instance = graph.instance
    assert isinstance(instance, SoccerInstance)
    if how == "deleted":
        run_id = str(uuid4())
    elif how == "finished":
        run_id = add_run(instance, dg.DagsterRunStatus.FAILURE)
    else:
        run_id = add_run(instance, dg.DagsterRunStatus.STARTED)
        instance.leases.take(run_id)
        instance.leases.abandon(run_id)
    claim(instance, run_id)
    told = wrong(lambda: looks.pools(instance))
    assert told.startswith(f"held by runs that are over: {run_id[:8]};")


# Days


def test_days_that_were_not_brought_in(
    services: Services, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOCCER_AS_OF", "2024-04-01")
    assert looks.days(services) == "no past day of the feed is overdue"
    load_days(engine, [parsed()])  # 2024-03-09, and none since
    told = wrong(lambda: looks.days(services))
    assert " days are overdue: 2024-03-" in told
    assert " and 1" in told
    assert told.endswith("soccer backfill --since 2024-03-10")


# Assets


def materialize(instance: dg.DagsterInstance, names: list[str], at: datetime) -> None:
    with freeze_time(at):
        for name in names:
            instance.report_runless_asset_event(dg.AssetMaterialization(name))


def test_the_groups_are_those_of_the_definitions(graph: Graph) -> None:
    nodes = graph.definitions.resolve_asset_graph()
    assert {nodes.get(key).group_name for key in nodes.materializable_asset_keys} == set(GROUPS)


def test_a_group_that_was_made_or_not_or_is_too_old(graph: Graph) -> None:
    now, lake = datetime.now(UTC), ["match_parquet", "match_raw_parquet"]
    assert "never made: match_parquet, match_raw_parquet; each page" in wrong(
        lambda: looks.assets(graph, "lake")
    )
    materialize(graph.instance, lake[:1], now - HOUR)
    assert "never made: match_raw_parquet;" in wrong(lambda: looks.assets(graph, "lake"))
    materialize(graph.instance, lake[1:], now)
    assert looks.assets(graph, "lake") == (
        f"2 assets; made last {now:%Y-%m-%d %H:%M} UTC, the oldest {now - HOUR:%Y-%m-%d %H:%M} UTC"
    )
    assert "never made" in wrong(lambda: looks.assets(graph, "warehouse"))


def test_assets_are_too_old_by_their_policy_though_no_daemon_says_so(graph: Graph) -> None:
    then = datetime.now(UTC) - 7 * HOUR
    materialize(graph.instance, ["livescores"], then)
    told = wrong(lambda: looks.assets(graph, "ingestion"))
    assert told == f"too old: livescores, the oldest of {then:%Y-%m-%d %H:%M} UTC"
    materialize(graph.instance, ["trained_model"], then - 40 * 24 * HOUR)
    assert looks.assets(graph, "model").startswith("1 asset; made last ")
