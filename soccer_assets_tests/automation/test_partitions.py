"""The bounds of the partitions, which follow the parameters and the clock."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.automation import partitions
from soccer_assets.definitions import make_definitions
from soccer_assets.params import read_params
from soccer_assets.settings import DEFAULT_PARAMS, Settings, SettingsError

FIRST_DAY = date(1998, 1, 1)
DAYS_AHEAD = 15
INGESTION = read_params(DEFAULT_PARAMS).ingestion
daily, monthly = partitions.daily(INGESTION), partitions.monthly(INGESTION)

moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))


def keys(partitions: dg.TimeWindowPartitionsDefinition, now: datetime) -> list[str]:
    with dg.partition_loading_context(effective_dt=now):
        return list(partitions.get_partition_keys())


def bounds(partitions: dg.TimeWindowPartitionsDefinition, now: datetime) -> tuple[date, date]:
    with dg.partition_loading_context(effective_dt=now):
        first, last = partitions.get_first_partition_key(), partitions.get_last_partition_key()
    assert first is not None
    assert last is not None
    return date.fromisoformat(first), date.fromisoformat(last)


@given(moments)
def test_days_reach_from_the_first_one_to_fifteen_ahead(now: datetime) -> None:
    assert bounds(daily, now) == (FIRST_DAY, now.date() + timedelta(days=DAYS_AHEAD))


@given(moments)
def test_months_hold_every_day(now: datetime) -> None:
    first, last = bounds(monthly, now)
    assert first == FIRST_DAY
    assert last.day == 1
    # Up to the month of the last day, and no further than the one after this.
    last_day = bounds(daily, now)[1]
    assert last >= last_day.replace(day=1)
    assert last <= (now.date().replace(day=1) + timedelta(days=32)).replace(day=1)


@given(moments, st.integers(0, 366))
def test_months_hold_every_day_however_far_ahead_fixtures_are_asked_for(
    now: datetime, ahead: int
) -> None:
    far = INGESTION.model_copy(update={"days_ahead": ahead})
    last_day = now.date() + timedelta(days=ahead)
    last = bounds(partitions.monthly(far), now)[1]
    assert last_day.replace(day=1) <= last <= last_day + timedelta(days=62)


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2025-03-01T23:59:59+00:00", "2025-03-16"),
        ("2025-03-02T00:00:00+00:00", "2025-03-17"),
        ("2024-02-14T12:00:00+00:00", "2024-02-29"),
        ("2024-12-31T00:00:00+00:00", "2025-01-15"),
    ],
)
def test_a_new_day_comes_at_midnight_utc(now: str, last: str) -> None:
    assert keys(daily, datetime.fromisoformat(now))[-1] == last


def test_every_day_and_every_month_is_there_once() -> None:
    now = datetime(2025, 3, 1, 12, tzinfo=UTC)
    days, months = keys(daily, now), keys(monthly, now)
    assert len(set(days)) == len(days) == (date(2025, 3, 16) - FIRST_DAY).days + 1
    assert sorted(days) == days
    assert {day[:7] for day in days} <= {month[:7] for month in months}
    assert len(months) == 27 * 12 + 4


def test_a_month_is_made_of_its_days() -> None:
    mapping = dg.TimeWindowPartitionMapping()
    now = datetime(2025, 3, 1, 12, tzinfo=UTC)
    with dg.partition_loading_context(effective_dt=now):
        subset = monthly.subset_with_partition_keys(["2024-02-01"])
        found = mapping.get_upstream_mapped_partitions_result_for_partitions(subset, monthly, daily)
    days = list(found.partitions_subset.get_partition_keys())
    assert days == [f"2024-02-{day:02}" for day in range(1, 30)]


def test_the_bounds_are_those_of_the_parameters_that_the_settings_name(tmp_path: Path) -> None:
    """The first day and the days ahead are written down once: in the parameters file."""
    assert (INGESTION.first_day, INGESTION.days_ahead) == (FIRST_DAY, DAYS_AHEAD)
    params = tmp_path / "params.yaml"
    params.write_text('ingestion: {first_day: "2010-08-14", days_ahead: 3}')
    definitions = make_definitions(Settings(soccer_params=params))
    graph = definitions.resolve_asset_graph()
    now = datetime(2025, 3, 1, 12, tzinfo=UTC)
    for asset in ("livescores", "match_raw", "match"):
        days = graph.get(dg.AssetKey(asset)).partitions_def
        assert isinstance(days, dg.TimeWindowPartitionsDefinition)
        assert bounds(days, now) == (date(2010, 8, 14), date(2025, 3, 4))
    for asset in ("match_raw_parquet", "match_parquet"):
        months = graph.get(dg.AssetKey(asset)).partitions_def
        assert isinstance(months, dg.TimeWindowPartitionsDefinition)
        assert bounds(months, now)[0] == date(2010, 8, 1)
    fixtures = definitions.resolve_schedule_def("daily_fixtures")
    asked = fixtures.evaluate_tick(
        dg.build_schedule_context(
            scheduled_execution_time=now, repository_def=definitions.get_repository_def()
        )
    )
    [request] = asked.run_requests or ()
    assert (request.tags[partitions.FIRST_TAG], request.tags[partitions.LAST_TAG]) == (
        "2025-03-02",
        "2025-03-04",
    )


def test_a_history_that_begins_after_the_last_day_there_is_has_none() -> None:
    """Only the clock can tell: what is refused today may be right tomorrow."""
    today = datetime.now(UTC).date()
    soon = INGESTION.model_copy(update={"first_day": today + timedelta(days=DAYS_AHEAD - 1)})
    assert partitions.first_and_last_day(soon)[0] == soon.first_day
    late = INGESTION.model_copy(update={"first_day": today + timedelta(days=DAYS_AHEAD + 2)})
    with pytest.raises(SettingsError, match=f"^ingestion.first_day: {late.first_day} is after "):
        partitions.first_and_last_day(late)
