"""Scores of 1X2 probabilities against outcomes.

Everywhere ``probabilities`` is float of shape (n, 3) with columns home, draw, away, and
``outcomes`` is integer of shape (n,) with 0 = home win, 1 = draw, 2 = away win. Every score is
dimensionless except log-loss, which is in nats. Lower is better but for accuracy and AUC.

Every public function raises ``ValueError`` on a malformed input: see ``validated``.
"""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from soccer_assets.arrays import FloatArray, IntArray

CLASSES = ("home", "draw", "away")
CALIBRATION_BINS = 15
SUM_TOLERANCE = 1e-6
#: The bin of every row, int64 (n,), and how far it is off, float64 (n,).
_Gaps = tuple[IntArray, FloatArray]
#: A probability is raised to this before its logarithm, so that a lone zero stays a finite loss.
SMALLEST_PROBABILITY = 1e-15


@dataclass(frozen=True)
class Scorecard:
    """All the scores of one set of predictions; ``n`` is the number of matches."""

    n: int
    log_loss: float
    brier: float
    rps: float
    ece: float
    """Class-wise."""
    ece_top: float
    """Of the likeliest outcome alone."""
    accuracy: float
    auc_ovr: float

    def as_dict(self) -> dict[str, float]:
        """Name -> value, as logged to an experiment tracker."""
        return asdict(self)


