"""After maintenance everything is decided as it would have been without it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import freeze_time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soccer_assets.automation.reasons import ATTEMPT, TRAINING_TAG, TRIGGER_TAG
from soccer_assets.automation.records import ATTEMPT_TAG, PARTITION_TAG, UPDATE, UPSTREAM_TAG
from soccer_assets.automation.retry_policy import RETRY_TAG, WAITS
from soccer_assets_tests.automation.loop import (
    BLOCKING,
    FEATURES,
    NOON,
    REPORTS,
    SERVING,
    UNPARTITIONED,
    Loop,
)
from soccer_assets_tests.databases import copy_of
from soccer_assets_tests.maintenance.deciding import (
    NEWEST_ALONE,
    followers,
    freshness,
    slowness,
    tidied,
    trainings,
)

LAKE = ("match_raw_parquet", "match_parquet")
MONTHS = ("2024-12-01", "2025-02-01", "2025-03-01")


def events(instance: dg.DagsterInstance) -> int:
    storage: Any = instance.event_log_storage
    with storage.index_connection() as connection:
        found = connection.exec_driver_sql("SELECT count(*) FROM event_logs")
        return int(found.scalar_one())


def runs(instance: dg.DagsterInstance) -> int:
    return len(instance.get_run_ids())


def hourly(loop: Loop, hour: int, version: str) -> None:
    """Days are loaded, and what follows them is made."""
    moment = NOON - timedelta(hours=hour)
    with freeze_time(moment):
        loop.runs("match_raw", "match", tags={PARTITION_TAG: f"{moment:%Y-%m-%d}"}, version=version)
        loop.runs(*LAKE, *FEATURES, *SERVING, tags={PARTITION_TAG: f"{moment:%Y-%m}-01"})
        for report, check in REPORTS.items():
            loop.made(report)
            loop.checked(report, check, passed=hour % 3 > 0)


def test_a_history_of_hours_leaves_what_decides_and_little_else(
    instance: dg.DagsterInstance,
) -> None:
    loop = Loop(instance)
    with freeze_time(NOON - timedelta(days=40)):
        for asset in UNPARTITIONED:
            loop.made(asset, version="1")
        for asset, checks in BLOCKING.items():
            for check in checks:
                loop.checked(asset, check, True, blocking=True)
        training = loop.begin("trained_model", tags={TRAINING_TAG: ATTEMPT})
        loop.makes(training, "trained_model")
        loop.ends(training)
    for hour in (*range(34, 30, -1), 3, 2, 1):
        hourly(loop, hour, version=str(hour // 3))
    with freeze_time(NOON - timedelta(hours=2)):
        loop.fails(loop.begin("trained_model", tags={TRAINING_TAG: ATTEMPT}))
    before = [followers(instance, NOON), trainings(instance, NOON), freshness(instance)]
    count = events(instance), runs(instance)

    tidied(instance, NOON)
    assert trainings(instance, NOON) == before[1]
    tidied(instance, NOON, needs=NEWEST_ALONE)
    assert followers(instance, NOON) == before[0]
    assert freshness(instance) == before[2]
    left = events(instance), runs(instance)
    assert left[0] < 0.5 * count[0]
    assert left[1] <= 0.5 * count[1]
    assert tidied(instance, NOON, needs=NEWEST_ALONE).removed["runs"] == 0
    assert (events(instance), runs(instance)) == left


Step = Callable[[Loop], None]


def _loaded(day: str, version: str | None) -> Step:
    return lambda loop: loop.made("match", partition=day, version=version)


def _made(assets: tuple[str, ...], month: str, version: str | None) -> Step:
    return lambda loop: loop.runs(*assets, tags={PARTITION_TAG: month}, version=version)


def _late(assets: tuple[str, ...], above: str, version: str | None) -> Step:
    """Something above is made while a run makes what follows it."""

    def happens(loop: Loop) -> None:
        run = loop.begin(*assets)
        loop.made(above, version=version)
        loop.makes(run, *assets, version=version)
        loop.ends(run)

    return happens


def _fails(assets: tuple[str, ...], attempt: int, waits: bool) -> Step:
    def happens(loop: Loop) -> None:
        tags = {TRIGGER_TAG: UPDATE, UPSTREAM_TAG: "5", ATTEMPT_TAG: str(attempt)}
        loop.fails(loop.begin(*assets, tags={**tags, **({RETRY_TAG: WAITS} if waits else {})}))

    return happens


def _checked(passed: bool) -> Step:
    return lambda loop: loop.checked("features", "feature_ranges", passed, blocking=True)


def _observed(asset: str) -> Step:
    return lambda loop: loop.instance.report_runless_asset_event(dg.AssetObservation(asset))


def _runs(assets: tuple[str, ...]) -> Step:
    def happens(loop: Loop) -> None:
        loop.begin(*assets)

    return happens


versions = st.sampled_from([None, "1", "2"])
groups = st.sampled_from([LAKE, FEATURES, ("features",), SERVING, ("champion_model",)])
wholes = st.sampled_from([FEATURES, ("features", "dataset"), SERVING])
days = st.sampled_from(["2024-12-24", "2025-02-27", "2025-02-28", "2025-03-01"])
steps = st.one_of(
    st.builds(_loaded, days, versions),
    st.builds(_made, groups, st.sampled_from(MONTHS), versions),
    st.builds(_late, wholes, st.sampled_from(["match_parquet", "finished", "features"]), versions),
    st.builds(_fails, wholes, st.integers(1, 3), st.booleans()),
    st.builds(_checked, st.booleans()),
    st.builds(_observed, st.sampled_from(["champion_model", "trained_model"])),
    st.builds(_runs, wholes),
)


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(steps, min_size=5, max_size=25), at_times=st.sets(st.integers(0, 24)))
def test_whatever_happened_it_decides_as_before(
    tables_of_dagster_too: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    history: list[Step],
    at_times: set[int],
) -> None:
    """Maintenance in between included, which works on what the last one left."""
    from soccer_assets.runner import open_instance

    with copy_of(tables_of_dagster_too) as url:
        monkeypatch.setenv("SOCCER_HOME", str(tmp_path_factory.mktemp("home")))
        monkeypatch.setenv("POSTGRES_URL", url)
        with open_instance() as instance:
            loop, moment = Loop(instance), NOON - timedelta(days=60)
            with freeze_time(moment):
                for asset in UNPARTITIONED:
                    loop.made(asset, version="1")
                loop.made(*LAKE, partition="2025-03-01", version="1")
            for place, happens in enumerate(history):
                moment += timedelta(days=1)
                with freeze_time(moment):
                    happens(loop)
                if place in at_times:
                    decides_the_same(instance, moment + timedelta(minutes=1))
            decides_the_same(instance, NOON)


def decides_the_same(instance: dg.DagsterInstance, at: datetime) -> None:
    before = followers(instance, at)
    tidied(instance, at, needs=NEWEST_ALONE)
    assert followers(instance, at) == before


def test_how_long_runs_usually_take_is_still_known(instance: dg.DagsterInstance) -> None:
    loop = Loop(instance)
    for day in range(50, 40, -1):
        begun = NOON - timedelta(days=day)
        with freeze_time(begun):
            run = loop.begin(*FEATURES)
        with freeze_time(begun + timedelta(minutes=5)):
            loop.ends(run)
    with freeze_time(NOON - timedelta(hours=1)):
        loop.begin(*FEATURES)
    before = slowness(instance, NOON)
    assert before
    tidied(instance, NOON)
    assert slowness(instance, NOON) == before
