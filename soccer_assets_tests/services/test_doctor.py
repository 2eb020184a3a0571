"""What an operator reads of a broker, and of those who listen to it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from soccer_assets.doctor.broker import broker
from soccer_assets.doctor.finding import Wrong
from soccer_assets.settings import Settings
from soccer_assets_tests.services.machines import Machine, wait_until
from soccer_assets_tests.services.servers import Shared, rabbitmq, redis

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

STEPS = {"SOCCER_EXECUTOR": "celery", "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}


@pytest.fixture(scope="module", params=[rabbitmq, redis])
def world(
    request: pytest.FixtureRequest, place: Path, shared: Shared
) -> Iterator[tuple[Path, dict[str, str]]]:
    start: Callable[[Path], AbstractContextManager[str]] = request.param
    folder = place / f"doctor-{start.__name__}"
    folder.mkdir()
    with shared.world(folder.name, with_mlflow=False) as world, start(folder) as url:
        yield folder, {**world, **STEPS, "SOCCER_CELERY_BROKER": url}


def settings_of(world: dict[str, str], **other: str) -> Settings:
    given = {name.lower(): value for name, value in {**world, **other}.items()}
    return Settings(**{n: v for n, v in given.items() if n in Settings.model_fields})  # type: ignore[arg-type]


def test_a_broker_answers_and_step_workers_are_missed_and_named(
    world: tuple[Path, dict[str, str]],
) -> None:
    folder, given = world
    by_itself = settings_of(given, SOCCER_EXECUTOR="in_process", SERVING_RELOAD="celery")
    assert broker(by_itself).endswith(" answers")
    settings = settings_of(given)
    with pytest.raises(Wrong, match="no step worker does: soccer step-worker starts one"):
        broker(settings)
    machine = Machine(folder / "machine", given)
    try:
        machine.start("soccer", "step-worker", "--name", "lonely@here")

        def answered() -> bool:
            try:
                return broker(settings).endswith("steps are taken by lonely@here")
            except Wrong:
                return False

        wait_until(answered, machine.log.read_text)
    finally:
        machine.end()


def test_a_wrong_password_is_told_and_not_shown(world: tuple[Path, dict[str, str]]) -> None:
    _, given = world
    url = given["SOCCER_CELERY_BROKER"]
    login, at, place = url.rpartition("@")
    wrong_url = f"{login}hush{at}{place}"
    with pytest.raises(Wrong, match="does not let us in") as wrong:
        broker(settings_of(given, SOCCER_CELERY_BROKER=wrong_url))
    assert "hush" not in str(wrong.value)
