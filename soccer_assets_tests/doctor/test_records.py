"""What an operator reads of alerts, of the ledger, and of who is champion."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import mlflow
import pytest
import sqlalchemy as sa

from soccer_assets.alerting.delivery import deliver
from soccer_assets.alerting.kinds import Kind, Severity
from soccer_assets.alerting.outbox import Alert, record, recover
from soccer_assets.alerting.params import AlertingParams
from soccer_assets.doctor import records as looks
from soccer_assets.doctor.finding import Wrong
from soccer_assets.doctor.services import Services
from soccer_assets.lake.ledger import close_days, key_of
from soccer_assets.modelling.mlflow_service import connect
from soccer_assets.modelling.office import By, Office
from soccer_assets.modelling.registry import AWAITING, CHAMPION, MODEL_NAME, ModelRegistry
from soccer_assets.modelling.verdict import Verdict
from soccer_assets.resources import SlackAlertResource
from soccer_assets.resources.mlflow import EXPERIMENT
from soccer_assets.warehouse.served_model import ServedModel
from soccer_assets.warehouse.serving_tables import publish_predictions
from soccer_assets_tests.fake_slack import Slack
from soccer_assets_tests.warehouse.test_serving_tables import champion, predictions

pytestmark = pytest.mark.system

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
PASSED, GATE = Verdict("champion", ()), By("gate")


def wrong(look: Callable[[], str]) -> str:
    with pytest.raises(Wrong) as told:
        look()
    return str(told.value)


# Alerts


def test_open_alerts_are_named_the_worst_first_and_errors_are_wrong(engine: sa.Engine) -> None:
    assert looks.alerts(engine) == "none is open"
    record(engine, Alert(Kind.PROMOTED, "7", "Version 7 is champion"), NOON)
    record(engine, Alert(Kind.RUN_SLOW, "a", "ingest takes its time"), NOON)
    assert looks.alerts(engine) == (
        "1 open: run_slow since 2025-03-01 12:00: ingest takes its time (soccer alerts --open)"
    )
    for number in range(3):
        text = f"asset {number} is stale, {'very ' * 30}"
        record(engine, Alert(Kind.STALE, str(number), text), NOON + number * HOUR)
    told = wrong(lambda: looks.alerts(engine))
    assert told.startswith("4 open: stale since 2025-03-01 12:00: asset 0 is stale, very")
    assert told.endswith("; and 1 more (soccer alerts --open)")
    assert "run_slow" not in told
    assert "very " * 20 not in told
    for number in range(3):
        recover(engine, Kind.STALE, str(number), "fresh again", NOON + DAY)
    assert looks.alerts(engine).startswith("1 open: run_slow")


def test_a_warning_that_became_an_error_is_wrong(engine: sa.Engine) -> None:
    for severity in (Severity.WARNING, Severity.ERROR):
        record(engine, Alert(Kind.STALE, "a", "stale", severity=severity), NOON)
    assert "1 open: stale" in wrong(lambda: looks.alerts(engine))


def test_alerts_that_do_not_reach_people_are_told_after_half_an_hour(
    services: Services, engine: sa.Engine, slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-hush")
    settings = type(services.settings)(soccer_home=services.settings.soccer_home)
    messenger = SlackAlertResource(settings=settings, channel="#there", api_url=slack.url)

    def told(at: datetime) -> None:
        deliver(engine, messenger, AlertingParams(), at)

    assert looks.delivery(engine, NOON) == "all that was to be told was told"
    record(engine, Alert(Kind.STALE, "a", "features is stale"), NOON)
    waits = "1 alerts wait to be told, the oldest since 2025-03-01 12:00 UTC"
    assert looks.delivery(engine, NOON + HOUR / 4) == waits
    assert wrong(lambda: looks.delivery(engine, NOON + HOUR)).startswith(f"{waits}: see the lines")
    slack.channels = set()  # the bot was thrown out
    told(NOON + HOUR)
    assert "Slack has refused 1 of them" in wrong(lambda: looks.delivery(engine, NOON + HOUR))
    slack.channels = None
    told(NOON + HOUR)
    assert looks.delivery(engine, NOON + DAY) == "all that was to be told was told"
    # Its end waits as well, from when it was over.
    recover(engine, Kind.STALE, "a", "fresh again", NOON + DAY)
    assert looks.delivery(engine, NOON + DAY).startswith("1 alerts wait")
    assert "since 2025-03-02 12:00" in wrong(lambda: looks.delivery(engine, NOON + DAY + HOUR))


# The ledger


@pytest.fixture
def entered(services: Services, engine: sa.Engine) -> Services:
    """Predictions of the day of NOON, none of which is closed."""
    publish_predictions(engine, predictions(1, 2, kickoff=NOON + HOUR), champion(), NOON)
    return services


def test_a_ledger_that_is_kept(entered: Services, services_of: Callable[..., Services]) -> None:
    first = "no day is closed yet, the first entry is of 2025-03-01"
    assert looks.ledger(entered, NOON + DAY) == first
    close_days(entered.engine, entered.lake, NOON + DAY)
    told = "1 days are closed, the last is 2025-03-01"
    assert looks.ledger(entered, NOON + DAY) == told
    assert looks.ledger(entered, NOON + 2 * DAY) == told


def test_a_ledger_whose_days_are_not_closed(entered: Services) -> None:
    told = wrong(lambda: looks.ledger(entered, NOON + 3 * DAY))
    assert told.startswith("no day is closed yet, the first entry is of 2025-03-01")
    close_days(entered.engine, entered.lake, NOON + DAY)
    told = wrong(lambda: looks.ledger(entered, NOON + 4 * DAY))
    assert told.startswith("1 days are closed, the last is 2025-03-01: materialize ledger")


def test_a_ledger_whose_last_manifest_is_gone_or_another(entered: Services) -> None:
    close_days(entered.engine, entered.lake, NOON + DAY)
    key = key_of(date(2025, 3, 1))
    entered.lake.put(key, entered.lake.get(key) + b" ")
    assert "soccer ledger verify" in wrong(lambda: looks.ledger(entered, NOON + DAY))
    entered.lake.delete(key)
    assert "is not in the lake: materialize" in wrong(lambda: looks.ledger(entered, NOON + DAY))


def test_a_ledger_without_an_entry(services: Services) -> None:
    assert looks.ledger(services, NOON) == "nothing was predicted before its kick-off yet"


# The champion


@pytest.fixture
def registry(services: Services) -> Iterator[ModelRegistry]:
    """With two versions, neither of which is anything yet."""
    uri = services.settings.tracking_uri
    connect(uri, EXPERIMENT)
    client = mlflow.MlflowClient()
    client.create_registered_model(MODEL_NAME)
    for _ in range(2):
        run = client.create_run(client.get_experiment_by_name(EXPERIMENT).experiment_id)
        client.create_model_version(MODEL_NAME, "s3://nowhere/model", run.info.run_id)
    yield ModelRegistry(uri, EXPERIMENT)
    mlflow.set_tracking_uri(None)


@pytest.fixture
def office(registry: ModelRegistry, services: Services) -> Office:
    return Office(registry, services.engine, lambda: NOON)


def publish(services: Services, registry: ModelRegistry, number: int) -> None:
    run_id = registry.version(number).run_id
    assert run_id is not None
    model = ServedModel(MODEL_NAME, number, run_id, "revision", NOON, {})
    publish_predictions(services.engine, predictions(1, kickoff=NOON + HOUR), model, NOON)


def test_no_registry_is_made_to_see_that_there_is_no_champion(services: Services) -> None:
    assert "there is none: nothing can be predicted" in wrong(lambda: looks.champion(services))
    assert looks.promotion(services, NOON) == ("nobody was promoted yet; none waits for a sign-off")
    assert not Path(services.settings.soccer_home).exists()


def test_the_champion_and_whose_predictions_are_published(
    services: Services, registry: ModelRegistry, office: Office
) -> None:
    assert "there is none" in wrong(lambda: looks.champion(services))
    office.promote(registry.version(1), PASSED, GATE)
    assert "has published no predictions: the job refresh" in wrong(
        lambda: looks.champion(services)
    )
    publish(services, registry, 1)
    assert looks.champion(services) == f"version 1 of {MODEL_NAME}, since 2025-03-01 12:00 UTC"
    office.promote(registry.version(2), PASSED, GATE)
    told = wrong(lambda: looks.champion(services))
    assert f"version 2 of {MODEL_NAME} is champion" in told
    assert "of version 1" in told


def test_a_champion_that_is_not_the_one_on_record(
    services: Services, registry: ModelRegistry, office: Office
) -> None:
    office.promote(registry.version(1), PASSED, GATE)
    told = looks.promotion(services, NOON)
    assert told.startswith("on record: version 1 promoted by gate, 2025-03-01 12:00 UTC")
    registry.point(CHAMPION, registry.version(2))
    told = wrong(lambda: looks.promotion(services, NOON))
    assert "version 2" in told
    assert "on record is version 1" in told
    registry.remove_alias(CHAMPION)
    told = wrong(lambda: looks.promotion(services, NOON))
    assert told.startswith("MLflow's champion is none, on record is version 1")
    office.settle()
    assert looks.promotion(services, NOON).startswith("on record: no version moved_by_hand")


def test_a_version_that_waits_for_a_person(
    services: Services, registry: ModelRegistry, office: Office
) -> None:
    office.promote(registry.version(1), PASSED, GATE)
    office.await_sign_off(registry.version(2), PASSED, GATE)
    assert registry.by_alias(AWAITING) is not None
    told = looks.promotion(services, NOON + DAY)
    assert told.startswith(
        f"version 2 of {MODEL_NAME} waits for a sign-off since 2025-03-01 12:00 UTC: soccer "
        "approve 2, or soccer reject 2"
    )
    assert "waits for a sign-off" in wrong(lambda: looks.promotion(services, NOON + 8 * DAY))
    office.approve(2, "seen", By("jo"))
    told = looks.promotion(services, NOON + 8 * DAY)
    assert told.startswith("on record: version 2 approved by jo")
