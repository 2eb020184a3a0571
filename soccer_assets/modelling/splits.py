"""Cutting matches by kick-off: the past teaches, the later past chooses, the latest judges.

    history, of which the later part is walked over in folds | judged matches

Cuts fall between kick-offs, never among equal ones, so two matches that start together are always
on the same side. Parts are slices of positions among the rows in order of kick-off.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from soccer_assets.arrays import IntArray
from soccer_assets.not_yet import NotYet
from soccer_assets.params.training import TrainingParams

#: Of a fold's rows before its test, at most, those by which a learner decides when to stop.
SIZING_SHARE = 0.15
DAY_NS = 86_400_000_000_000


class TooFewRows(NotYet, ValueError):
    """A part of the timeline would hold fewer rows than it needs; the message names the part."""


@dataclass(frozen=True)
class Fold:
    """One step of a walk: fit on ``train``, score on ``test``."""

    train: slice
    test: slice
    sized_at: int
    """Where the later rows of ``train`` begin, by which a learner may decide when to stop: about as
    many as are tested, at most ``SIZING_SHARE`` of them."""


@dataclass(frozen=True)
class Timeline:
    """How a training cuts its rows."""

    folds: tuple[Fold, ...]
    """In order of time, each testing on the block after the one before."""
    judged: slice
    judged_from: pd.Timestamp
    """Judged matches kick off at or after it (UTC)."""

    @property
    def before(self) -> slice:
        """All that may be looked at before judging."""
        return slice(0, self.judged.start)

    @property
    def walked(self) -> slice:
        """What the folds test on, all together."""
        return slice(self.folds[0].test.start, self.folds[-1].test.stop)

    def parts(self) -> dict[str, slice]:
        """In order of time; together, every row."""
        return {
            "history": slice(0, self.walked.start),
            "walk_forward": self.walked,
            "judged": self.judged,
        }


def utc_kickoffs(kickoff: pd.Series) -> pd.DatetimeIndex:
    """Kick-offs as datetime64[ns, UTC]; naive ones are read as UTC.

    Raises ``ValueError`` when one is missing.
    """
    index = pd.DatetimeIndex(pd.to_datetime(kickoff, utc=True)).as_unit("ns")
    if index.hasnans:
        raise ValueError(f"{int(np.count_nonzero(index.isna()))} rows have no kick-off")
    return index


def weeks_of(kickoff: pd.Series) -> IntArray:
    """The week of each kick-off, int64 (n,), which begins on a Thursday: a weekend is one."""
    return utc_kickoffs(kickoff).asi8 // (7 * DAY_NS)


def timeline(kickoff: pd.Series, params: TrainingParams) -> Timeline:
    """The judged rows and the folds before them; rows need not be sorted.

    The judged rows are those of the latest ``judge_days``, or from ``judge_from`` on. The folds'
    blocks are cut to about equal numbers of rows over the ``folds`` times ``fold_days`` before. A
    young history gives less of both: see the shares in ``TrainingParams``.

    Raises:
        ValueError: a kick-off is missing.
        TooFewRows: a part holds fewer than ``min_rows``.
    """
    times = np.sort(utc_kickoffs(kickoff).asi8)
    if len(times) == 0:
        raise TooFewRows("the dataset holds no row to split")
    judged_from = _judged_from(times, params)
    judged = slice(int(np.searchsorted(times, judged_from)), len(times))
    _require("judged", judged, len(times), params.min_rows)
    if judged.start == 0:
        raise TooFewRows("every row is to be judged: none is left to learn from")
    earlier = times[: judged.start]
    first = max(
        judged_from - params.folds * params.fold_days * DAY_NS,
        _cut(earlier, 1.0 - params.walk_max_share),
    )
    begin = int(np.searchsorted(earlier, first))
    cuts = np.linspace(begin, len(earlier), params.folds + 1).round().astype(int)[:-1]
    whole = [int(np.searchsorted(earlier, earlier[min(cut, len(earlier) - 1)])) for cut in cuts]
    folds = tuple(_folds(earlier, [*whole, len(earlier)], params.walk_max_rows))
    for number, fold in enumerate(folds, start=1):
        _require(f"train of fold {number}", fold.train, len(times), params.min_rows)
        _require(f"test of fold {number}", fold.test, len(times), params.min_rows)
    return Timeline(folds, judged, pd.Timestamp(judged_from, unit="ns", tz="UTC"))


def _judged_from(times: IntArray, params: TrainingParams) -> int:
    """Nanoseconds since 1970."""
    if params.judge_from is None:
        latest = int(times[-1]) - params.judge_days * DAY_NS
        return max(latest, _cut(times, 1.0 - params.judge_max_share))
    moment = pd.Timestamp(params.judge_from)
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
    return int(moment.as_unit("ns").value)


def _folds(times: IntArray, cuts: list[int], max_rows: int) -> Iterator[Fold]:
    for start, stop in pairwise(cuts):
        first = max(0, start - max_rows)
        late = min(stop - start, round(SIZING_SHARE * (start - first)))
        sized_at = max(first, int(np.searchsorted(times, times[start - late]))) if late else first
        yield Fold(slice(first, start), slice(start, stop), sized_at)


def _cut(ordered: IntArray, share: float) -> int:
    """The kick-off (ns since 1970) with about ``share`` of the sorted rows before it."""
    return int(ordered[min(round(share * len(ordered)), len(ordered) - 1)])


def _require(name: str, part: slice, total: int, rows: int) -> None:
    held = part.stop - part.start
    if held < rows:
        raise TooFewRows(f"{name} holds {held} rows of {total}, needs {rows}")
