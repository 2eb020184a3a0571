"""Sums over a key's last matches before a moment, for any number of keys and moments at once."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soccer_assets.arrays import FloatArray, IntArray

Floats = FloatArray
Ints = IntArray


@dataclass(frozen=True)
class Lookback:
    """For each query: its prior events are ``order[first:last]`` of the sorted timeline."""

    order: Ints
    first: Ints
    last: Ints

    @property
    def counts(self) -> Ints:
        return self.last - self.first

    def within(self, window: int) -> "Lookback":
        """The same queries, looking back at most ``window`` events."""
        return Lookback(self.order, np.maximum(self.first, self.last - window), self.last)

    def sums(self, values: Floats) -> Floats:
        """Sum of ``values`` (one per event) over each query's events."""
        total = np.concatenate(([0.0], np.cumsum(values[self.order], dtype=np.float64)))
        return total[self.last] - total[self.first]

    def means(self, values: Floats) -> Floats:
        """Mean per query; NaN where a query has no event."""
        counts = self.counts
        with np.errstate(invalid="ignore"):
            return np.where(counts > 0, self.sums(values) / np.maximum(counts, 1), np.nan)

    def latest(self, values: Floats) -> Floats:
        """The value of each query's newest event; NaN where there is none."""
        found = self.counts > 0
        newest = self.order[np.where(found, self.last - 1, 0)] if len(self.order) else None
        return (
            np.where(found, values[newest], np.nan)
            if newest is not None
            else np.full(len(self.last), np.nan)
        )


def look_back(
    event_key: Ints, event_seconds: Ints, query_key: Ints, query_seconds: Ints
) -> Lookback:
    """Index the events of each query's key at or before its moment.

    Args:
        event_key, event_seconds: key codes (from 0) and times of the events, int64.
        query_key, query_seconds: the same for the queries.
    """
    # On one timeline each key has a stretch of its own, as long as the events of all of them reach,
    # however far apart the first and the last may be.
    start = event_seconds.min(initial=2**62)
    span = max(event_seconds.max(initial=start) - start + 1, 1)
    composite = event_key * span + (event_seconds - start)
    order = np.argsort(composite, kind="stable")
    timeline = composite[order]
    moment = np.clip(query_seconds, start - 1, start + span - 1) - start
    last = np.searchsorted(timeline, query_key * span + moment, side="right")
    first = np.searchsorted(timeline, query_key * span, side="left")
    return Lookback(order, first, last)


def seconds_of(times: "pd.Series[pd.Timestamp]") -> Ints:
    """Whole seconds since 1970 of UTC timestamps."""
    return times.to_numpy(dtype="datetime64[s]").astype(np.int64)
