"""What values features can have at all. A value outside is a fault, not an outlier."""

import numpy as np
import pandas as pd

from soccer_assets.features.build import feature_names
from soccer_assets.features.params import FeatureParams
from soccer_assets.features.registry import Feature, declared


def violations(frame: pd.DataFrame, params: FeatureParams) -> dict[str, str]:
    """Feature -> what is wrong with it; empty when all is well.

    Every feature that these parameters ask for is there and no other, of its type, finite, inside its
    range, and missing only where its declaration says what that means.
    """
    features = {feature.name: feature for feature in declared(params)}
    there = feature_names(frame)
    found = {name: "it is not there" for name in features if name not in there}
    for name in there:
        wrong = _fault(frame[name], features[name]) if name in features else "it is not declared"
        if wrong:
            found[name] = wrong
    return found


def _fault(column: pd.Series, feature: Feature) -> str | None:
    if str(column.dtype) != feature.dtype:
        return f"{column.dtype}, not {feature.dtype}"
    values = column.to_numpy(dtype=np.float64)
    infinite = int(np.isinf(values).sum())
    outside = int(((values < feature.low) | (values > feature.high)).sum())
    missing = 0 if feature.null else int(np.isnan(values).sum())
    if infinite or outside or missing:
        also = f", {missing} missing" if missing else ""
        return f"{outside} outside [{feature.low:g}, {feature.high:g}], {infinite} infinite{also}"
    return None
