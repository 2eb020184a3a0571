"""The contract names what is wrong with a feature."""

import numpy as np
import pandas as pd
import pytest

from soccer_assets.features.build import build_features
from soccer_assets.features.contract import violations
from soccer_assets.features.params import FeatureParams
from soccer_assets.features.registry import declared
from soccer_assets_tests.features.matches import DELAY, Row, frames

PARAMS = FeatureParams()


@pytest.fixture
def features() -> pd.DataFrame:
    """A real build: 300 matches of eight teams, the last fifty still to come."""
    rng = np.random.default_rng(3)
    rows = []
    for k in range(300):
        home, away = rng.choice(8, 2, replace=False).tolist()
        score = (int(rng.poisson(1.5)), int(rng.poisson(1.2))) if k < 250 else None
        rows.append(Row(k, k * DELAY, k % 2, home, away, score))
    return build_features(*frames(rows), PARAMS)


def test_a_real_build_passes(features: pd.DataFrame) -> None:
    assert features["table_rank_home"].isna().any()  # missing values are allowed
    assert violations(features, PARAMS) == {}


def test_each_violation_is_named_with_its_feature(features: pd.DataFrame) -> None:
    features.loc[3, "elo_home"] = -4001.0
    features.loc[[3, 4, 5], "table_rank_home"] = 1.5
    features.loc[7, "league_draws"] = np.inf
    features.loc[8, "pi_difference"] = -np.inf
    features.loc[9, "women"] = 2.0
    assert violations(features, PARAMS) == {
        "elo_home": "1 outside [-4000, 8000], 0 infinite",
        "pi_difference": "1 outside [-24, 24], 1 infinite",
        "table_rank_home": "3 outside [0, 1], 0 infinite",
        "league_draws": "1 outside [0, 1], 1 infinite",
        "women": "1 outside [0, 1], 0 infinite",
    }


def test_every_feature_is_watched_on_both_ends(features: pd.DataFrame) -> None:
    for feature in declared(PARAMS):
        name, low, high = feature.name, feature.low, feature.high
        for value, is_fault in (
            (np.nextafter(np.float32(low), np.float32(-np.inf)), True),
            (np.nextafter(np.float32(high), np.float32(np.inf)), True),
            (low, False),
            (high, False),
        ):
            spoiled = features.assign(**{name: np.float32(value)})
            assert (name in violations(spoiled, PARAMS)) == is_fault, (name, value)


def test_a_feature_that_is_not_declared_is_a_violation(features: pd.DataFrame) -> None:
    spoiled = features.assign(xelo_home=np.float32(1500), home_wins_last5=np.float32(0))
    assert violations(spoiled, PARAMS) == {
        "xelo_home": "it is not declared",
        "home_wins_last5": "it is not declared",
    }


def test_a_feature_that_is_not_there_or_of_another_type_is_a_violation(
    features: pd.DataFrame,
) -> None:
    """As when parameters ask for what was not built."""
    spoiled = features.drop(columns="women").astype({"elo_home": "float64"})
    assert violations(spoiled, PARAMS) == {
        "women": "it is not there",
        "elo_home": "float64, not float32",
    }
    asked = FeatureParams.model_validate({"strength": {"main": "a", "variants": {"a": {}}}})
    assert violations(features, asked)["supremacy_a"] == "it is not there"


def test_what_always_has_a_value_may_not_lack_it(features: pd.DataFrame) -> None:
    features.loc[3, ["elo_home", "table_rank_home"]] = np.nan
    assert violations(features, PARAMS) == {
        "elo_home": "0 outside [-4000, 8000], 0 infinite, 1 missing"
    }


def test_names_are_declared_once_and_each_says_what_it_means() -> None:
    features = declared(FeatureParams())
    assert len({feature.name for feature in features}) == len(features)
    assert all(feature.meaning and feature.low < feature.high for feature in features)


def test_keys_are_not_features(features: pd.DataFrame) -> None:
    assert violations(features.assign(tournament_id=-5, sex=9), PARAMS) == {}


def test_the_main_filter_is_one_that_there_is() -> None:
    with pytest.raises(ValueError, match="main: there is no variant 'best'"):
        FeatureParams.model_validate({"strength": {"main": "best"}})
