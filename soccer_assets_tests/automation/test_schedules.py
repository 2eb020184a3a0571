"""What the clock asks for: one run for the right days of the feed."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.automation.jobs import ingest_job
from soccer_assets.automation.partitions import FIRST_TAG, LAST_TAG
from soccer_assets.definitions import defs
from soccer_assets_tests.assets.conftest import INGESTION

moments = st.datetimes(datetime(2024, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))


def requested(name: str, at: datetime) -> list[dg.RunRequest]:
    schedule = defs.resolve_schedule_def(name)
    context = dg.build_schedule_context(
        scheduled_execution_time=at, repository_def=defs.get_repository_def()
    )
    return list(schedule.evaluate_tick(context).run_requests or [])


def days(requests: list[dg.RunRequest]) -> list[str]:
    """Of the range of the only run."""
    [request] = requests
    assert request.partition_key is None
    first, last = (date.fromisoformat(request.tags[tag]) for tag in (FIRST_TAG, LAST_TAG))
    return [str(first + timedelta(days=count)) for count in range((last - first).days + 1)]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2025-03-01T23:05:00+00:00", ["2025-02-27", "2025-02-28", "2025-03-01"]),
        ("2025-03-02T00:05:00+00:00", ["2025-02-28", "2025-03-01", "2025-03-02"]),
        ("2024-02-29T00:05:00+00:00", ["2024-02-27", "2024-02-28", "2024-02-29"]),
        ("2025-01-01T00:05:00+00:00", ["2024-12-30", "2024-12-31", "2025-01-01"]),
    ],
)
def test_every_hour_asks_for_today_and_the_two_days_before(at: str, expected: list[str]) -> None:
    assert days(requested("hourly_ingest", datetime.fromisoformat(at))) == expected


@pytest.mark.parametrize(
    ("at", "first", "last"),
    [
        ("2025-03-01T04:30:00+00:00", "2025-03-02", "2025-03-16"),
        ("2024-02-14T04:30:00+00:00", "2024-02-15", "2024-02-29"),
        ("2024-12-31T04:30:00+00:00", "2025-01-01", "2025-01-15"),
    ],
)
def test_every_day_asks_for_the_fifteen_days_ahead(at: str, first: str, last: str) -> None:
    asked = days(requested("daily_fixtures", datetime.fromisoformat(at)))
    assert (asked[0], asked[-1], len(asked)) == (first, last, 15)


@given(moments)
def test_the_two_together_ask_for_each_day_of_the_window_once(at: datetime) -> None:
    asked = days(requested("hourly_ingest", at)) + days(requested("daily_fixtures", at))
    today = at.date()
    assert asked == [str(today + timedelta(days=offset)) for offset in range(-2, 16)]


def test_a_day_is_asked_for_again_until_its_late_results_are_in() -> None:
    """Hourly from when it begins to the end of the second day after it."""
    day = date(2025, 3, 1)
    ticks = [datetime(2025, 2, 28, 0, 5, tzinfo=UTC) + timedelta(hours=h) for h in range(24 * 6)]
    asking = [tick for tick in ticks if str(day) in days(requested("hourly_ingest", tick))]
    assert asking[0] == datetime(2025, 3, 1, 0, 5, tzinfo=UTC)
    assert asking[-1] == datetime(2025, 3, 3, 23, 5, tzinfo=UTC)
    assert len(asking) == 72


def test_each_request_is_a_run_of_the_ingest_job() -> None:
    noon = datetime(2025, 3, 1, 12, tzinfo=UTC)
    for name in ("hourly_ingest", "daily_fixtures"):
        schedule = defs.resolve_schedule_def(name)
        assert schedule.job_name == ingest_job.name == "ingest"
        asked, later = requested(name, noon), requested(name, noon + timedelta(hours=1))
        # Dagster launches one run a key, and a day is asked for again at the next tick.
        keys = [one.run_key for one in asked + later]
        assert len(set(keys)) == len(keys)
        assert None not in keys
    job = defs.resolve_job_def("ingest")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == set(INGESTION)


def test_schedules_tick_when_they_say_and_run_by_default() -> None:
    start = datetime(2025, 3, 1, tzinfo=UTC)

    def ticks(schedule: dg.ScheduleDefinition, count: int) -> list[str]:
        found = schedule_execution_time_iterator(
            start.timestamp(), str(schedule.cron_schedule), schedule.execution_timezone or "UTC"
        )
        return [f"{next(found):%d %H:%M}" for _ in range(count)]

    hourly_ingest, daily_fixtures = (
        defs.resolve_schedule_def(name) for name in ("hourly_ingest", "daily_fixtures")
    )
    assert ticks(hourly_ingest, 3) == ["01 00:05", "01 01:05", "01 02:05"]
    assert ticks(daily_fixtures, 3) == ["01 04:30", "02 04:30", "03 04:30"]
    for schedule in (hourly_ingest, daily_fixtures):
        assert schedule.execution_timezone in (None, "UTC")
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
