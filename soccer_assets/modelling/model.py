"""The trained model as it is stored and served."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from soccer_assets.arrays import Float32Array, FloatArray
from soccer_assets.modelling.calibration import VectorScaling
from soccer_assets.modelling.estimators import Estimator

#: No outcome is ever given less.
PROBABILITY_FLOOR = 1e-6


class MissingFeatures(ValueError):
    """A frame lacks columns the model needs; ``columns`` names them."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        super().__init__(f"missing {len(self.columns)} feature columns: {', '.join(self.columns)}")

    def __reduce__(self) -> tuple[type["MissingFeatures"], tuple[tuple[str, ...]]]:
        return MissingFeatures, (self.columns,)


def feature_matrix(frame: pd.DataFrame, features: Sequence[str]) -> Float32Array:
    """The columns ``features`` of ``frame``, in that order, as C-ordered float32 (n, features).

    Infinite values become NaN, which means unknown. Raises ``MissingFeatures`` naming the
    absent columns.
    """
    absent = [name for name in features if name not in frame.columns]
    if absent:
        raise MissingFeatures(absent)
    matrix = np.empty((len(frame), len(features)), dtype=np.float32)
    for position, name in enumerate(features):
        column = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        with np.errstate(over="ignore"):
            matrix[:, position] = column
    matrix[~np.isfinite(matrix)] = np.nan
    return matrix


@dataclass(frozen=True, eq=False)
class OutcomeModel:
    """Features in, calibrated 1X2 probabilities out. Picklable."""

    name: str
    """Of the candidate that was chosen."""
    features: tuple[str, ...]
    estimator: Estimator
    calibrator: VectorScaling
    trained_until: pd.Timestamp
    """UTC: no row that kicked off from this moment on taught the model anything, its size and its
    calibration included."""
    medians: dict[str, float] = field(default_factory=dict)
    """Median of every feature over the fitted rows (NaN if never known): a typical match."""

    def predict_proba(self, frame: pd.DataFrame) -> FloatArray:
        """float64 (len(frame), 3): home, draw, away.

        Rows sum to 1 within 1e-9, no value is below 1e-6. The order of the columns and any column
        that is not a feature do not matter. Raises ``MissingFeatures``.
        """
        matrix = feature_matrix(frame, self.features)
        if len(matrix) == 0:
            return np.empty((0, 3))
        probabilities = self.calibrator.transform(self.estimator.predict_proba(matrix))
        probabilities = np.maximum(probabilities, 0.0)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return PROBABILITY_FLOOR + (1.0 - 3.0 * PROBABILITY_FLOOR) * probabilities

    def typical_match(self) -> pd.DataFrame:
        """One row with every feature at its median."""
        return pd.DataFrame(
            {name: [self.medians.get(name, float("nan"))] for name in self.features}
        )

    def importances(self, frame: pd.DataFrame) -> dict[str, float]:
        """Feature -> share of the estimator's importance for the matches of ``frame``, largest first."""
        shares = self.estimator.importances(feature_matrix(frame, self.features))
        order = np.argsort(-shares, kind="stable")
        return {self.features[position]: float(shares[position]) for position in order}
