"""What values a feature can have at all. A value outside is a fault, not an outlier."""

import re

import numpy as np
import pandas as pd

from soccer_assets.features.build import feature_names

#: Pattern of the feature's name -> smallest and largest possible value.
RANGES: tuple[tuple[str, float, float], ...] = (
    (r"elo_(home|away)", 0, 4000),
    (r"elo_difference", -3000, 3000),
    (r"pi_.*", -12, 12),
    (r"goals_expected_(home|away)", 0, 7.5),
    (r"goals_expected_difference", -7.5, 7.5),
    (r"(home|away)_points_.*", 0, 3),
    (r"(home|away)_(scored|conceded)_.*", 0, 99),
    (r"(home|away)_experience", 0, 4),
    (r"(home|away)_rest_days", 0, 30),
    (r"league_(home_wins|draws)", 0, 1),
    (r"league_goals", 0, 198),
    (r"women", 0, 1),
)


def feature_range(name: str) -> tuple[float, float] | None:
    """The possible range of a feature; None for one without a contract."""
    for pattern, low, high in RANGES:
        if re.fullmatch(pattern, name):
            return low, high
    return None


def range_violations(features: pd.DataFrame) -> dict[str, str]:
    """Feature -> what is wrong with it; empty when all is well. Missing values are allowed."""
    violations = {}
    for name in feature_names(features):
        limits = feature_range(name)
        if limits is None:
            violations[name] = "no range is declared for it"
            continue
        values = features[name].to_numpy(dtype=np.float64)
        infinite = int(np.isinf(values).sum())
        outside = int(((values < limits[0]) | (values > limits[1])).sum())
        if infinite or outside:
            violations[name] = (
                f"{outside} outside [{limits[0]:g}, {limits[1]:g}], {infinite} infinite"
            )
    return violations
