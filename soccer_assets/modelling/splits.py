"""Cutting matches by kick-off: the past teaches, the later past tunes, the latest judges.

Cuts fall between kick-offs, never among equal ones, so two matches that start together are always
on the same side.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
import pandas as pd

from soccer_assets.arrays import BoolArray, IntArray
from soccer_assets.not_yet import NotYet


class TooFewRows(NotYet, ValueError):
    """A part of a split would hold fewer rows than it needs; the message names the part."""


@dataclass(frozen=True, eq=False)
class TimeSplit:
    """Four disjoint boolean masks of shape (n,) that cover every row, in order of time.

    A part holds the kick-offs at or after its ``*_from`` (UTC) and before the next part's.
    """

    train: BoolArray
    validation: BoolArray
    calibration: BoolArray
    holdout: BoolArray
    validation_from: pd.Timestamp
    calibration_from: pd.Timestamp
    holdout_from: pd.Timestamp

    @property
    def fit(self) -> BoolArray:
        """Train and validation together: what the final model is fitted on."""
        return self.train | self.validation

    @property
    def before_holdout(self) -> BoolArray:
        """Everything that may be looked at before judging."""
        return ~self.holdout

    def parts(self) -> dict[str, BoolArray]:
        """The masks by name, in order of time."""
        return {
            "train": self.train,
            "validation": self.validation,
            "calibration": self.calibration,
            "holdout": self.holdout,
        }


@dataclass(frozen=True, eq=False)
class Fold:
    """One step of a walk: fit on ``train``, score on ``test``; masks of shape (n,)."""

    train: BoolArray
    test: BoolArray


def utc_kickoffs(kickoff: pd.Series) -> pd.DatetimeIndex:
    """Kick-offs as datetime64[ns, UTC]; naive ones are read as UTC.

    Raises ``ValueError`` when one is missing.
    """
    index = pd.DatetimeIndex(pd.to_datetime(kickoff, utc=True)).as_unit("ns")
    if index.hasnans:
        raise ValueError(f"{int(np.count_nonzero(index.isna()))} rows have no kick-off")
    return index


def time_ordered_split(
    kickoff: pd.Series,
    *,
    holdout_share: float = 0.15,
    holdout_from: datetime | None = None,
    calibration_share: float = 0.1,
    validation_share: float = 0.1,
    min_rows: int = 1,
) -> TimeSplit:
    """Split rows into train < validation < calibration < holdout by kick-off.

    The holdout is the latest ``holdout_share`` of all rows or, when given, every kick-off at or
    after ``holdout_from`` (naive is UTC). Calibration and validation take their shares of the rows
    before the holdout. Rows need not be sorted. Raises ``ValueError`` on a share outside (0, 1) or
    a missing kick-off, and ``TooFewRows`` when a part holds fewer than ``min_rows``.
    """
    for name, share in (
        ("holdout_share", holdout_share),
        ("calibration_share", calibration_share),
        ("validation_share", validation_share),
    ):
        if not 0.0 < share < 1.0:
            raise ValueError(f"{name} must lie in (0, 1), got {share}")
    if calibration_share + validation_share >= 1.0:
        raise ValueError("calibration_share and validation_share leave nothing to train on")
    times = utc_kickoffs(kickoff).asi8
    if len(times) == 0:
        raise TooFewRows("the dataset holds no row to split")
    ordered = np.sort(times)
    if holdout_from is None:
        holdout_at = _cut(ordered, 1.0 - holdout_share)
    else:
        moment = pd.Timestamp(holdout_from)
        moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
        holdout_at = int(moment.as_unit("ns").value)
    earlier = ordered[ordered < holdout_at]
    if len(earlier) == 0:
        raise TooFewRows("train holds 0 rows: every kick-off falls in the holdout")
    calibration_at = _cut(earlier, 1.0 - calibration_share)
    validation_at = _cut(earlier, 1.0 - calibration_share - validation_share)
    split = TimeSplit(
        train=times < validation_at,
        validation=(times >= validation_at) & (times < calibration_at),
        calibration=(times >= calibration_at) & (times < holdout_at),
        holdout=times >= holdout_at,
        validation_from=_timestamp(validation_at),
        calibration_from=_timestamp(calibration_at),
        holdout_from=_timestamp(holdout_at),
    )
    for name, mask in split.parts().items():
        if mask.sum() < min_rows:
            raise TooFewRows(
                f"{name} holds {int(mask.sum())} rows of {len(times)}, needs {min_rows}"
            )
    return split


def walk_forward(
    kickoff: pd.Series, folds: int, first_train_share: float = 0.5, min_rows: int = 1
) -> list[Fold]:
    """Expanding-window folds: each tests on the next block of time, fits on all before it.

    The latest 1 - ``first_train_share`` of the rows is cut into ``folds`` blocks of about equal
    size. Pass only rows from before the holdout. Raises ``ValueError`` on malformed arguments and
    ``TooFewRows`` when a fold's train or test part holds fewer than ``min_rows``.
    """
    if folds < 1:
        raise ValueError(f"folds must be at least 1, got {folds}")
    if not 0.0 < first_train_share < 1.0:
        raise ValueError(f"first_train_share must lie in (0, 1), got {first_train_share}")
    times = utc_kickoffs(kickoff).asi8
    if len(times) == 0:
        raise TooFewRows("there is no row to walk forward over")
    ordered = np.sort(times)
    shares = np.linspace(first_train_share, 1.0, folds + 1)[:-1]
    cuts = [*(_cut(ordered, float(share)) for share in shares), int(ordered[-1]) + 1]
    steps = []
    for number, (start, stop) in enumerate(pairwise(cuts), start=1):
        fold = Fold(train=times < start, test=(times >= start) & (times < stop))
        for name, mask in (("train", fold.train), ("test", fold.test)):
            if mask.sum() < min_rows:
                raise TooFewRows(
                    f"{name} of fold {number} holds {int(mask.sum())} rows, needs {min_rows}"
                )
        steps.append(fold)
    return steps


def latest(kickoff: pd.Series, rows: int) -> BoolArray:
    """Mask of the latest ``rows`` rows (all of them when there are fewer)."""
    mask = np.zeros(len(kickoff), dtype=np.bool_)
    if rows > 0:
        order = np.argsort(utc_kickoffs(kickoff).asi8, kind="stable")
        mask[order[-rows:]] = True
    return mask


def _cut(ordered: IntArray, share: float) -> int:
    """The kick-off (ns since 1970) with about ``share`` of the sorted rows before it."""
    return int(ordered[min(round(share * len(ordered)), len(ordered) - 1)])


def _timestamp(nanoseconds: int) -> pd.Timestamp:
    return pd.Timestamp(nanoseconds, unit="ns", tz="UTC")
