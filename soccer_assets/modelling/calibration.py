"""Correcting a model's probabilities on matches it was not fitted on."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.modelling.metrics import validated, validated_probabilities

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
