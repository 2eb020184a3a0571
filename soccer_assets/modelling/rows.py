"""Finished matches as a learner sees them."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from soccer_assets.arrays import Float32Array, FloatArray, IntArray
from soccer_assets.modelling.splits import DAY_NS


@dataclass(frozen=True, eq=False)
class Rows:
    """Finished matches in order of kick-off."""

    names: tuple[str, ...]
    """Of the features."""
    features: Float32Array
    """float32 (n, features), NaN where a value is unknown."""
    outcomes: IntArray
    """int64 (n,): 0 = home, 1 = draw, 2 = away."""
    times: IntArray
    """Kick-offs, int64 (n,), nanoseconds since 1970 UTC, never falling."""
    half_life_days: float | None = None
    """Age at which a row counts half as much as the newest; None: all count alike."""

    def __len__(self) -> int:
        return len(self.outcomes)

    def __getitem__(self, part: slice) -> Self:
        """Some of the rows, not copied."""
        return replace(
            self,
            features=self.features[part],
            outcomes=self.outcomes[part],
            times=self.times[part],
        )

    def latest(self, rows: int) -> Self:
        """At most so many of the latest rows."""
        return self[slice(max(0, len(self) - rows), None)]

    def weights(self) -> FloatArray | None:
        """float64 (n,): 1 for the newest of these rows, a half for one a half-life older."""
        if self.half_life_days is None or len(self) == 0:
            return None
        age = (self.times[-1] - self.times) / DAY_NS
        return np.exp2(-age / self.half_life_days)
