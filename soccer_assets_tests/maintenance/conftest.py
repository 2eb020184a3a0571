from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from soccer_assets.runner import open_instance


@pytest.fixture
def instance(
    household_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """The one of ``dagster.yaml``, on a database and a home of this test's own."""
    monkeypatch.setenv("SOCCER_HOME", str(tmp_path))
    monkeypatch.setenv("POSTGRES_URL", household_url)
    with open_instance() as instance:
        yield instance
