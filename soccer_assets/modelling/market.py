"""The market as a system to compare with."""

import numpy as np
import pandas as pd

from soccer_assets.arrays import FloatArray
from soccer_assets.features.odds import ODDS_COLUMNS, margin_free


def market_probabilities(matches: pd.DataFrame) -> FloatArray | None:
    """float64 (len(matches), 3), NaN where a match has no odds; None where none has any."""
    if not set(ODDS_COLUMNS) <= set(matches.columns):
        return None
    found = margin_free(matches[ODDS_COLUMNS].to_numpy(dtype=np.float64, na_value=np.nan))
    return found if np.isfinite(found).any() else None
