"""Comparing candidates by walking forward: each block of time predicted from what was before it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.modelling.bootstrap import blocked_standard_error
from soccer_assets.modelling.estimators import Estimator
from soccer_assets.modelling.metrics import per_match_log_loss, rps
from soccer_assets.modelling.rows import Rows
from soccer_assets.modelling.splits import Fold


@dataclass(frozen=True, eq=False)
class FoldScore:
    """How an estimator did on one fold."""

    probabilities: FloatArray
    """float64 (tested rows, 3)."""
    losses: FloatArray
    """Log-loss of every tested row, nats."""
    size: int | None
    """Found on the later of the fitted rows; None where the learner has none."""
    learnt: int
    """Rows that it learnt from at that size."""


@dataclass(frozen=True, eq=False)
class Walk:
    """How an estimator did on every fold, in order of time."""

    folds: tuple[FoldScore, ...]

    @property
    def probabilities(self) -> FloatArray:
        """float64 (all tested rows, 3)."""
        return np.concatenate([fold.probabilities for fold in self.folds])

    @property
    def losses(self) -> FloatArray:
        """float64 (all tested rows,)."""
        return np.concatenate([fold.losses for fold in self.folds])

    def size_on(self, rows: int) -> int | None:
        """What is right for so many rows: the folds' sizes in proportion to what they learnt from, of
        which the (upper) median counts. The more there is to learn from, the later a model begins to
        learn by heart."""
        sizes = sorted(fold.size * rows / fold.learnt for fold in self.folds if fold.size)
        return max(1, round(sizes[len(sizes) // 2])) if sizes else None


def walk(
    estimator: Callable[[], Estimator],
    rows: Rows,
    folds: Sequence[Fold],
    after_fold: Callable[[int, FoldScore], None] = lambda number, score: None,
) -> Walk:
    """Walk an estimator forward. ``after_fold`` is told the number of each fold, from 1, and its
    score, and may end the walk by raising."""
    scores = []
    for number, fold in enumerate(folds, start=1):
        fitted = _fit(estimator(), rows, fold)
        tested = rows[fold.test]
        probabilities = fitted.predict_proba(tested.features)
        losses = per_match_log_loss(probabilities, tested.outcomes)
        score = FoldScore(probabilities, losses, fitted.size, _learnt(fitted, fold))
        after_fold(number, score)
        scores.append(score)
    return Walk(tuple(scores))


def _learnt(estimator: Estimator, fold: Fold) -> int:
    until = fold.sized_at if estimator.is_sized else fold.train.stop
    return min(max(until - fold.train.start, 1), estimator.params.max_rows)


def _fit(estimator: Estimator, rows: Rows, fold: Fold) -> Estimator:
    """One that has to find its size is not fitted again with the rows that it was found by: they are
    few, and it would cost as much again."""
    if not estimator.is_sized or fold.sized_at == fold.train.start:
        return estimator.fit(rows[fold.train])
    early = slice(fold.train.start, fold.sized_at)
    return estimator.fit(rows[early], rows[slice(fold.sized_at, fold.train.stop)])


def simplest_of_the_best(walks: Mapping[str, Walk], weeks: IntArray) -> str:
    """The first candidate that is within one standard error of the best.

    Candidates stand in order from the simplest to the most complex: a more complex one has to beat
    a simpler one beyond noise (Breiman et al. 1984, "Classification and Regression Trees", the one
    standard error rule). The error is that of the mean of the paired differences of the losses.

    Args:
        walks: candidate -> its walk over the same rows.
        weeks: of each of those rows; those of one week are not independent.
    """
    losses = {name: walked.losses for name, walked in walks.items()}
    best = min(losses, key=lambda name: float(losses[name].mean()))
    for name, found in losses.items():
        behind = found - losses[best]
        if name == best or behind.mean() <= blocked_standard_error(behind, weeks):
            return name
    raise ValueError("there is no candidate to choose from")


def walks_table(walks: Mapping[str, Walk], rows: Rows, folds: Sequence[Fold]) -> pd.DataFrame:
    """One row a candidate and fold: ``candidate``, ``fold`` (from 1), ``train_rows``, ``test_rows``,
    ``test_from``, ``test_until`` (kick-offs, both included), ``size``, ``log_loss``, ``rps``."""
    return pd.DataFrame(
        {
            "candidate": name,
            "fold": number,
            "train_rows": fold.train.stop - fold.train.start,
            "test_rows": fold.test.stop - fold.test.start,
            "test_from": pd.Timestamp(rows.times[fold.test.start], unit="ns", tz="UTC"),
            "test_until": pd.Timestamp(rows.times[fold.test.stop - 1], unit="ns", tz="UTC"),
            "size": score.size,
            "log_loss": float(score.losses.mean()),
            "rps": rps(score.probabilities, rows.outcomes[fold.test]),
        }
        for name, walked in walks.items()
        for number, (fold, score) in enumerate(zip(folds, walked.folds, strict=True), start=1)
    )
