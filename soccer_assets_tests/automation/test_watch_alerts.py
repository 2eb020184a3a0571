"""What nothing happens about: failed ticks, a silent daemon, no champion; and the daily digest."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.test_utils import freeze_time
from dagster._daemon.types import DaemonHeartbeat
from dagster._utils.error import SerializableErrorInfo

from soccer_assets.alerting.kinds import Kind
from soccer_assets.alerting.outbox import Alert, record
from soccer_assets.automation.reasons import ATTEMPT, TRAINING_TAG, TRIGGER_TAG
from soccer_assets.automation.retraining import NO_MODEL
from soccer_assets.automation.watch_alerts import alert_watch
from soccer_assets.warehouse import promotions
from soccer_assets.warehouse.promotions import Decision, Holder
from soccer_assets_tests.automation.alert_desk import Desk

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LOCATION = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("soccer_assets"), "__repository__")
UPDATES = InstigatorState(
    RemoteInstigatorOrigin(LOCATION, "updates"),
    InstigatorType.SENSOR,
    InstigatorStatus.RUNNING,
    SensorInstigatorData(),
)


def ticked(desk: Desk, status: TickStatus) -> None:
    """The sensor ``updates`` has ticked, and asked for nothing."""
    error = SerializableErrorInfo("KeyError: 'kickoff'", [], "KeyError")
    desk.instance.create_tick(
        TickData(
            instigator_origin_id=UPDATES.instigator_origin_id,
            instigator_name="updates",
            instigator_type=InstigatorType.SENSOR,
            status=status,
            timestamp=desk.now.timestamp(),
            selector_id=UPDATES.selector_id,
            run_ids=[],
            error=error if status is TickStatus.FAILURE else None,
        )
    )


def of_kind(desk: Desk, kind: Kind) -> list[tuple[str, str, int]]:
    return [(row.key, row.state, row.count) for row in desk.outbox if row.kind is kind]


@pytest.fixture
def with_schedules(desk: Desk) -> Iterator[Desk]:
    """An instance that keeps ticks, as one in memory does not."""
    with dg.DagsterInstance.local_temp() as desk.instance:
        yield desk


def test_a_sensor_that_fails_at_its_ticks_is_told_and_that_it_does_not_any_more(
    with_schedules: Desk,
) -> None:
    desk = with_schedules
    desk.instance.add_instigator_state(UPDATES)
    for status, told in (
        (TickStatus.SKIPPED, []),
        (TickStatus.FAILURE, [("updates", "open", 1)]),
        (TickStatus.FAILURE, [("updates", "open", 2)]),
        (TickStatus.SKIPPED, [("updates", "recovered", 2)]),
    ):
        desk.now += MINUTE
        ticked(desk, status)
        desk.tick(alert_watch)
        desk.tick(alert_watch)  # the same tick counts once
        assert of_kind(desk, Kind.TICK_FAILED) == told
    [row] = [row for row in desk.outbox if row.kind is Kind.TICK_FAILED]
    assert row.text == "sensor updates fails at its ticks: KeyError: 'kickoff'"


def test_a_part_of_the_daemon_that_is_silent_is_told_and_that_it_is_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.instance, "get_required_daemon_types", lambda: ["SENSOR", "SCHEDULER"])

    def beats() -> None:
        beat = DaemonHeartbeat(desk.now.timestamp(), "SCHEDULER", "this", [])
        desk.instance.add_daemon_heartbeat(beat)

    beats()
    desk.tick(alert_watch)
    for _ in range(3):
        desk.tick(alert_watch, 6 * MINUTE)
    assert of_kind(desk, Kind.DAEMON_SILENT) == [("SCHEDULER", "open", 1)]
    beats()
    desk.tick(alert_watch)
    assert of_kind(desk, Kind.DAEMON_SILENT) == [("SCHEDULER", "recovered", 1)]


def test_that_nothing_ticked_is_told_when_it_does(desk: Desk) -> None:
    desk.tick(alert_watch)
    desk.tick(alert_watch, MINUTE)
    assert of_kind(desk, Kind.DAEMON_SILENT) == []
    desk.tick(alert_watch, 5 * HOUR)
    assert of_kind(desk, Kind.DAEMON_SILENT) == [("SENSOR", "recovered", 1)]


def test_that_there_is_no_champion_is_told_after_a_day_and_that_there_is_one(desk: Desk) -> None:
    with freeze_time(desk.now):
        desk.instance.report_runless_asset_event(dg.AssetMaterialization("features"))
    desk.tick(alert_watch, 23 * HOUR)
    assert of_kind(desk, Kind.NO_CHAMPION) == []
    desk.tick(alert_watch, 2 * HOUR)
    desk.tick(alert_watch, HOUR)
    assert of_kind(desk, Kind.NO_CHAMPION) == [("champion", "open", 1)]
    desk.instance.report_runless_asset_event(dg.AssetMaterialization("champion_model"))
    desk.tick(alert_watch)
    assert of_kind(desk, Kind.NO_CHAMPION) == [("champion", "recovered", 1)]


def test_that_trainings_come_to_nothing_is_told_once_and_that_one_did_not(desk: Desk) -> None:
    def trains_in_vain() -> None:
        tags = {TRAINING_TAG: ATTEMPT, TRIGGER_TAG: NO_MODEL}
        failed = dg.DagsterRun(job_name="a", tags=tags, status=dg.DagsterRunStatus.FAILURE)
        with freeze_time(desk.now):
            desk.instance.add_run(failed)

    trains_in_vain()
    desk.tick(alert_watch)
    assert of_kind(desk, Kind.TRAINING_IN_VAIN) == []
    desk.now += DAY
    trains_in_vain()
    desk.tick(alert_watch)
    desk.tick(alert_watch, HOUR)
    assert of_kind(desk, Kind.TRAINING_IN_VAIN) == [("training", "open", 1)]
    [told] = [row.text for row in desk.outbox if row.kind is Kind.TRAINING_IN_VAIN]
    assert "2 failed attempts until" in told
    assert "there is no model yet" in told
    with freeze_time(desk.now + HOUR):
        desk.instance.report_runless_asset_event(dg.AssetMaterialization("trained_model"))
        desk.instance.report_runless_asset_event(dg.AssetMaterialization("champion_model"))
    desk.tick(alert_watch, 2 * HOUR)
    assert of_kind(desk, Kind.TRAINING_IN_VAIN) == [("training", "recovered", 1)]


def test_what_people_and_the_review_decide_is_told_once_from_its_record(desk: Desk) -> None:
    def decided(number: int, kind: str, ago: timedelta = HOUR) -> None:
        decision = Decision(
            decision_id=f"d{number}",
            decided_at=desk.now - ago,
            kind=kind,
            before=Holder(4, "run4"),
            about=Holder(3, "run3"),
            reason="worse than its predecessor",
            who="review",
            figures={"e_value": 31.5},
        )
        promotions.record(desk.resources["warehouse"].engine, decision)

    decided(1, promotions.ROLLED_BACK)
    decided(2, promotions.AWAITING)
    decided(3, promotions.MOVED_BY_HAND, 2 * DAY)
    decided(4, promotions.PROMOTED)  # its gate tells that
    for _ in range(3):
        desk.tick(alert_watch)
        desk.cursors.clear()
    told = {row.kind: row for row in desk.outbox if row.kind is not Kind.DIGEST}
    assert {kind: row.count for kind, row in told.items()} == {
        Kind.ROLLED_BACK: 1,
        Kind.AWAITING: 1,
    }
    fallen = told[Kind.ROLLED_BACK]
    assert "worse than its predecessor (review); version 3, champion before 4" in fallen.text
    assert fallen.facts == {"e_value": "31.5"}


def test_the_digest_comes_once_a_day_at_its_hour(desk: Desk) -> None:
    desk.now = desk.now.replace(hour=6)
    desk.tick(alert_watch)
    assert of_kind(desk, Kind.DIGEST) == []
    for _ in range(3):
        desk.tick(alert_watch, HOUR)
        desk.cursors.clear()  # a cursor that is lost tells nothing twice
    assert of_kind(desk, Kind.DIGEST) == [(f"{desk.now:%Y-%m-%d}", "event", 1)]
    desk.tick(alert_watch, DAY)
    assert len(of_kind(desk, Kind.DIGEST)) == 2
    [first, *_] = [row for row in desk.outbox if row.kind is Kind.DIGEST]
    assert first.facts["served"] == "nothing: there is no champion"
    assert first.facts["ledger"] == "0 entries in 24 h, no day closed yet"
    assert first.facts["yesterday"] == "no predicted match was settled"


def test_a_trouble_that_stays_is_named_in_the_digest_of_every_day(desk: Desk) -> None:
    """As a report that fails while every challenger is refused, and its next try is weeks away."""
    failing = Alert(Kind.CHECK_FAILED, "prediction_decay/decay", "check decay failed")
    record(desk.resources["warehouse"].engine, failing, desk.now)
    for _ in range(16):
        desk.tick(alert_watch, DAY)
    digests = [row.facts for row in desk.outbox if row.kind is Kind.DIGEST]
    assert len(digests) == 16
    for facts in digests:
        assert facts["open alerts"] == "1"
        assert facts["check_failed since 01 Mar 12:00"] == "check decay failed"
