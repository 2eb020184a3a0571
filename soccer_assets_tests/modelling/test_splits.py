from datetime import datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soccer_assets.modelling.splits import (
    TooFewRows,
    latest,
    time_ordered_split,
    utc_kickoffs,
    walk_forward,
)


def days(*offsets: int) -> pd.Series:
    return pd.Series(pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(offsets, unit="D"))


def test_shares_of_distinct_kickoffs():
    split = time_ordered_split(
        days(*range(100)), holdout_share=0.2, calibration_share=0.1, validation_share=0.2
    )
    assert {name: int(mask.sum()) for name, mask in split.parts().items()} == {
        "train": 56,
        "validation": 16,
        "calibration": 8,
        "holdout": 20,
    }
    assert split.holdout_from == pd.Timestamp("2024-03-21", tz="UTC")
    assert (split.fit == (split.train | split.validation)).all()


def test_holdout_from_a_date_naive_or_not():
    kickoff = days(*range(60))
    naive = time_ordered_split(kickoff, holdout_from=datetime(2024, 2, 1))
    aware = time_ordered_split(kickoff, holdout_from=pd.Timestamp("2024-02-01 01:00+01:00"))
    assert naive.holdout.sum() == 29
    assert (naive.holdout == aware.holdout).all()


def test_naive_kickoffs_of_any_unit_are_utc():
    aware = days(3, 1, 2)
    naive = aware.dt.tz_localize(None).astype("datetime64[us]")
    assert (utc_kickoffs(naive) == utc_kickoffs(aware)).all()


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 25), min_size=1, max_size=120),
    st.floats(0.05, 0.6),
    st.floats(0.05, 0.4),
    st.floats(0.05, 0.4),
)
def test_parts_cover_in_order_and_equal_kickoffs_stay_together(offsets, hold, calibrate, validate):
    kickoff = days(*offsets)
    try:
        split = time_ordered_split(
            kickoff, holdout_share=hold, calibration_share=calibrate, validation_share=validate
        )
    except TooFewRows:
        return
    masks = list(split.parts().values())
    assert (np.sum(masks, axis=0) == 1).all()
    for earlier, later in pairwise(masks):
        assert kickoff[earlier].max() < kickoff[later].min()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=100), st.integers(1, 4))
def test_folds_walk_forward_without_overlap(offsets, folds):
    kickoff = days(*offsets)
    try:
        steps = walk_forward(kickoff, folds)
    except TooFewRows:
        return
    assert len(steps) == folds
    assert (np.sum([step.test for step in steps], axis=0) <= 1).all()
    for step in steps:
        assert kickoff[step.train].max() < kickoff[step.test].min()
    assert (steps[-1].train | steps[-1].test).all()


@pytest.mark.parametrize(
    ("kickoff", "arguments", "message"),
    [
        (days(), {}, "no row"),
        (days(1, 1, 1, 1), {}, "train holds 0 rows"),
        (days(*range(20)), {"holdout_from": datetime(2025, 1, 1)}, "holdout holds 0 rows"),
        (days(*range(50)), {"min_rows": 6}, "validation holds 4 rows of 50, needs 6"),
    ],
)
def test_too_small_a_part_is_named(kickoff, arguments, message):
    with pytest.raises(TooFewRows, match=message):
        time_ordered_split(kickoff, **arguments)


def test_too_small_a_fold_is_named():
    with pytest.raises(TooFewRows, match="test of fold 1 holds 1 rows, needs 5"):
        walk_forward(days(*range(8)), folds=2, min_rows=5, first_train_share=0.7)


def test_malformed_arguments_are_refused():
    with pytest.raises(ValueError, match="holdout_share"):
        time_ordered_split(days(1, 2, 3), holdout_share=1.0)
    with pytest.raises(ValueError, match="nothing to train on"):
        time_ordered_split(days(1, 2, 3), calibration_share=0.5, validation_share=0.5)
    with pytest.raises(ValueError, match="1 rows have no kick-off"):
        time_ordered_split(pd.Series([pd.Timestamp("2024-01-01"), pd.NaT]))
    with pytest.raises(ValueError, match="folds"):
        walk_forward(days(1, 2, 3), folds=0)


def test_latest_rows():
    assert latest(days(5, 1, 4, 2), 2).tolist() == [True, False, True, False]
    assert latest(days(5, 1), 9).all()
    assert not latest(days(5, 1), 0).any()
