"""Services as the settings name them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from soccer_assets.doctor.services import Services
from soccer_assets.settings import Settings
from soccer_assets_tests.fake_slack import Slack, slack_server

#: A port of loopback that nobody listens on.
NOWHERE = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that does ten things at once any service may take its time; that none is waited
    for is tested by itself."""
    monkeypatch.setattr("soccer_assets.doctor.finding.PATIENCE", 60.0)


@pytest.fixture
def services_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Services]]:
    """Makes services of some settings; what is not given is embedded."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    made: list[Services] = []

    def make(**settings: Any) -> Services:
        made.append(Services(Settings(**{"soccer_home": tmp_path / "home", **settings})))
        return made[-1]

    yield make
    for services in made:
        if "engine" in vars(services):
            services.engine.dispose()


@pytest.fixture
def services(services_of: Callable[..., Services], database_url: str) -> Services:
    """With a database of this test's own."""
    return services_of(postgres_url=database_url)


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as told:
        yield told
