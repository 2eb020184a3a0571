"""Simulated matches whose true model is an ordered logit on Elo and one form feature."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from soccer_assets.modelling.model import feature_matrix
from soccer_assets.modelling.rows import Rows, goals_of
from soccer_assets.modelling.score_grid import INPUTS

FEATURES = ["elo_difference", "form", "noise", "sparse"]
GOAL_FEATURES = [*FEATURES, *INPUTS]


def simulate_matches(n: int, seed: int = 0, form_weight: float = 0.6) -> pd.DataFrame:
    """``n`` finished matches, four at every kick-off, 5 % of them without an Elo difference."""
    rng = np.random.default_rng(seed)
    elo = rng.normal(60.0, 180.0, n)
    form = rng.normal(0.0, 1.0, n)
    strength = 1.8 * elo / 400.0 + form_weight * form
    latent = strength + rng.logistic(size=n)
    outcome = np.where(latent > 0.6, 0, np.where(latent > -0.6, 1, 2))
    start = pd.Timestamp("2015-01-01", tz="UTC")
    return pd.DataFrame(
        {
            "match_id": np.arange(n, dtype=np.int64) + 1000,
            "kickoff": start + pd.to_timedelta(np.arange(n) // 4 * 6, unit="h"),
            "tournament_id": rng.integers(1, 6, n),
            "sex": rng.choice([1, 2], n, p=[0.8, 0.2]),
            "outcome": outcome.astype(np.int8),
            "elo_difference": np.where(rng.random(n) < 0.05, np.nan, elo),
            "form": form,
            "noise": rng.normal(size=n),
            "sparse": np.where(rng.random(n) < 0.5, np.nan, rng.normal(size=n)),
        }
    )


def simulate_scores(n: int, seed: int = 0) -> pd.DataFrame:
    """The same matches with Poisson goals, and of them what score grids need to know."""
    rng = np.random.default_rng(seed)
    matches = simulate_matches(n, seed)
    league = rng.choice([2.2, 2.6, 3.1], n)
    means = league[:, None] / 2 * np.exp(rng.normal((0.1, -0.1), 0.4, (n, 2)))
    home, away = rng.poisson(means).T
    return matches.assign(
        outcome=(1 - np.sign(home - away)).astype(np.int8),
        home_goals=home.astype(np.int16),
        away_goals=away.astype(np.int16),
        expected_goals_home=means[:, 0],
        expected_goals_away=means[:, 1],
        league_goals=league,
    )


def rows_of(
    matches: pd.DataFrame,
    half_life_days: float | None = None,
    features: Sequence[str] = FEATURES,
) -> Rows:
    """Matches as a learner sees them."""
    return Rows(
        names=tuple(features),
        features=feature_matrix(matches, features),
        outcomes=matches["outcome"].to_numpy(np.int64),
        times=pd.DatetimeIndex(matches["kickoff"]).as_unit("ns").asi8,
        goals=goals_of(matches),
        half_life_days=half_life_days,
    )
