"""Days that an outage left behind, found and asked for again by the sensor."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from soccer_assets.automation.catching_up import ASKED_BY_TAG, CATCH_UP
from soccer_assets.simulator.server import Fault, FeedServer
from soccer_assets.warehouse.ingested_days import overdue_days
from soccer_assets_tests.assets.conftest import INGESTION
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.platform import Platform, checks_of, platform

#: Fixtures are brought in, and then nobody is there for ten days.
GONE = datetime(2025, 2, 19, 6, tzinfo=UTC)
FIRST, LAST = date(2025, 2, 21), date(2025, 2, 28)
#: What had settled by ``MIDSEASON`` and was not asked for since, newest first.
LOST = [date(2025, 2, 26) - timedelta(days=k) for k in range(6)]


class CatchingUp:
    """The sensor, ticked by hand, and the runs that it asks for, run to their end."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.cursor: str | None = None

    def tick(self) -> list[dg.RunRequest]:
        definitions, instance = self.platform.definitions, self.platform.instance
        with dg.build_sensor_context(
            instance=instance,
            definitions=definitions,
            cursor=self.cursor,
            resources=definitions.resources,
        ) as context:
            data = definitions.resolve_sensor_def(CATCH_UP).evaluate_tick(context)
        self.cursor = data.cursor
        return list(data.run_requests or [])

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        job = self.platform.definitions.resolve_job_def("ingest")
        return job.execute_in_process(
            run_config=request.run_config,
            instance=self.platform.instance,
            tags=dict(request.tags),
            raise_on_error=False,
        )


def days_of(request: dg.RunRequest) -> tuple[str, str]:
    start, end = (f"dagster/asset_partition_range_{end}" for end in ("start", "end"))
    return request.tags[start], request.tags[end]


def days_without_results(engine: sa.Engine) -> set[date]:
    """Of those that were lost."""
    query = "SELECT DISTINCT feed_day FROM soccer.match WHERE status = 'scheduled'"
    with engine.connect() as connection:
        return set(connection.scalars(sa.text(query))) & set(LOST)


@pytest.fixture
def here(
    tmp_path: Path, feed: FeedServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    """A platform that comes back at ``MIDSEASON`` after an outage."""
    with platform(tmp_path, feed, database_url, {"LIVESCORES_ATTEMPTS": "1"}) as made:
        monkeypatch.setenv("SOCCER_AS_OF", GONE.isoformat())
        made.run(*INGESTION, partitions=(str(FIRST), str(LAST)))
        monkeypatch.setenv("SOCCER_AS_OF", MIDSEASON.isoformat())
        yield made


def test_days_that_an_outage_left_behind_are_told_and_brought_in_and_then_nothing_is_asked_for(
    here: Platform, feed: FeedServer
) -> None:
    assert len(days_without_results(here.engine)) > 3
    back = here.run(*INGESTION, partition="2025-03-01")
    told = checks_of(back)["no_day_overdue"]
    assert not told.passed
    assert told.metadata["overdue"].value == [str(day) for day in LOST]

    sensor = CatchingUp(here)
    [request] = sensor.tick()
    assert request.tags[ASKED_BY_TAG] == CATCH_UP
    assert days_of(request) == (str(LOST[-1]), str(LOST[0]))
    requests = feed.requests
    result = sensor.run(request)
    assert result.success
    assert feed.requests - requests == len(LOST)
    assert days_without_results(here.engine) == set()
    assert checks_of(result)["no_day_overdue"].passed
    assert sensor.tick() == []


def test_a_day_that_the_source_refuses_is_told_and_left_alone_for_a_while(
    here: Platform, feed: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = LOST[3]
    feed.inject(bad, Fault.unknown_status())
    sensor = CatchingUp(here)
    [request] = sensor.tick()
    assert not sensor.run(request).success
    assert here.latest_check("match", "no_day_overdue") is False
    assert days_without_results(here.engine) == {bad}
    assert sensor.tick() == []
    # In a while it is asked for alone, and later again, until it comes in.
    for minutes in (16, 90):
        later = MIDSEASON + timedelta(minutes=minutes)
        monkeypatch.setenv("SOCCER_AS_OF", later.isoformat())
        requests = feed.requests
        [request] = sensor.tick()
        assert days_of(request) == (str(bad), str(bad))
        if minutes == 90:
            feed.clear(bad)
        sensor.run(request)
        assert feed.requests - requests == 1
    assert days_without_results(here.engine) == set()
    assert here.latest_check("match", "no_day_overdue") is True
    assert sensor.tick() == []


def test_a_day_that_never_came_is_asked_for_where_the_history_is_known(here: Platform) -> None:
    with here.engine.begin() as connection:
        connection.execute(sa.text("UPDATE soccer.ingested_day SET checked_at = day + 3"))
        never_came = sa.text("DELETE FROM soccer.ingested_day WHERE day IN (:one, :other)")
        connection.execute(never_came, {"one": LOST[1], "other": LOST[-1]})
    [request] = CatchingUp(here).tick()
    # The last of the lost days is before the first that is known.
    assert days_of(request) == (str(LOST[1]), str(LOST[1]))


def test_it_is_silent_while_what_it_asked_for_is_on_its_way(here: Platform) -> None:
    sensor = CatchingUp(here)
    [request] = sensor.tick()
    sensor.cursor = None
    job = here.definitions.resolve_job_def("ingest")
    on_its_way = here.instance.create_run_for_job(
        job, tags=dict(request.tags), status=dg.DagsterRunStatus.STARTED
    )
    assert sensor.tick() == []
    here.instance.report_run_failed(on_its_way)
    assert len(sensor.tick()) == 1


def test_a_stray_day_of_long_ago_does_not_ask_for_all_the_years_since(here: Platform) -> None:
    stray, months_ago = date(1998, 1, 1), FIRST - timedelta(days=250)
    here.run(*INGESTION, partition=str(stray))
    [request] = CatchingUp(here).tick()
    assert days_of(request) == (str(LOST[-1]), str(LOST[0]))
    with here.engine.begin() as connection:  # not asked for since it settled
        unsettled = sa.text("UPDATE soccer.ingested_day SET checked_at = day WHERE day = :day")
        connection.execute(unsettled, {"day": stray})
    overdue = overdue_days(here.engine, MIDSEASON, stray)
    assert overdue == [*LOST, stray]
    # What an outage of months left out is history.
    here.run(*INGESTION, partition=str(months_ago))
    overdue = overdue_days(here.engine, MIDSEASON, stray)
    gone = [FIRST - timedelta(days=k) for k in range(1, 250)]
    assert overdue == [*LOST, *gone, stray]
