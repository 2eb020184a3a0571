"""Kinds of matches on which a good average could hide a broken part."""

import numpy as np
import pandas as pd

from soccer_assets.arrays import BoolArray

#: Absolute Elo difference in points, lower end included: even, tilted and lopsided matches.
ELO_GAP_BANDS = {
    "elo_gap<75": (0.0, 75.0),
    "elo_gap 75-200": (75.0, 200.0),
    "elo_gap>=200": (200.0, np.inf),
}


def standard_slices(matches: pd.DataFrame) -> dict[str, BoolArray]:
    """Name -> mask (len(matches),): each ``sex``, each band of the Elo gap, and no Elo at all.

    A column that is absent gives no slice, and empty slices are left out.
    """
    slices: dict[str, BoolArray] = {}
    if "sex" in matches:
        for value in sorted(matches["sex"].dropna().unique(), key=str):
            slices[f"sex={value}"] = (matches["sex"] == value).to_numpy(dtype=np.bool_)
    if "elo_difference" in matches:
        gap = np.abs(matches["elo_difference"].to_numpy(dtype=np.float64, na_value=np.nan))
        for name, (low, high) in ELO_GAP_BANDS.items():
            slices[name] = (gap >= low) & (gap < high)
        slices["elo_unknown"] = np.isnan(gap)
    return {name: mask for name, mask in slices.items() if mask.any()}
