"""What is said of a broker that is not there; of one that is, ``services/test_doctor.py``."""

from collections.abc import Callable

import pytest

from soccer_assets.doctor.broker import broker
from soccer_assets.doctor.finding import Wrong
from soccer_assets.doctor.services import Services
from soccer_assets.doctor.workers import Workers
from soccer_assets_tests.doctor.conftest import NOWHERE

pytest.importorskip("kombu")


def test_without_one_there_is_nothing_to_see(services_of: Callable[..., Services]) -> None:
    assert broker(services_of().settings) == "none is used"


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
def test_one_that_is_away_is_named_without_its_password(
    services_of: Callable[..., Services], scheme: str
) -> None:
    services = services_of(
        serving_reload="celery", soccer_celery_broker=f"{scheme}://user:hush@{NOWHERE}/0"
    )
    with pytest.raises(Wrong, match=f"^{scheme}://{NOWHERE} does not answer") as wrong:
        broker(services.settings)
    assert "hush" not in str(wrong.value)
    with pytest.raises(Wrong, match=f"broker {scheme}://{NOWHERE}: no answer") as wrong:
        Workers(services).look(published=False).see()
    assert "hush" not in str(wrong.value)
