"""Whether a worker that is wrong is seen, and who says so."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import sqlalchemy as sa

from soccer_assets.alerting.kinds import Kind
from soccer_assets.alerting.outbox import Alert, record
from soccer_assets.replay.look import look
from soccer_assets.replay.plan import Day
from soccer_assets.serving.client import WorkerClient, WorkerUnreachable
from soccer_assets.serving.schemas import Prediction, PredictionPage, Readiness
from soccer_assets.warehouse.serving_tables import publish_predictions
from soccer_assets_tests.warehouse.test_serving_tables import champion, predictions

NOW = datetime(2024, 3, 9, 12, tzinfo=UTC)
KICKOFF = NOW + timedelta(hours=3)


class Worker:
    """Serves one match as it is told to."""

    def __init__(self, p_home: float = 0.5, version: int = 1, *, stale: bool = False) -> None:
        self.p_home, self.version, self.stale = p_home, version, stale

    def ready(self) -> Readiness:
        return Readiness(ready=not self.stale, version=self.version, age_seconds=7200.0)

    def predictions(self, _: int) -> PredictionPage:
        one = {
            "match_id": 1, "kickoff": KICKOFF, "status": "scheduled", "tournament_id": 1,
            "tournament_name": "League", "region_name": "Land", "season_name": None,
            "home_team_id": 1, "home_team_name": "A", "away_team_id": 2, "away_team_name": "B",
            "p_home": self.p_home, "p_draw": 0.8 - self.p_home, "p_away": 0.2,
            "features_as_of": NOW, "predicted_at": NOW, "made_before_kickoff": True,
            "model_version": self.version,
        }  # fmt: skip
        return PredictionPage(
            model_version=self.version,
            predictions=[Prediction.model_validate(one)],
            next=None,
            stale=self.stale,
        )


class Silent(Worker):
    def ready(self) -> Readiness:
        raise WorkerUnreachable("http://127.0.0.1", "no answer")


def looked(engine: sa.Engine, worker: Worker) -> Day:
    day = Day(NOW.isoformat())
    look(day, cast(WorkerClient, cast(Any, worker)), engine)
    return day


@pytest.fixture
def predicted(engine: sa.Engine) -> sa.Engine:
    for version, p_home in ((1, 0.4), (1, 0.5)):
        frame = predictions(1, kickoff=KICKOFF, p_home=p_home)
        publish_predictions(engine, frame, champion(version), NOW)
    return engine


def test_a_worker_that_serves_what_was_predicted_last_is_right(predicted: sa.Engine) -> None:
    day = looked(predicted, Worker())

    assert (day.ready, day.served_version, day.age_hours, day.wrong) == (True, 1, 2.0, 0)
    assert not day.is_silently_wrong


@pytest.mark.parametrize("worker", [Worker(0.4), Worker(0.5, version=2)])
def test_a_worker_that_serves_something_else_is_silently_wrong(
    predicted: sa.Engine, worker: Worker
) -> None:
    day = looked(predicted, worker)

    assert day.wrong == 1
    assert day.is_silently_wrong


def test_with_a_mark_or_an_alert_it_is_not_silent(predicted: sa.Engine) -> None:
    assert not looked(predicted, Worker(0.4, stale=True)).is_silently_wrong
    record(predicted, Alert(Kind.RELOAD_FAILED, "serving_workers", "it refuses"), NOW)

    day = looked(predicted, Worker(0.4))

    assert day.open_alerts == ["reload_failed: serving_workers"]
    assert day.wrong == 1
    assert not day.is_silently_wrong


def test_a_worker_that_does_not_answer_serves_nothing_wrong(predicted: sa.Engine) -> None:
    day = looked(predicted, Silent())

    assert not day.ready
    assert day.wrong == 0
