"""What bookmakers' odds say of a match, once their margin is taken out."""

import numpy as np

from soccer_assets.arrays import BoolArray, FloatArray

#: Decimal odds of the three outcomes, NaN where a match has none.
ODDS_COLUMNS = ["odds_home", "odds_draw", "odds_away"]
_STEPS = 50


def margin_free(odds: FloatArray) -> FloatArray:
    """Probabilities, float64 (n, 3), of decimal odds (n, 3) by the power method.

    p_i = (1 / odds_i)^k with the k that makes them sum to 1 (Clarke, Kovalchik & Ingram 2017,
    "Adjusting bookmaker's odds to allow for overround"). A match without three odds above 1 has NaN.
    """
    usable: BoolArray = np.asarray((np.isfinite(odds) & (odds > 1.0)).all(axis=1))
    logs = -np.log(np.where(usable[:, None], odds, 3.0))
    power = np.ones(len(odds))
    for _ in range(
        _STEPS
    ):  # Newton's, of a falling convex function: it cannot leave the root's left
        shares = np.exp(power[:, None] * logs)
        step = (shares.sum(axis=1) - 1.0) / (shares * logs).sum(axis=1)
        power -= step
        if np.abs(step).max(initial=0.0) < 1e-12:
            break
    shares = np.exp(power[:, None] * logs)
    return np.where(usable[:, None], shares / shares.sum(axis=1, keepdims=True), np.nan)
