"""Lookbacks against a plain loop over the events."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.features.windows import Lookback, look_back, seconds_of

# Times are few, so that events tie with each other and with the moments asked about.
PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 12)), max_size=30)
Pairs = list[tuple[int, int]]
WINDOWS = st.integers(1, 6)


def columns(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def over(events: Pairs, queries: Pairs) -> Lookback:
    return look_back(*columns(events), *columns(queries))


def before(events: Pairs, query: tuple[int, int]) -> list[int]:
    """Positions of the events of the query's key at or before its moment, oldest first."""
    key, moment = query
    known = [i for i, (k, seconds) in enumerate(events) if k == key and seconds <= moment]
    return sorted(known, key=lambda i: (events[i][1], i))


@given(events=PAIRS, queries=PAIRS, window=WINDOWS)
def test_counts_sums_means_and_latest_agree_with_a_plain_loop(
    events: Pairs, queries: Pairs, window: int
) -> None:
    values = np.array([3.0 * i + 1.0 for i in range(len(events))])
    whole = over(events, queries)
    for lookback, size in ((whole, len(events)), (whole.within(window), window)):
        expected = [before(events, query)[-size:] if size else [] for query in queries]
        assert lookback.counts.tolist() == [len(found) for found in expected]
        sums = [sum(values[i] for i in found) for found in expected]
        assert lookback.sums(values).tolist() == sums
        np.testing.assert_array_equal(
            lookback.means(values), [np.mean(values[f]) if f else np.nan for f in expected]
        )
        np.testing.assert_array_equal(
            lookback.latest(values), [values[f[-1]] if f else np.nan for f in expected]
        )


@given(events=PAIRS, queries=PAIRS, window=WINDOWS)
def test_a_window_of_a_window_is_the_smaller_one(
    events: Pairs, queries: Pairs, window: int
) -> None:
    lookback = over(events, queries)
    twice = lookback.within(window + 2).within(window)
    assert twice.counts.tolist() == lookback.within(window).counts.tolist()
    assert twice.first.tolist() == lookback.within(window).first.tolist()


def test_an_event_at_the_very_moment_counts_and_one_a_second_later_does_not() -> None:
    lookback = over([(0, 100), (0, 101)], [(0, 99), (0, 100), (0, 101)])
    assert lookback.counts.tolist() == [0, 1, 2]


@pytest.mark.parametrize("first", [-(10**10), 0, 4 * 10**9])
def test_keys_stay_apart_from_early_centuries_to_late_ones(first: int) -> None:
    """Pre-1970 moments are negative."""
    events = [(0, first), (1, first), (1, first + 10**9)]
    queries = [(0, first + 5 * 10**9), (1, first + 5 * 10**9), (2, first), (0, first - 1)]
    assert over(events, queries).counts.tolist() == [1, 2, 0, 0]


def test_seconds_of_timestamps_of_any_resolution() -> None:
    times = pd.Series(pd.to_datetime(["1969-12-31T23:59:59Z", "2001-09-09T01:46:40Z"]))
    assert seconds_of(times).tolist() == [-1, 10**9]
    assert seconds_of(times.astype("datetime64[us, UTC]")).tolist() == [-1, 10**9]
    assert seconds_of(times).dtype == np.int64


YEAR = 366 * 86_400


@given(events=PAIRS, queries=PAIRS, outlier=st.sampled_from([-2000 * YEAR, 8000 * YEAR]))
def test_an_event_in_another_age_is_seen_by_its_own_key_alone(
    events: Pairs, queries: Pairs, outlier: int
) -> None:
    values = np.arange(float(len(events) + 1))
    without, within = over(events, queries), over([*events, (5, outlier)], queries)
    assert without.counts.tolist() == within.counts.tolist()
    assert without.sums(values[:-1]).tolist() == within.sums(values).tolist()