def validated_probabilities(probabilities: ArrayLike) -> FloatArray:
    """``probabilities`` as a float64 (n, 3) array.

    Raises ``ValueError`` unless n >= 1, every value is finite and in [0, 1], and every row sums to
    1 within ``SUM_TOLERANCE``.
    """
    array = np.asarray(probabilities, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != len(CLASSES):
        raise ValueError(f"probabilities must have shape (n, 3), got {array.shape}")
    if array.shape[0] == 0:
        raise ValueError("probabilities hold no row: there is nothing to score")
    if not np.isfinite(array).all():
        raise ValueError("probabilities must be finite")
    if array.min() < 0.0 or array.max() > 1.0 + SUM_TOLERANCE:
        raise ValueError("probabilities must lie in [0, 1]")
    worst = float(np.abs(array.sum(axis=1) - 1.0).max())
    if worst > SUM_TOLERANCE:
        raise ValueError(f"rows of probabilities must sum to 1, one is off by {worst:.3g}")
    return array


def validated_outcomes(outcomes: ArrayLike, n: int) -> IntArray:
    """``outcomes`` as int64 of shape (n,). Raises ``ValueError`` on another shape or code."""
    array = np.asarray(outcomes)
    if array.shape != (n,):
        raise ValueError(f"outcomes must have shape ({n},), got {array.shape}")
    if not np.isin(array, (0, 1, 2)).all():
        raise ValueError("outcomes must be 0 (home win), 1 (draw) or 2 (away win)")
    return array.astype(np.int64)


def validated(probabilities: ArrayLike, outcomes: ArrayLike) -> tuple[FloatArray, IntArray]:
    """Both inputs checked and cast; raises ``ValueError`` naming what is wrong."""
    checked = validated_probabilities(probabilities)
    return checked, validated_outcomes(outcomes, checked.shape[0])


def per_match_log_loss(probabilities: ArrayLike, outcomes: ArrayLike) -> FloatArray:
    """-ln p(what happened) of every match: float64 (n,), nats."""
    p, y = validated(probabilities, outcomes)
    return -np.log(np.maximum(p[np.arange(len(y)), y], SMALLEST_PROBABILITY))


def log_loss(probabilities: ArrayLike, outcomes: ArrayLike) -> float:
    """Mean negative log-likelihood, nats; ln 3 = 1.0986 for uniform probabilities."""
    return float(per_match_log_loss(probabilities, outcomes).mean())


def per_match_brier(probabilities: ArrayLike, outcomes: ArrayLike) -> FloatArray:
    """Squared distance of every match's probabilities from what happened: float64 (n,)."""
    p, y = validated(probabilities, outcomes)
    return ((p - _one_hot(y)) ** 2).sum(axis=1)


def brier(probabilities: ArrayLike, outcomes: ArrayLike) -> float:
    """Multi-class Brier score (Brier 1950): squared errors summed over the 3 classes, in [0, 2]."""
    return float(per_match_brier(probabilities, outcomes).mean())


def per_match_rps(probabilities: ArrayLike, outcomes: ArrayLike) -> FloatArray:
    """Ranked probability score of every match: float64 (n,)."""
    p, y = validated(probabilities, outcomes)
    gaps = np.cumsum(p - _one_hot(y), axis=1)[:, :2]
    return (gaps**2).sum(axis=1) / 2.0


def rps(probabilities: ArrayLike, outcomes: ArrayLike) -> float:
    """Ranked probability score over the order home, draw, away, in [0, 1].

    Squared differences of the two inner cumulative probabilities, halved (Epstein 1969;
    Constantinou & Fenton 2012, "Solving the problem of inadequate scoring rules").
    """
    return float(per_match_rps(probabilities, outcomes).mean())


def accuracy(probabilities: ArrayLike, outcomes: ArrayLike) -> float:
    """Share of matches whose likeliest outcome (the first, when tied) happened."""
    p, y = validated(probabilities, outcomes)
    return float((p.argmax(axis=1) == y).mean())


def auc_ovr(probabilities: ArrayLike, outcomes: ArrayLike) -> float:
    """Macro one-vs-rest area under the ROC curve, by the Mann-Whitney statistic (ties count half).

    The mean runs over the classes that both happened and did not; NaN when there is none.
    """
    from scipy.stats import rankdata

    p, y = validated(probabilities, outcomes)
    areas = []
    for code in range(len(CLASSES)):
        positive = y == code
        hits = int(positive.sum())
        misses = len(y) - hits
        if hits and misses:
            ranks = rankdata(p[:, code])
            areas.append((ranks[positive].sum() - hits * (hits + 1) / 2.0) / (hits * misses))
    return float(np.mean(areas)) if areas else float("nan")


def ece(probabilities: ArrayLike, outcomes: ArrayLike, bins: int = CALIBRATION_BINS) -> float:
    """Class-wise expected calibration error with equal-mass bins, in [0, 1].

    For each class its predicted probabilities are cut at their ``bins`` quantiles, and the gaps
    |mean predicted - observed share| are averaged by bin size; the three classes are then averaged
    (Kull et al. 2019, "Beyond temperature scaling"). Class-wise, as every one of the three prices
    is served; equal-mass, as equal-width bins leave most bins nearly empty. Equal predictions share
    a bin, hence fewer bins where there are many ties.
    """
    p, y = validated(probabilities, outcomes)
    return float(_classwise_gap(p, y, _class_bins(p, bins)))


def top_label_ece(
    probabilities: ArrayLike, outcomes: ArrayLike, bins: int = CALIBRATION_BINS
) -> float:
    """Expected calibration error of the likeliest outcome (Guo et al. 2017), with equal-mass bins.

    |mean probability - share of hits| over bins of the highest probability, averaged by bin size.
    """
    p, y = validated(probabilities, outcomes)
    ((group, gap),) = top_label_gaps(p, y, bins)
    return float(np.abs(np.bincount(group, weights=gap)).sum()) / len(y)


def class_gaps(p: FloatArray, y: IntArray, bins: int = CALIBRATION_BINS) -> list[_Gaps]:
    """Per class: the bin of every row, and its probability minus whether the class happened. Their
    sums over bins are what ``ece`` adds up."""
    groups = _class_bins(p, bins)
    return [(group, p[:, code] - (y == code)) for code, (group, _) in enumerate(groups)]


def top_label_gaps(p: FloatArray, y: IntArray, bins: int = CALIBRATION_BINS) -> list[_Gaps]:
    """The same of the likeliest outcome (the first, when tied)."""
    top = p.argmax(axis=1)
    highest = p[np.arange(len(p)), top]
    return [(_bins(highest, bins)[0], highest - (top == y))]


def ece_noise_ceiling(
    probabilities: ArrayLike,
    quantile: float = 0.95,
    draws: int = 200,
    seed: int = 0,
    bins: int = CALIBRATION_BINS,
) -> float:
    """The ECE that a perfectly calibrated model would exceed by chance in 1 - ``quantile`` of cases.

    Outcomes are drawn ``draws`` times from ``probabilities`` themselves and scored with
    ``ece``: a finite sample never shows zero (consistency resampling, Broecker & Smith 2007).
    """
    if not 0.0 < quantile < 1.0:
        raise ValueError(f"quantile must lie in (0, 1), got {quantile}")
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    p = validated_probabilities(probabilities)
    groups = _class_bins(p, bins)
    home, home_or_draw = p[:, 0], p[:, 0] + p[:, 1]
    rng = np.random.default_rng(seed)
    simulated = np.empty(draws)
    for draw in range(draws):
        uniform = rng.random(len(p))
        outcomes = (uniform >= home).astype(np.int64) + (uniform >= home_or_draw)
        simulated[draw] = _classwise_gap(p, outcomes, groups)
    return float(np.quantile(simulated, quantile))


def scorecard(probabilities: ArrayLike, outcomes: ArrayLike) -> Scorecard:
    """Every score at once. Raises ``ValueError`` on malformed or empty input."""
    p, y = validated(probabilities, outcomes)
    return Scorecard(
        n=len(y),
        log_loss=log_loss(p, y),
        brier=brier(p, y),
        rps=rps(p, y),
        ece=ece(p, y),
        ece_top=top_label_ece(p, y),
        accuracy=accuracy(p, y),
        auc_ovr=auc_ovr(p, y),
    )


def reliability_curve(
    probabilities: ArrayLike, outcomes: ArrayLike, bins: int = CALIBRATION_BINS
) -> pd.DataFrame:
    """The bins of ``ece``, for plotting predicted against observed.

    Columns: ``outcome`` ('home', 'draw', 'away'), ``bin`` (0-based, rising), ``n``,
    ``mean_probability``, ``observed_share``, and ``low``/``high``, the 95 % Wilson (1927) interval
    of the observed share.
    """
    p, y = validated(probabilities, outcomes)
    tables = []
    for code, (group, count) in enumerate(_class_bins(p, bins)):
        n = np.bincount(group, minlength=count).astype(np.float64)
        filled = n > 0
        n_filled = n[filled]
        predicted = np.bincount(group, weights=p[:, code], minlength=count)[filled] / n_filled
        observed = np.bincount(group[y == code], minlength=count)[filled] / n_filled
        low, high = _wilson_interval(observed, n_filled)
        tables.append(
            pd.DataFrame(
                {
                    "outcome": CLASSES[code],
                    "bin": np.arange(len(n_filled)),
                    "n": n_filled.astype(np.int64),
                    "mean_probability": predicted,
                    "observed_share": observed,
                    "low": low,
                    "high": high,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _one_hot(outcomes: IntArray) -> FloatArray:
    return np.eye(len(CLASSES))[outcomes]


def _class_bins(p: FloatArray, bins: int) -> list[tuple[IntArray, int]]:
    """Per class: the bin of every row and the number of bins."""
    return [_bins(p[:, code], bins) for code in range(len(CLASSES))]


def _bins(values: FloatArray, bins: int) -> tuple[IntArray, int]:
    """Cut at their quantiles: the bin of every value, and the number of bins."""
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right"), len(edges) + 1


def _classwise_gap(p: FloatArray, y: IntArray, groups: list[tuple[IntArray, int]]) -> float:
    total = 0.0
    for code, (group, count) in enumerate(groups):
        predicted = np.bincount(group, weights=p[:, code], minlength=count)
        happened = np.bincount(group[y == code], minlength=count)
        total += float(np.abs(predicted - happened).sum())
    return total / (len(CLASSES) * len(y))


def _wilson_interval(share: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    z = 1.959963984540054
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)
