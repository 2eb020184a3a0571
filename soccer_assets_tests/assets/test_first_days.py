"""The first days: what cannot be made yet is told and left out, and fails nothing."""

from collections.abc import Iterator

import dagster as dg
import pytest

from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.databases import copy_of
from soccer_assets_tests.platform import Platform, faults_of, platform

FEATURES = {"finished", "fixtures", "features", "feature_states", "features_meta", "dataset"}
#: Asset -> what it says where there is nothing at all.
NOTHING = {
    "trained_model": "there is no dataset yet",
    "registered_model": "there is no trained_model yet",
    "candidate_model": "no version has passed the smoke gate",
    "champion_model": "no version has passed the candidate gate",
    "serving_features": "there is no features yet",
    "predictions": "there is no champion",
    "serving_workers": "no predictions were published",
    "feature_drift": "there is no champion",
    "prediction_scorecard": "there is no champion",
    "prediction_decay": "there is no champion",
    "prediction_shift": "there is no champion",
    "data_volume": "there is no champion",
    "ledger": "nothing has been predicted before its kick-off",
}


@pytest.fixture(scope="module")
def here(
    tables: str, world: LeagueSimulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """A platform on which nothing has happened."""
    environment = {"SOCCER_AS_OF": MIDSEASON.isoformat()}
    home = tmp_path_factory.mktemp("empty")
    with (
        copy_of(tables) as url,
        FeedServer(world) as feed,
        platform(home, feed, url, environment) as made,
    ):
        yield made


def why(here: Platform, asset: str) -> str:
    """What the asset's page says last of why it was not made."""
    observed = here.instance.fetch_observations(dg.AssetKey(asset), limit=1).records
    assert observed, asset
    assert observed[0].asset_observation is not None
    return str(observed[0].asset_observation.metadata["not_yet"].value)


def test_each_asset_says_what_is_missing_where_there_is_nothing(
    here: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    for asset, words in NOTHING.items():
        result = here.run(asset)
        assert here.recorded(result) == {}
        assert words in why(here, asset)
        assert f"{asset} cannot be made yet: " in capfd.readouterr().err


def test_nothing_that_follows_is_started(here: Platform) -> None:
    result = here.run("predictions", "serving_workers", "prediction_scorecard")
    assert here.not_started(result) == {"serving_workers", "prediction_scorecard"}


@pytest.mark.slow
def test_a_retraining_without_a_match_makes_empty_features_and_says_what_is_missing(
    here: Platform,
) -> None:
    result = here.run_job("retrain")
    assert set(here.recorded(result)) == FEATURES | {"data_freshness"}
    assert why(here, "trained_model") == "there is no finished match to learn from"
    assert why(here, "serving_features") == "there is no finished match to make features from"
    assert here.not_started(result) == set(NOTHING) - {"trained_model", "serving_features"}


def test_what_was_made_before_and_cannot_be_made_any_more_fails(here: Platform) -> None:
    for asset in ("predictions", "data_volume", "serving_workers"):
        here.instance.report_runless_asset_event(dg.AssetMaterialization(asset))
        result = here.run(asset, raise_on_error=False)
        assert not result.success
        (fault,) = faults_of(result)
        assert NOTHING[asset] in fault
        assert fault.endswith(", although there was before")
