from datetime import datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soccer_assets.modelling.splits import TooFewRows, timeline, utc_kickoffs, weeks_of
from soccer_assets.params.training import TrainingParams


def days(*offsets: int) -> pd.Series:
    return pd.Series(pd.Timestamp("2014-01-01", tz="UTC") + pd.to_timedelta(offsets, unit="D"))


def params(**given: object) -> TrainingParams:
    return TrainingParams.model_validate({"min_rows": 1} | given)


def test_the_latest_year_is_judged_and_walked_up_to_in_blocks():
    cut = timeline(days(*range(4000)), params())
    assert cut.parts() == {
        "history": slice(0, 3634 - 540),
        "walk_forward": slice(3634 - 540, 3634),
        "judged": slice(3634, 4000),  # both ends of the year
    }
    assert [fold.test for fold in cut.folds] == [
        slice(3094, 3274),
        slice(3274, 3454),
        slice(3454, 3634),
    ]
    assert all(fold.train == slice(0, fold.test.start) for fold in cut.folds)
    assert [fold.train.stop - fold.sized_at for fold in cut.folds] == [180] * 3
    assert cut.judged_from == days(3634)[0]
    assert cut.before == slice(0, 3634)


def test_a_young_history_spares_a_share_of_itself():
    cut = timeline(days(*range(100)), params())
    assert cut.judged == slice(80, 100)
    assert cut.walked == slice(40, 80)
    assert [fold.test.stop for fold in cut.folds] == [53, 67, 80]
    # The size is found on rows that a young history can spare, too.
    assert [fold.sized_at for fold in cut.folds] == [34, 45, 57]


def test_walking_looks_at_no_more_than_the_latest_rows():
    cut = timeline(days(*range(4000)), params(walk_max_rows=1000))
    assert [fold.train for fold in cut.folds] == [
        slice(2094, 3094),
        slice(2274, 3274),
        slice(2454, 3454),
    ]
    assert [fold.train.stop - fold.sized_at for fold in cut.folds] == [150] * 3
    assert cut.before == slice(0, 3634)


def test_judged_from_a_date_naive_or_not():
    kickoff = days(*range(60))
    naive = timeline(kickoff, params(judge_from=datetime(2014, 2, 1)))
    aware = timeline(kickoff, params(judge_from=pd.Timestamp("2014-02-01 01:00+01:00")))
    assert naive.judged == slice(31, 60)
    assert naive == aware


def test_naive_kickoffs_of_any_unit_are_utc():
    aware = days(3, 1, 2)
    naive = aware.dt.tz_localize(None).astype("datetime64[us]")
    assert (utc_kickoffs(naive) == utc_kickoffs(aware)).all()


def test_a_week_begins_on_a_thursday():
    weeks = weeks_of(days(*range(14)))  # from a Wednesday on
    assert (np.diff(weeks) == 1).tolist() == [day in (0, 7) for day in range(13)]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=150),
    st.integers(1, 40),
    st.integers(1, 4),
    st.integers(1, 20),
)
def test_parts_cover_in_order_and_equal_kickoffs_stay_together(offsets, judge, folds, fold_days):
    kickoff = days(*offsets)
    try:
        cut = timeline(kickoff, params(judge_days=judge, folds=folds, fold_days=fold_days))
    except TooFewRows:
        return
    times = kickoff.sort_values().reset_index(drop=True)
    parts = list(cut.parts().values())
    assert (parts[0].start, parts[-1].stop) == (0, len(times))
    blocks = [parts[0], *(fold.test for fold in cut.folds), parts[-1]]
    for earlier, later in pairwise(blocks):
        assert earlier.stop == later.start
        assert times[earlier].max() < times[later].min()
    assert times[cut.judged].min() >= cut.judged_from > times[cut.before].max()
    for fold in cut.folds:
        assert fold.train.stop == fold.test.start
        early, late = (
            times[fold.train.start : fold.sized_at],
            times[fold.sized_at : fold.train.stop],
        )
        assert early.empty or early.max() < late.min()


@pytest.mark.parametrize(
    ("kickoff", "given", "message"),
    [
        (days(), {}, "no row"),
        (days(1, 1, 1, 1), {}, "none is left to learn from"),
        (days(*range(20)), {"judge_from": datetime(2025, 1, 1)}, "judged holds 0 rows"),
        (days(*range(50)), {"min_rows": 15}, "judged holds 10 rows of 50, needs 15"),
        (days(*range(50)), {"min_rows": 8}, "test of fold 1 holds 7 rows of 50, needs 8"),
    ],
)
def test_too_small_a_part_is_named(kickoff, given, message):
    with pytest.raises(TooFewRows, match=message):
        timeline(kickoff, params(**given))


def test_a_missing_kickoff_is_refused():
    with pytest.raises(ValueError, match="1 rows have no kick-off"):
        timeline(pd.Series([pd.Timestamp("2024-01-01"), pd.NaT]), params())
