"""Two machines in turn: homes of their own, and one database, lake and registry."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from soccer_assets.definitions import make_definitions
from soccer_assets.resources import make_resources
from soccer_assets.settings import get_settings
from soccer_assets.simulator.server import FeedServer
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.platform import Platform, metadata_of, platform

pytestmark = pytest.mark.slow

FEATURES = ("finished", "fixtures", "features", "feature_states", "features_meta", "dataset")


@pytest.fixture
def homes(
    tmp_path: Path, feed: FeedServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Platform, Platform]]:
    shared = {
        "SOCCER_AS_OF": MIDSEASON.isoformat(),
        "LAKE_URI": str(tmp_path / "lake"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}",
    }
    with platform(tmp_path / "one", feed, database_url, shared) as one:
        other = get_settings().model_copy(update={"soccer_home": tmp_path / "other"})
        yield one, replace(one, home=other.soccer_home, definitions=make_definitions(other))


def test_the_home_that_is_behind_goes_on_from_what_the_other_made(
    homes: tuple[Platform, Platform],
) -> None:
    one, other = homes
    one.run_job("ingest", partitions=("2025-02-20", "2025-03-02"))
    one.run_job("export", partitions=("2025-02-01", "2025-03-01"))
    first = one.run(*FEATURES)
    begun = other.run(*FEATURES, "serving_features")
    one.run_job("ingest", partitions=("2025-03-03", "2025-03-16"))
    one.run_job("export", partitions=("2025-02-01", "2025-03-01"))
    newer = one.run(*FEATURES)

    # The other knows nothing of it, and its workspace is behind.
    served = other.run("serving_features")
    revision = metadata_of(newer, "features")["dvc/revision"]
    assert metadata_of(first, "features")["dvc/revision"] != revision
    assert metadata_of(begun, "features")["dvc/changed"] is False  # pulled, not made again
    assert metadata_of(served, "serving_features")["data_revision"] == revision
    workspaces = [
        make_resources(get_settings().model_copy(update={"soccer_home": here.home}))[
            "dvc"
        ].workspace
        for here in homes
    ]
    assert [w.revision.name == revision for w in workspaces] == [True, False]
    again = other.run(*FEATURES)
    for name in FEATURES:
        assert metadata_of(again, name)["dvc/md5"] == metadata_of(newer, name)["dvc/md5"]
        assert metadata_of(again, name)["dvc/revision"] == revision
