"""The contract names what is wrong with a feature."""

import numpy as np
import pandas as pd
import pytest

from soccer_assets.features.build import build_features, feature_names
from soccer_assets.features.contract import feature_range, range_violations
from soccer_assets.features.params import FeatureParams
from soccer_assets_tests.features.matches import DELAY, Row, frames


@pytest.fixture
def features() -> pd.DataFrame:
    """A real build: 300 matches of eight teams, the last fifty still to come."""
    rng = np.random.default_rng(3)
    rows = []
    for k in range(300):
        home, away = rng.choice(8, 2, replace=False).tolist()
        score = (int(rng.poisson(1.5)), int(rng.poisson(1.2))) if k < 250 else None
        rows.append(Row(k, k * DELAY, k % 2, home, away, score))
    return build_features(*frames(rows), FeatureParams())


def test_a_real_build_passes(features: pd.DataFrame) -> None:
    assert features["home_points_last5"].isna().any()  # missing values are allowed
    assert range_violations(features) == {}


def test_each_violation_is_named_with_its_feature(features: pd.DataFrame) -> None:
    features.loc[3, "elo_home"] = -1.0
    features.loc[[3, 4, 5], "home_points_last5"] = 3.5
    features.loc[7, "league_draws"] = np.inf
    features.loc[8, "pi_difference"] = -np.inf
    features.loc[9, "women"] = 2.0
    assert range_violations(features) == {
        "elo_home": "1 outside [0, 4000], 0 infinite",
        "pi_difference": "1 outside [-12, 12], 1 infinite",
        "home_points_last5": "3 outside [0, 3], 0 infinite",
        "league_draws": "1 outside [0, 1], 1 infinite",
        "women": "1 outside [0, 1], 0 infinite",
    }


def test_every_feature_is_watched_on_both_ends(features: pd.DataFrame) -> None:
    for name in feature_names(features):
        low, high = feature_range(name)
        for value, is_fault in (
            (np.nextafter(np.float32(low), np.float32(-np.inf)), True),
            (np.nextafter(np.float32(high), np.float32(np.inf)), True),
            (low, False),
            (high, False),
        ):
            spoiled = features.assign(**{name: np.float32(value)})
            assert (name in range_violations(spoiled)) == is_fault, (name, value)


def test_a_feature_without_a_declared_range_is_a_violation(features: pd.DataFrame) -> None:
    spoiled = features.assign(xelo_home=np.float32(1500), home_wins_last5=np.float32(0))
    assert range_violations(spoiled) == {
        "xelo_home": "no range is declared for it",
        "home_wins_last5": "no range is declared for it",
    }


def test_keys_are_not_features(features: pd.DataFrame) -> None:
    assert range_violations(features.assign(tournament_id=-5, sex=9)) == {}
    assert range_violations(features[["match_id", "kickoff"]]) == {}
