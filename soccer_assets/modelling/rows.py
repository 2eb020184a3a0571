"""Finished matches as a learner sees them."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from soccer_assets.arrays import Float32Array, FloatArray, IntArray
from soccer_assets.modelling.splits import DAY_NS

#: Columns of the dataset: the score after 90 minutes.
GOALS = ("home_goals", "away_goals")


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
    goals: IntArray | None = None
    """int64 (n, 2): home, away; None where the dataset has none."""
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
            goals=None if self.goals is None else self.goals[part],
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


def goals_of(matches: pd.DataFrame) -> IntArray | None:
    """int64 (n, 2), of ``GOALS``; None where ``matches`` has no such columns.

    Raises ``ValueError`` when they are not what ``outcome`` says.
    """
    if not set(GOALS) <= set(matches):
        return None
    goals = matches[list(GOALS)].to_numpy(dtype=np.int64)
    if (1 - np.sign(goals[:, 0] - goals[:, 1]) != matches["outcome"]).any():
        raise ValueError("goals and outcome of a match contradict each other")
    return goals
