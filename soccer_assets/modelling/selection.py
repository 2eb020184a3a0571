"""Choosing among candidate estimators by walking forward through the past."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from soccer_assets.arrays import Float32Array, IntArray
from soccer_assets.modelling.estimators import Estimator, Validation, make_estimator
from soccer_assets.modelling.metrics import per_match_log_loss, rps
from soccer_assets.modelling.splits import latest, walk_forward
from soccer_assets.params.training import TrainingParams

#: Of a fold's fitted rows, the latest, by which an estimator decides when to stop.
EARLY_STOPPING_SHARE = 0.15


def cross_validate(
    matrix: Float32Array,
    outcomes: IntArray,
    kickoff: pd.Series,
    params: TrainingParams,
    progress: Callable[[str], None],
) -> pd.DataFrame:
    """Score every candidate on the same walk-forward folds of the given rows.

    ``matrix`` float32 (n, features), ``outcomes`` (n,) and ``kickoff`` (n,) are rows in order of
    time from before the calibration slice. Returns one row a candidate and fold: ``candidate``,
    ``fold`` (1-based), ``train_rows``, ``test_rows``, ``test_from``, ``test_until`` (kick-offs,
    both included), ``log_loss`` and ``rps``. Raises ``TooFewRows``.
    """
    window = np.flatnonzero(latest(kickoff, params.cv_max_rows))
    times = kickoff.iloc[window].reset_index(drop=True)
    folds = walk_forward(times, params.folds, min_rows=params.min_rows)
    rows = []
    for candidate, settings in params.candidates.items():
        for number, fold in enumerate(folds, start=1):
            train, test = window[fold.train], window[fold.test]
            inner = walk_forward(
                times[fold.train], folds=1, first_train_share=1.0 - EARLY_STOPPING_SHARE
            )[0]
            estimator = sized_fit(
                make_estimator(candidate, settings, params.seed),
                matrix,
                outcomes,
                train[inner.train],
                train[inner.test],
                params.cv_max_rows,
            )
            probabilities = estimator.predict_proba(matrix[test])
            loss = float(per_match_log_loss(probabilities, outcomes[test]).mean())
            rows.append(
                {
                    "candidate": candidate,
                    "fold": number,
                    "train_rows": len(train),
                    "test_rows": len(test),
                    "test_from": times[fold.test].min(),
                    "test_until": times[fold.test].max(),
                    "log_loss": loss,
                    "rps": rps(probabilities, outcomes[test]),
                }
            )
            progress(f"{candidate}: fold {number} of {len(folds)}, log-loss {loss:.4f}")
    return pd.DataFrame(rows)


def best_candidate(cv: pd.DataFrame) -> str:
    """The candidate with the lowest log-loss over all tested matches; the first one, when tied."""
    weighted = (cv["log_loss"] * cv["test_rows"]).groupby(cv["candidate"], sort=False).sum()
    return str(weighted.idxmin())


def sized_fit(
    estimator: Estimator,
    matrix: Float32Array,
    outcomes: IntArray,
    train: IntArray,
    validation: IntArray,
    sizing_rows: int,
) -> Estimator:
    """Find the size on ``validation``, then fit that size on ``train`` and ``validation``.

    ``train`` and ``validation`` are rising row numbers, validation the later. The size is found
    with at most the latest ``sizing_rows`` of ``train``.
    """
    if estimator.sized_by_validation:
        held_out = Validation(matrix[validation], outcomes[validation])
        recent = train[-sizing_rows:]
        estimator = estimator.fit(matrix[recent], outcomes[recent], held_out).at_fitted_size()
    both = np.concatenate([train, validation])
    return estimator.fit(matrix[both], outcomes[both])
