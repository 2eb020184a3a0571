"""Is one model better than another on the same matches, or is it chance?"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from soccer_assets.arrays import FloatArray, IntArray

#: Resampled values held in memory at once.
CHUNK_ELEMENTS = 1_000_000


@dataclass(frozen=True)
class PairedComparison:
    """Losses of a minus losses of b, on the same matches: negative favours a."""

    mean_difference: float
    low: float
    """Lower end of the percentile interval of the mean difference."""
    high: float
    """Upper end of the same."""
    probability_a_better: float
    """Share of the resamples in which a's mean loss is the lower one; a tie counts half."""
    n: int
    """Matches compared."""

    def as_dict(self) -> dict[str, float]:
        """Name -> value."""
        return asdict(self)


def paired_bootstrap(
    loss_a: ArrayLike,
    loss_b: ArrayLike,
    draws: int = 2000,
    seed: int = 0,
    blocks: ArrayLike | None = None,
    confidence: float = 0.95,
) -> PairedComparison:
    """Percentile bootstrap (Efron 1979) of the mean difference of two per-match losses.

    ``loss_a`` and ``loss_b`` are float (n,), row i of both about the same match. ``blocks``, when
    given, is (n,) of any sortable labels (a day, a week): whole blocks are resampled, which keeps
    matches that share a shock together. Raises ``ValueError`` on unequal shapes, no rows, values
    that are not finite, ``draws`` < 1 or ``confidence`` outside (0, 1).
    """
    a, b = np.asarray(loss_a, dtype=np.float64), np.asarray(loss_b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"losses must be (n,) and alike, got {a.shape} and {b.shape}")
    if len(a) == 0:
        raise ValueError("there is no match to compare on")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("losses must be finite")
    if draws < 1 or not 0.0 < confidence < 1.0:
        raise ValueError(f"draws={draws} must be >= 1 and confidence={confidence} in (0, 1)")
    difference = a - b
    means = _resampled_means(*_units(difference, blocks), draws, np.random.default_rng(seed))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    better = float((means < 0).mean() + 0.5 * (means == 0).mean())
    return PairedComparison(float(difference.mean()), float(low), float(high), better, len(a))


def blocked_intervals(
    values: FloatArray,
    blocks: ArrayLike,
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[FloatArray, FloatArray]:
    """Percentile intervals, low (k,) and high (k,), of the means of k columns of values (n, k), whole
    blocks (n,) resampled together."""
    counts, index = block_draws(blocks, draws, seed)
    sums = np.stack([np.bincount(index, weights=column) for column in values.T], axis=1)
    means = (counts @ sums) / (counts @ np.bincount(index))[:, None]
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail], axis=0)
    return low, high


def block_draws(blocks: ArrayLike, draws: int, seed: int) -> tuple[FloatArray, IntArray]:
    """How often each block is in each resample, float64 (draws, blocks), and the number of each row's
    block, from 0, int64 (n,)."""
    labels, index = np.unique(np.asarray(blocks), return_inverse=True)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(labels), np.full(len(labels), 1.0 / len(labels)), size=draws)
    return counts.astype(np.float64), index


def blocked_standard_error(differences: ArrayLike, blocks: ArrayLike) -> float:
    """Standard error of the mean of per-match differences (n,) whose blocks (n,) are independent.

    The ratio estimator's, with whole blocks as units (Cochran 1977, "Sampling Techniques"): the root
    of the sum of the squared sums of deviations of each block, over n. Infinite with one block.
    """
    values = np.asarray(differences, dtype=np.float64)
    sums, sizes = _units(values - values.mean(), blocks)
    assert sizes is not None
    if len(sums) < 2:
        return float("inf")
    return float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)) / len(values))


def _units(difference: FloatArray, blocks: ArrayLike | None) -> tuple[FloatArray, IntArray | None]:
    """What is resampled: the sum of differences and, when blocked, the size of each unit."""
    if blocks is None:
        return difference, None
    labels = np.asarray(blocks)
    if labels.shape != difference.shape:
        raise ValueError(f"blocks must be {difference.shape}, got {labels.shape}")
    _, index = np.unique(labels, return_inverse=True)
    sums = np.bincount(index, weights=difference).astype(np.float64)
    return sums, np.bincount(index).astype(np.int64)


def _resampled_means(
    sums: FloatArray,
    sizes: IntArray | None,
    draws: int,
    rng: np.random.Generator,
) -> FloatArray:
    units = len(sums)
    at_once = max(1, CHUNK_ELEMENTS // units)
    means = np.empty(draws)
    for start in range(0, draws, at_once):
        stop = min(start + at_once, draws)
        chosen = rng.integers(0, units, size=(stop - start, units), dtype=np.int32)
        totals = sums[chosen].sum(axis=1)
        means[start:stop] = totals / (units if sizes is None else sizes[chosen].sum(axis=1))
    return means
