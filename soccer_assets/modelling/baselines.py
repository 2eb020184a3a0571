"""Two models every candidate has to beat: the class frequencies, and Elo alone."""

import json
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from soccer_assets.arrays import FloatArray, IntArray

ELO_COLUMN = "elo_difference"
#: Elo points in one unit of the slope: the scale on which Elo itself is defined.
ELO_UNIT = 400.0


class ClassPrior:
    """The same probabilities for every match: the outcome frequencies of the training rows.

    One match of each outcome is added (Laplace), so that no outcome is ever impossible.
    """

    probabilities: FloatArray
    """float64 (3,): home, draw, away. Set by ``fit``."""

    def fit(self, dataset: pd.DataFrame) -> Self:
        """Count ``dataset['outcome']``; raises ``ValueError`` when there is no row."""
        counts = np.bincount(_outcomes(dataset), minlength=3) + 1.0
        self.probabilities = counts / counts.sum()
        return self

    def predict_proba(self, frame: pd.DataFrame) -> FloatArray:
        """float64 (len(frame), 3), every row alike."""
        return np.tile(self.probabilities, (len(frame), 1))


class EloOrderedLogit:
    """Proportional-odds ordered logit (McCullagh 1980) on the Elo difference.

    With x = elo_difference / 400 and s the logistic function::

        P(away)         = s(cut_away - slope * x)
        P(away or draw) = s(cut_home - slope * x),   cut_away < cut_home

    Fitted by maximum likelihood. A missing Elo difference counts as the training mean.
    """

    slope: float
    cut_away: float
    cut_home: float
    mean_elo: float
    """Elo points; stands in for a missing difference."""

    def fit(self, dataset: pd.DataFrame) -> Self:
        """Fit on columns ``outcome`` and ``elo_difference``.

        Raises ``ValueError`` when there is no row.
        """
        from scipy.optimize import minimize

        outcomes = _outcomes(dataset)
        elo = dataset[ELO_COLUMN].to_numpy(dtype=np.float64)
        known = np.isfinite(elo)
        self.mean_elo = float(elo[known].mean()) if known.any() else 0.0
        x = self._scaled(dataset)
        start = _thresholds_of_frequencies(outcomes)
        found = minimize(
            _negative_log_likelihood,
            np.array([start[0], np.log(start[1] - start[0]), 1.0]),
            args=(x, outcomes),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-20.0, 20.0), (-12.0, 4.0), (-50.0, 50.0)],
            options={"ftol": 1e-12, "gtol": 1e-8, "maxiter": 500},
        )
        cut, log_gap, slope = (float(value) for value in found.x)
        self.slope, self.cut_away, self.cut_home = slope, cut, cut + float(np.exp(log_gap))
        return self

    def predict_proba(self, frame: pd.DataFrame) -> FloatArray:
        """float64 (len(frame), 3) from ``frame['elo_difference']``; rows sum to 1."""
        from scipy.special import expit

        shift = self.slope * self._scaled(frame)
        away = expit(self.cut_away - shift)
        home = expit(shift - self.cut_home)
        draw = np.maximum(1.0 - away - home, 0.0)
        stacked = np.column_stack([home, draw, away])
        return stacked / stacked.sum(axis=1, keepdims=True)

    def _scaled(self, frame: pd.DataFrame) -> FloatArray:
        elo = frame[ELO_COLUMN].to_numpy(dtype=np.float64)
        return np.where(np.isfinite(elo), elo, self.mean_elo) / ELO_UNIT


@dataclass(frozen=True, eq=False)
class Baselines:
    """Both, fitted on the same matches, as they go along with a model that serves."""

    prior: ClassPrior
    elo: EloOrderedLogit

    @classmethod
    def fit(cls, dataset: pd.DataFrame) -> Self:
        """Fit on columns ``outcome`` and ``elo_difference``; raises ``ValueError`` when there is no
        row."""
        return cls(ClassPrior().fit(dataset), EloOrderedLogit().fit(dataset))

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``elo_home`` to ``prior_away``, float64, from ``frame['elo_difference']``; its index."""
        return pd.DataFrame(
            {
                f"{system}_{outcome}": probabilities[:, place]
                for system, probabilities in (
                    ("elo", self.elo.predict_proba(frame)),
                    ("prior", self.prior.predict_proba(frame)),
                )
                for place, outcome in enumerate(("home", "draw", "away"))
            },
            index=frame.index,
        )

    def to_json(self) -> str:
        """Numbers to the bit."""
        return json.dumps({"prior": self.prior.probabilities.tolist(), "elo": vars(self.elo)})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ``ValueError`` or ``LookupError`` on anything else."""
        document = json.loads(text)
        prior, elo = ClassPrior(), EloOrderedLogit()
        prior.probabilities = np.array(document["prior"], dtype=np.float64)
        for name in ("slope", "cut_away", "cut_home", "mean_elo"):
            setattr(elo, name, float(document["elo"][name]))
        return cls(prior, elo)


def _outcomes(dataset: pd.DataFrame) -> IntArray:
    if len(dataset) == 0:
        raise ValueError("a baseline cannot be fitted on no rows")
    return dataset["outcome"].to_numpy(dtype=np.int64)


def _thresholds_of_frequencies(outcomes: IntArray) -> tuple[float, float]:
    """The two cuts that give the (smoothed) class frequencies when Elo says nothing."""
    shares = (np.bincount(outcomes, minlength=3) + 1.0) / (len(outcomes) + 3.0)
    away, not_home = shares[2], shares[2] + shares[1]
    return float(np.log(away / (1 - away))), float(np.log(not_home / (1 - not_home)))


def _negative_log_likelihood(
    parameters: FloatArray, x: FloatArray, outcomes: IntArray
) -> tuple[float, FloatArray]:
    """Mean negative log-likelihood and its gradient in (cut_away, log gap, slope).

    With a = cut_away - slope x, b = a + gap, the draw's probability is written
    s(b) - s(a) = s(b) s(-a) (1 - exp(-gap)), which never cancels.
    """
    from scipy.special import expit, log_expit

    cut, log_gap, slope = parameters
    gap = np.exp(log_gap)
    a = cut - slope * x
    b = a + gap
    home, draw, away = outcomes == 0, outcomes == 1, outcomes == 2
    draw_log = log_expit(b) + log_expit(-a) + np.log(-np.expm1(-gap))
    likelihood = np.where(away, log_expit(a), np.where(home, log_expit(-b), draw_log))
    by_a = np.where(away, expit(-a), np.where(draw, -expit(a), 0.0))
    by_b = np.where(home, -expit(b), np.where(draw, expit(-b), 0.0))
    by_cut = by_a + by_b
    by_log_gap = gap * (by_b.sum() + draw.sum() / np.expm1(gap))
    gradient = np.array([by_cut.sum(), by_log_gap, -(x * by_cut).sum()])
    return float(-likelihood.mean()), -gradient / len(x)
