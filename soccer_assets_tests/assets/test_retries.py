"""Runs that fail while a service is away, on a clock that the test moves."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.test_utils import freeze_time

from soccer_assets.alerting.outbox import find
from soccer_assets.assets.rebuild import rebuild_job
from soccer_assets.automation.jobs import JOBS
from soccer_assets.automation.retries import retry_sensors
from soccer_assets.automation.retry_policy import PAUSES, RETRY_TAG, TRIED_FOR, with_causes_noted
from soccer_assets.automation.run_alerts import Seen, run_alert
from soccer_assets.resources import ParamsResource, SlackAlertResource, WarehouseResource
from soccer_assets.settings import Settings, get_settings
from soccer_assets.simulator.server import Fault, FeedServer
from soccer_assets_tests.conftest import MIDSEASON, S3Service
from soccer_assets_tests.outages import Line
from soccer_assets_tests.platform import Platform, platform

pytestmark = pytest.mark.system

DAY = date(2025, 2, 26)
START = datetime(2025, 3, 1, 4, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
#: Until all is over.
AFTERWARDS = timedelta(minutes=75)


def resources() -> dict[str, Any]:
    settings = get_settings()
    return {
        "warehouse": WarehouseResource(settings=settings),
        "slack": SlackAlertResource(settings=Settings(), channel="#nowhere"),
        "params": ParamsResource(settings=settings),
    }


class Daemon:
    """Runs what it is told to, and what the sensors ask for, minute by minute."""

    def __init__(
        self,
        definitions: dg.Definitions,
        instance: dg.DagsterInstance,
    ) -> None:
        self.definitions, self.instance = definitions, instance
        self.cursor: str | None = Seen(0, 0).to_json()
        self.now = START
        self.runs: list[tuple[timedelta, bool]] = []
        """How long after the start each ran, and whether it went through."""

    @property
    def alerts(self) -> list[str]:
        """What is in the outbox."""
        return [entry.text for entry in find(resources()["warehouse"].engine)]

    def run(self, job_name: str, **how: Any) -> dg.DagsterRun:
        with freeze_time(self.now):
            if job_name == "__ASSET_JOB":
                job = self.definitions.resolve_implicit_global_asset_job_def()
            else:
                job = self.definitions.resolve_job_def(job_name)
            result = job.execute_in_process(instance=self.instance, raise_on_error=False, **how)
            self.runs.append((self.now - START, result.success))
            run = self.instance.get_run_by_id(result.run_id)
            assert run is not None
            if not result.success:
                self.look()
        return run

    def look(self) -> None:
        """As the daemon has the sensor look that alerts."""
        with dg.build_sensor_context(
            instance=self.instance,
            definitions=self.definitions,
            cursor=self.cursor,
            resources=resources(),
        ) as context:
            self.cursor = run_alert.evaluate_tick(context).cursor

    def tick(self, after: timedelta = MINUTE) -> list[dg.RunRequest]:
        self.now += after
        requests: list[dg.RunRequest] = []
        for sensor in retry_sensors([*JOBS, rebuild_job]):
            with (
                freeze_time(self.now),
                dg.build_sensor_context(
                    instance=self.instance,
                    definitions=self.definitions,
                    resources=resources(),
                ) as context,
            ):
                requests += sensor.evaluate_tick(context).run_requests or []
        for request in requests:
            assert request.job_name is not None
            self.run(
                request.job_name,
                run_config=request.run_config,
                tags=dict(request.tags),
                asset_selection=request.asset_selection,
            )
        return requests

    def pass_by(self, time: timedelta) -> None:
        """Tick every minute of the first five after the start, then every five minutes."""
        until = self.now + time
        while self.now < until:
            self.tick(MINUTE if self.now < START + 5 * MINUTE else 5 * MINUTE)


@pytest.fixture
def daemon(midseason: Platform) -> Daemon:
    return Daemon(midseason.definitions, midseason.instance)


def is_loaded(engine: sa.Engine) -> bool:
    with engine.connect() as connection:
        query = sa.text("SELECT count(*) FROM soccer.match WHERE feed_day = :day")
        return bool(connection.scalar(query, {"day": DAY}))


AT_SECOND_TRY, AT_THIRD_TRY = PAUSES[0], PAUSES[0] + PAUSES[1]


def test_a_feed_that_is_away_for_a_while_is_asked_again_after_pauses_and_nobody_is_told(
    daemon: Daemon, midseason: Platform, feed: FeedServer
) -> None:
    feed.inject(DAY, Fault.http_500())
    daemon.run("ingest", partition_key=str(DAY), tags={"soccer/asked_by": "somebody"})
    daemon.tick()
    feed.clear(DAY)
    daemon.pass_by(AFTERWARDS)
    assert daemon.runs == [(0 * MINUTE, False), (AT_SECOND_TRY, False), (AT_THIRD_TRY, True)]
    assert is_loaded(midseason.engine)
    assert daemon.alerts == []
    last = next(iter(daemon.instance.get_runs(limit=1)))
    assert last.job_name == "ingest"
    assert last.tags["dagster/partition"] == str(DAY)
    assert last.tags["soccer/asked_by"] == "somebody"
    assert last.tags["soccer/try"] == "3"


def test_a_feed_that_stays_away_is_asked_for_an_hour_and_told_once(
    daemon: Daemon, feed: FeedServer
) -> None:
    feed.inject(DAY, Fault.http_500())
    daemon.run("ingest", partition_key=str(DAY))
    daemon.pass_by(AFTERWARDS)
    expected = [sum(PAUSES[:k], timedelta()) for k in range(len(PAUSES) + 1)]
    assert [at for at, _ in daemon.runs] == expected
    assert expected[-1] <= TRIED_FOR
    [alert] = daemon.alerts
    assert f"ingest ({DAY}) failed {len(expected)} times" in alert
    assert "HTTP 500 (1 attempts)" in alert
    waiting = dg.RunsFilter(tags={RETRY_TAG: "waits"})
    assert daemon.instance.get_runs(waiting) == []


def test_what_the_feed_says_is_not_asked_for_again_and_told_at_once(
    daemon: Daemon, feed: FeedServer
) -> None:
    feed.inject(DAY, Fault.unknown_status())
    daemon.run("ingest", partition_key=str(DAY))
    assert len(daemon.alerts) == 1
    daemon.pass_by(AFTERWARDS)
    assert len(daemon.runs) == len(daemon.alerts) == 1


def test_a_database_that_is_away_for_a_while(
    tmp_path: Path, feed: FeedServer, database_url: str
) -> None:
    url = sa.make_url(database_url)
    with Line(f"{url.query['host']}/.s.PGSQL.{url.port or 5432}") as line:
        behind = url.set(host="127.0.0.1", port=line.port, query={})
        environment = {"SOCCER_AS_OF": MIDSEASON.isoformat()}
        through = behind.render_as_string(hide_password=False)
        with platform(tmp_path, feed, through, environment) as here:
            daemon = Daemon(here.definitions, here.instance)
            assert not is_loaded(here.engine)
            line.cut()
            daemon.run("ingest", partition_key=str(DAY))
            daemon.tick()
            line.mend()
            daemon.pass_by(AFTERWARDS)
            assert [done for _, done in daemon.runs] == [False, False, True]
            assert is_loaded(here.engine)
            assert daemon.alerts == []


def test_an_object_store_that_is_away_for_a_while(
    tmp_path: Path,
    feed: FeedServer,
    database_url: str,
    s3_service: S3Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("soccer_assets.storage.opening.S3_RETRIES", 1)
    service = sa.make_url(s3_service.url)
    assert service.host is not None
    assert service.port is not None
    with Line((service.host, service.port)) as line:
        environment = {
            "SOCCER_AS_OF": MIDSEASON.isoformat(),
            "LAKE_URI": "s3://outage/lake",
            "S3_ENDPOINT_URL": f"http://127.0.0.1:{line.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        s3_service.client.create_bucket(Bucket="outage")
        with platform(tmp_path, feed, database_url, environment) as here:
            daemon = Daemon(here.definitions, here.instance)
            line.cut()
            daemon.run("ingest", partition_key=str(DAY))
            daemon.tick()
            line.mend()
            daemon.pass_by(AFTERWARDS)
            assert [done for _, done in daemon.runs] == [False, False, True]
            assert is_loaded(here.engine)
            assert daemon.alerts == []


def test_a_rebuild_is_started_again_as_a_whole(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any, **extra: Any) -> None:
        raise ConnectionRefusedError("not there")

    with monkeypatch.context() as patch:
        patch.setattr("soccer_assets.ingestion.rebuild.rebuild_warehouse", away)
        daemon.run("rebuild")
    daemon.pass_by(AFTERWARDS)
    assert daemon.runs == [(0 * MINUTE, False), (AT_SECOND_TRY, True)]
    assert daemon.alerts == []


def test_of_many_days_those_that_were_refused_decide(daemon: Daemon, feed: FeedServer) -> None:
    feed.inject(DAY, Fault.http_500())
    feed.inject(DAY + timedelta(days=1), Fault.unknown_status())
    bounds = {"start": str(DAY), "end": str(DAY + timedelta(days=1))}
    tags = {f"dagster/asset_partition_range_{end}": day for end, day in bounds.items()}
    run = daemon.run("ingest", tags=tags)
    assert run.tags["soccer/failed_by"] == "content"


# A graph of two, without the services


class Service:
    """What ``second`` needs."""

    def __init__(self) -> None:
        self.error: Exception | None = ConnectionRefusedError("not there")


def two_assets(service: Service) -> dg.Definitions:
    @dg.asset
    def first() -> None: ...

    @dg.asset(deps=[first])
    def second() -> None:
        if service.error:
            raise service.error

    return dg.Definitions(assets=with_causes_noted([first, second]))


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def small(service: Service, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    monkeypatch.setenv("POSTGRES_URL", database_url)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(two_assets(service), instance)
    resources()["warehouse"].engine.dispose()


def test_only_what_is_left_to_make_is_tried_again(small: Daemon, service: Service) -> None:
    small.run("__ASSET_JOB")
    service.error = None
    [request] = small.tick()
    assert request.asset_selection == [dg.AssetKey("second")]
    small.pass_by(AFTERWARDS)
    assert [done for _, done in small.runs] == [False, True]


def test_a_bug_is_told_at_once_and_so_is_one_that_comes_up_in_a_further_try(
    small: Daemon, service: Service
) -> None:
    small.run("__ASSET_JOB")
    service.error = KeyError("kickoff")
    small.tick()
    [alert] = small.alerts
    assert "failed 2 times" in alert
    small.pass_by(AFTERWARDS)
    assert len(small.runs) == 2
    assert len(small.alerts) == 1


def test_what_somebody_else_has_made_since_is_neither_tried_nor_told(
    small: Daemon, service: Service
) -> None:
    small.run("__ASSET_JOB")
    with freeze_time(small.now + MINUTE / 2):
        small.instance.report_runless_asset_event(dg.AssetMaterialization("first"))
        small.instance.report_runless_asset_event(dg.AssetMaterialization("second"))
    small.pass_by(AFTERWARDS)
    assert len(small.runs) == 1
    assert small.alerts == []


def test_a_run_whose_process_died_is_tried_again(small: Daemon, service: Service) -> None:
    service.error = None
    job = small.definitions.resolve_implicit_global_asset_job_def()
    with freeze_time(small.now):
        run = small.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        small.instance.report_run_failed(run, "its process is gone")
        small.look()
    small.pass_by(AFTERWARDS)
    assert small.runs == [(PAUSES[0], True)]
    assert small.alerts == []


def test_checks_alone_are_not_tried_again_and_make_nothing(daemon: Daemon) -> None:
    run = dg.DagsterRun(
        job_name="__ASSET_JOB",
        status=dg.DagsterRunStatus.STARTED,
        asset_check_selection=frozenset({dg.AssetCheckKey(dg.AssetKey("features"), "ranges")}),
    )
    with freeze_time(daemon.now):
        daemon.instance.add_run(run)
        daemon.instance.report_run_failed(run, "its process is gone")
        daemon.look()
    assert daemon.alerts == []
    daemon.pass_by(AFTERWARDS)
    assert daemon.runs == []
    assert len(daemon.alerts) == 1


def test_a_run_of_a_command_is_left_to_who_typed_it_and_told_at_once(small: Daemon) -> None:
    small.run("__ASSET_JOB", tags={"dagster/max_retries": "0"})
    assert len(small.alerts) == 1
    small.pass_by(AFTERWARDS)
    assert len(small.runs) == 1


def test_a_run_that_is_asked_for_again_anyway_is_told_when_the_hour_is_over(
    small: Daemon, service: Service
) -> None:
    small.run("__ASSET_JOB", tags={"soccer/trigger": "update"})
    small.pass_by(TRIED_FOR - 5 * MINUTE)
    assert (len(small.runs), small.alerts) == (1, [])
    small.pass_by(AFTERWARDS)
    assert (len(small.runs), len(small.alerts)) == (1, 1)


def test_a_run_that_is_asked_for_again_and_fails_again_is_not_told_again(
    small: Daemon, service: Service
) -> None:
    service.error = KeyError("kickoff")
    for attempt in (1, 2, 3):
        small.run("__ASSET_JOB", tags={"soccer/trigger": "update", "soccer/attempt": str(attempt)})
    assert len(small.alerts) == 1


def test_a_tick_that_is_repeated_asks_for_the_same_run(small: Daemon, service: Service) -> None:
    """Dagster starts one run a key, whatever became of the tick before."""
    small.run("__ASSET_JOB")
    small.now += MINUTE
    _, of_assets = retry_sensors(JOBS)
    keys = []
    for _ in range(2):
        with (
            freeze_time(small.now),
            dg.build_sensor_context(
                instance=small.instance,
                definitions=small.definitions,
                resources=resources(),
            ) as context,
        ):
            [request] = of_assets.evaluate_tick(context).run_requests or []
            keys.append(request.run_key)
    assert keys[0] == keys[1]
