"""Simulated matches whose true model is an ordered logit on Elo and one form feature."""

import numpy as np
import pandas as pd

from soccer_assets.modelling.model import feature_matrix
from soccer_assets.modelling.rows import Rows

FEATURES = ["elo_difference", "form", "noise", "sparse"]


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


def rows_of(matches: pd.DataFrame, half_life_days: float | None = None) -> Rows:
    """Matches as a learner sees them."""
    return Rows(
        names=tuple(FEATURES),
        features=feature_matrix(matches, FEATURES),
        outcomes=matches["outcome"].to_numpy(np.int64),
        times=pd.DatetimeIndex(matches["kickoff"]).as_unit("ns").asi8,
        half_life_days=half_life_days,
    )
