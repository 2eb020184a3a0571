"""What the features looked like when a model was trained: kept with it, so that what is served can be
compared."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from soccer_assets.arrays import FloatArray, IntArray

DEFAULT_BINS = 10
#: Levels at which two quantile functions are compared for the Wasserstein distance.
QUANTILE_LEVELS = (np.arange(100) + 0.5) / 100


@dataclass(frozen=True)
class FeatureProfile:
    """One feature over the reference rows."""

    n: int
    """Rows in which it was known."""
    missing_share: float
    mean: float
    sd: float
    """Population standard deviation; mean and sd are NaN when it was never known."""
    edges: tuple[float, ...]
    """Rising upper edges of all bins but the last, which is open; a bin holds its upper edge."""
    shares: tuple[float, ...]
    """Share of the known rows in each bin: one more than edges."""
    quantiles: tuple[float, ...]
    """Values at ``QUANTILE_LEVELS``."""


@dataclass(frozen=True)
class ReferenceProfile:
    """What the features looked like when the model was trained."""

    rows: int
    features: dict[str, FeatureProfile]

    @classmethod
    def build(
        cls, frame: pd.DataFrame, features: Sequence[str], bins: int = DEFAULT_BINS
    ) -> "ReferenceProfile":
        """Profile ``features`` of the training rows ``frame``.

        Raises ``ValueError`` on no rows, ``bins`` < 2 or an absent column.
        """
        if len(frame) == 0:
            raise ValueError("a reference profile cannot be built from no rows")
        if bins < 2:
            raise ValueError(f"bins must be at least 2, got {bins}")
        require_columns(frame, features)
        profiles = {name: _profile(column_values(frame, name), bins) for name in features}
        return cls(len(frame), profiles)

    def to_json(self) -> str:
        """A JSON object; NaN is written as null."""
        document = {
            "rows": self.rows,
            "features": {
                name: {key: _without_nan(value) for key, value in asdict(profile).items()}
                for name, profile in self.features.items()
            },
        }
        return json.dumps(document, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of ``to_json``; raises ``ValueError`` on anything else."""
        try:
            document = json.loads(text)
            features = {
                name: _profile_of_document(fields) for name, fields in document["features"].items()
            }
            return cls(int(document["rows"]), features)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a reference profile: {error!r}") from error


def _profile(values: FloatArray, bins: int) -> FeatureProfile:
    known = values[np.isfinite(values)]
    missing_share = 1.0 - len(known) / len(values)
    if len(known) == 0:
        return FeatureProfile(0, missing_share, float("nan"), float("nan"), (), (), ())
    edges = np.unique(np.quantile(known, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
    rising = tuple(edges.tolist())
    counts = np.bincount(bin_of(known, rising), minlength=len(edges) + 1)
    return FeatureProfile(
        n=len(known),
        missing_share=missing_share,
        mean=float(known.mean()),
        sd=float(known.std()),
        edges=rising,
        shares=tuple((counts / len(known)).tolist()),
        quantiles=tuple(np.quantile(known, QUANTILE_LEVELS).tolist()),
    )


def bin_of(values: FloatArray, edges: tuple[float, ...]) -> IntArray:
    """The bin of each value, counted from 0."""
    return np.searchsorted(np.asarray(edges), values, side="left")


def column_values(frame: pd.DataFrame, name: str) -> FloatArray:
    """A column as floats, NaN where it is missing."""
    return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)


def require_columns(frame: pd.DataFrame, features: Sequence[str]) -> None:
    """Raises ``ValueError`` when ``frame`` lacks one of them."""
    absent = [name for name in features if name not in frame.columns]
    if absent:
        raise ValueError(f"columns to compare are absent: {', '.join(absent)}")


def _without_nan(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def _profile_of_document(fields: dict[str, Any]) -> FeatureProfile:
    return FeatureProfile(
        n=int(fields["n"]),
        missing_share=float(fields["missing_share"]),
        mean=float("nan") if fields["mean"] is None else float(fields["mean"]),
        sd=float("nan") if fields["sd"] is None else float(fields["sd"]),
        edges=tuple(map(float, fields["edges"])),
        shares=tuple(map(float, fields["shares"])),
        quantiles=tuple(map(float, fields["quantiles"])),
    )
