"""Kinds of matches on which a good average could hide a broken part."""

from itertools import pairwise

import numpy as np
import pandas as pd

from soccer_assets.arrays import BoolArray

#: Absolute Elo difference in points, lower end included: even, tilted and lopsided matches.
ELO_GAP_BANDS = {
    "elo_gap<75": (0.0, 75.0),
    "elo_gap 75-200": (75.0, 200.0),
    "elo_gap>=200": (200.0, np.inf),
}
#: Earlier matches of the competition, of the team that has fewer, and of the season of the team that
#: has fewer: lower ends included.
HISTORY_BANDS = {
    "league_history": ("earlier matches of the league", (0, 200, 1000, 5000)),
    "team_history": ("earlier matches of a team", (0, 10, 50)),
    "season_matches": ("earlier matches of the season", (0, 3, 15, 25)),
}
SEXES = {0: "men", 1: "women"}
#: As many regions with the most matches have a slice of their own.
REGIONS = 8


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


def kinds_of_match(matches: pd.DataFrame) -> dict[str, dict[str, BoolArray]]:
    """Kind -> name -> mask (len(matches),): all that a report tells apart.

    Kinds of which the columns are absent, and empty slices, are left out.
    """
    kinds: dict[str, dict[str, BoolArray]] = {}
    if "sex" in matches:
        kinds["sex"] = {name: _equal(matches["sex"], code) for code, name in SEXES.items()}
    if "elo_difference" in matches:
        gap = np.abs(matches["elo_difference"].to_numpy(dtype=np.float64, na_value=np.nan))
        kinds["Elo gap"] = {
            _band(low, high): (gap >= low) & (gap < high) for low, high in ELO_GAP_BANDS.values()
        }
        kinds["Elo gap"]["unknown"] = np.isnan(gap)
    for column, (kind, edges) in HISTORY_BANDS.items():
        if column in matches:
            seen = matches[column].to_numpy()
            kinds[kind] = {
                _band(low, high): (seen >= low) & (seen < high)
                for low, high in pairwise([*edges, np.inf])
            }
    if "region" in matches:
        largest = matches["region"].value_counts(sort=True).index[:REGIONS]
        kinds["region"] = {region: _equal(matches["region"], region) for region in largest}
        kinds["region"]["others"] = ~matches["region"].isin(largest).to_numpy(dtype=np.bool_)
    held = {
        kind: {name: mask for name, mask in of_kind.items() if mask.any()}
        for kind, of_kind in kinds.items()
    }
    return {kind: of_kind for kind, of_kind in held.items() if of_kind}


def _equal(column: pd.Series, value: object) -> BoolArray:
    return (column == value).to_numpy(dtype=np.bool_)


def _band(low: float, high: float) -> str:
    return f"{low:g}+" if high == np.inf else f"{low:g} to {high:g}"
