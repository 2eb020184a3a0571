"""Correcting a model's probabilities on matches it was not fitted on."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.modelling.bootstrap import paired_bootstrap
from soccer_assets.modelling.metrics import per_match_log_loss, validated, validated_probabilities

#: Probabilities are raised to this before their logarithm.
LOG_FLOOR = 1e-9


class VectorScaling:
    """Vector scaling (Guo et al. 2017, "On calibration of modern neural networks").

    softmax(scale_k * ln p_k + bias_k), one scale and one bias a class, by penalised maximum
    likelihood: ``ridge`` / 2 times the squared distance of (scale, bias) from (1, 0) is added to
    the summed loss, so a small sample leaves the probabilities nearly as they were. Below
    ``min_rows`` rows they are left exactly as they were. The loss is convex and the search starts
    at the identity: the fitted rows never score worse than before.
    """

    def __init__(self, ridge: float = 10.0, min_rows: int = 200) -> None:
        if ridge < 0:
            raise ValueError(f"ridge must not be negative, got {ridge}")
        self.ridge = ridge
        self.min_rows = min_rows
        self.scale: FloatArray = np.ones(3)
        self.bias: FloatArray = np.zeros(3)
        self.is_identity = True

    def fit(self, probabilities: ArrayLike, outcomes: ArrayLike) -> Self:
        """Fit on (n, 3) probabilities and (n,) outcomes; raises ``ValueError`` if malformed."""
        from scipy.optimize import minimize

        p, y = validated(probabilities, outcomes)
        self.scale, self.bias, self.is_identity = np.ones(3), np.zeros(3), True
        if len(y) < self.min_rows:
            return self
        found = minimize(
            _penalised_loss,
            np.concatenate([self.scale, self.bias]),
            args=(np.log(np.maximum(p, LOG_FLOOR)), y, self.ridge),
            jac=True,
            method="L-BFGS-B",
            options={"ftol": 1e-12, "gtol": 1e-8, "maxiter": 500},
        )
        self.scale, self.bias, self.is_identity = found.x[:3], found.x[3:], False
        return self

    def transform(self, probabilities: ArrayLike) -> FloatArray:
        """Corrected float64 (n, 3); the very input while the correction is the identity."""
        if self.is_identity:
            return np.array(probabilities, dtype=np.float64)
        p = validated_probabilities(probabilities)
        return _softmax(np.log(np.maximum(p, LOG_FLOOR)) * self.scale + self.bias)


def scaling_if_better(
    probabilities: Sequence[FloatArray], outcomes: Sequence[IntArray], weeks: IntArray, seed: int
) -> VectorScaling:
    """Vector scaling fitted on the predictions of all folds, if it helps out of time; else none.

    It helps if, fitted on all folds but the last, it makes the last one's log-loss lower beyond
    noise (95 % interval of the paired difference). With one fold nothing can be said: none.

    Args:
        probabilities: of each fold in order of time, (n, 3), by a model that had not seen it.
        outcomes: of each fold, (n,).
        weeks: of the last fold's matches; those of one week are not independent.
    """
    if len(probabilities) < 2:
        return VectorScaling()
    earlier = VectorScaling().fit(np.concatenate(probabilities[:-1]), np.concatenate(outcomes[:-1]))
    raw, truth = probabilities[-1], outcomes[-1]
    compared = paired_bootstrap(
        per_match_log_loss(earlier.transform(raw), truth),
        per_match_log_loss(raw, truth),
        seed=seed,
        blocks=weeks,
    )
    if compared.high >= 0:
        return VectorScaling()
    return VectorScaling().fit(np.concatenate(probabilities), np.concatenate(outcomes))


def _softmax(logits: FloatArray) -> FloatArray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _penalised_loss(
    parameters: FloatArray, logs: FloatArray, outcomes: IntArray, ridge: float
) -> tuple[float, FloatArray]:
    """The penalised loss divided by n, and its gradient in (scale, bias)."""
    scale, bias = parameters[:3], parameters[3:]
    p = _softmax(logs * scale + bias)
    n = len(outcomes)
    rows = np.arange(n)
    away_from_identity = np.concatenate([scale - 1.0, bias])
    loss = -np.log(np.maximum(p[rows, outcomes], 1e-300)).sum()
    error = p
    error[rows, outcomes] -= 1.0
    gradient = np.concatenate([(error * logs).sum(axis=0), error.sum(axis=0)])
    penalty = 0.5 * ridge * float(away_from_identity @ away_from_identity)
    return float(loss + penalty) / n, (gradient + ridge * away_from_identity) / n
