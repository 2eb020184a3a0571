"""Do live features still look like those the model was trained on?

A feature's distribution is compared by the population stability index (PSI) over quantile bins of
the reference, by the Wasserstein distance in reference standard deviations, and by its share of
missing values. All three are above zero for samples of one distribution too, the more so the fewer
the rows. With B bins, PSI under no drift is about (1/n_live + 1/n_ref) times a chi-square of B - 1
degrees of freedom (Yurdakul 2018, "Statistical properties of the population stability index"), so
its mean is (B - 1)(1/n_live + 1/n_ref). That mean is subtracted before a threshold is applied, and
what remains must also be beyond chance. Both take the live rows as independent; matches of one
weekend are not, so judge several weeks at once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from soccer_assets.arrays import FloatArray
from soccer_assets.modelling.profile import (
    QUANTILE_LEVELS,
    FeatureProfile,
    ReferenceProfile,
    bin_of,
    column_values,
    require_columns,
)
from soccer_assets.params import DriftParams

SHARE_FLOOR = 1e-6
#: How rarely chance alone may call one feature drifted.
CHANCE_LEVEL = 1e-3


@dataclass(frozen=True, eq=False)
class DriftReport:
    """The verdict over all features."""

    live_rows: int
    reference_rows: int
    features: pd.DataFrame
    """As returned by ``feature_drift``."""
    share_drifted: float
    drifted: bool

    @property
    def drifted_features(self) -> list[str]:
        """Names of the drifted features, largest PSI first."""
        return self.features.loc[self.features["drifted"], "feature"].tolist()

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe summary without the per-feature table."""
        return {
            "live_rows": self.live_rows,
            "reference_rows": self.reference_rows,
            "share_drifted": self.share_drifted,
            "drifted": self.drifted,
            "drifted_features": self.drifted_features,
        }


def psi(reference_shares: ArrayLike, live_shares: ArrayLike) -> float:
    """Population stability index: sum of (live - reference) ln(live / reference) over the bins.

    Symmetric, zero iff alike. Shares below ``SHARE_FLOOR`` are raised to it, so that an empty bin
    is a large number and not infinite. Raises ``ValueError`` unless both are (bins,), not negative
    and sum to 1.
    """
    reference = np.asarray(reference_shares, dtype=np.float64)
    live = np.asarray(live_shares, dtype=np.float64)
    if reference.ndim != 1 or reference.shape != live.shape:
        raise ValueError(f"shares must be (bins,) alike, got {reference.shape} and {live.shape}")
    for shares in (reference, live):
        if not (np.isfinite(shares).all() and (shares >= 0).all()):
            raise ValueError("shares must be finite and not negative")
        if abs(shares.sum() - 1.0) > 1e-6:
            raise ValueError(f"shares must sum to 1, got {shares.sum():.6g}")
    reference, live = np.maximum(reference, SHARE_FLOOR), np.maximum(live, SHARE_FLOOR)
    return float(((live - reference) * np.log(live / reference)).sum())


def expected_psi(bins: int, n_live: int, n_reference: int) -> float:
    """Mean PSI of two samples of one distribution: (bins - 1)(1/n_live + 1/n_reference)."""
    return (bins - 1) * (1.0 / n_live + 1.0 / n_reference)


def feature_drift(
    profile: ReferenceProfile,
    live: pd.DataFrame,
    thresholds: DriftParams | None = None,
) -> pd.DataFrame:
    """Compare every profiled feature with the rows ``live``.

    Returns one row a feature that is not ignored, largest PSI first: ``feature``; ``n_live`` (rows in which it is
    known); ``psi`` (bias-corrected, so about 0 or slightly below without drift; NaN when never
    known on one side); ``wasserstein`` (in reference sd); ``missing_shift`` (live minus reference
    share of missing values); ``drifted``. Raises ``ValueError`` when ``live`` lacks a column.
    """
    limits = thresholds or DriftParams()
    judged = [name for name in profile.features if name not in limits.ignored]
    require_columns(live, judged)
    rows = [
        {"feature": name}
        | _compare(profile.features[name], column_values(live, name), profile.rows, limits)
        for name in judged
    ]
    columns = ["feature", "n_live", "psi", "wasserstein", "missing_shift", "drifted"]
    table = pd.DataFrame(rows, columns=columns).astype({"drifted": bool})
    return table.sort_values("psi", ascending=False, kind="stable", ignore_index=True)


def drift_report(
    profile: ReferenceProfile,
    live: pd.DataFrame,
    thresholds: DriftParams | None = None,
) -> DriftReport:
    """``feature_drift`` and its verdict: enough of the features drifted, and at least one."""
    limits = thresholds or DriftParams()
    table = feature_drift(profile, live, limits)
    share = float(table["drifted"].mean()) if len(table) else 0.0
    return DriftReport(
        live_rows=len(live),
        reference_rows=profile.rows,
        features=table,
        share_drifted=share,
        drifted=share > 0.0 and share >= limits.max_share_drifted,
    )


def _compare(
    reference: FeatureProfile, values: FloatArray, reference_rows: int, limits: DriftParams
) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    missing_shift, missing_drifted = _missing_drift(
        reference.missing_share, reference_rows, len(values), len(known), limits
    )
    result = {
        "n_live": len(known),
        "psi": float("nan"),
        "wasserstein": float("nan"),
        "missing_shift": missing_shift,
        "drifted": missing_drifted,
    }
    if len(known) and reference.n:
        corrected, psi_drifted = _psi_drift(reference, known, limits)
        distance, distance_drifted = _distance_drift(reference, known, limits)
        enough = len(known) >= limits.min_rows
        result |= {
            "psi": corrected,
            "wasserstein": distance,
            "drifted": missing_drifted or (enough and (psi_drifted or distance_drifted)),
        }
    return result


def _psi_drift(
    reference: FeatureProfile, known: FloatArray, limits: DriftParams
) -> tuple[float, bool]:
    """Bias-corrected PSI, and whether it is both large and beyond chance."""
    from scipy.stats import chi2

    shares = np.asarray(reference.shares)
    counts = np.bincount(bin_of(known, reference.edges), minlength=len(shares))
    used = (shares > 0) | (counts > 0)
    bins = int(used.sum())
    # Half a row in every bin on both sides (Jeffreys): the logarithm of an empty bin is what makes
    # PSI explode on small samples.
    live = (counts[used] + 0.5) / (len(known) + 0.5 * bins)
    base = (shares[used] * reference.n + 0.5) / (reference.n + 0.5 * bins)
    raw = psi(base, live)
    corrected = raw - expected_psi(bins, len(known), reference.n)
    noise = 1.0 / len(known) + 1.0 / reference.n
    beyond_chance = raw > noise * chi2.ppf(1.0 - CHANCE_LEVEL, max(bins - 1, 1))
    return corrected, bool(corrected > limits.psi and beyond_chance)


def _distance_drift(
    reference: FeatureProfile, known: FloatArray, limits: DriftParams
) -> tuple[float, bool]:
    """Wasserstein-1 distance in reference sd (in raw units if that is 0), and whether it counts.

    Two samples of one normal distribution are about 1.4 sqrt(1/n + 1/m) sd apart in the mean;
    3 sqrt(1/n + 1/m) is granted, for its spread and for heavier tails.
    """
    gap = np.abs(np.quantile(known, QUANTILE_LEVELS) - np.asarray(reference.quantiles)).mean()
    distance = float(gap / reference.sd) if reference.sd > 0 else float(gap)
    by_chance = 3.0 * np.sqrt(1.0 / len(known) + 1.0 / reference.n)
    return distance, bool(distance > limits.wasserstein + by_chance)


def _missing_drift(
    reference_share: float, n_reference: int, n_live: int, n_known: int, limits: DriftParams
) -> tuple[float, bool]:
    """Change of the missing share, and whether it is both large and beyond chance (two-sample z)."""
    from scipy.stats import norm

    if n_live == 0:
        return 0.0, False
    shift = 1.0 - n_known / n_live - reference_share
    pooled = (reference_share * n_reference + n_live - n_known) / (n_reference + n_live)
    deviation = np.sqrt(pooled * (1.0 - pooled) * (1.0 / n_live + 1.0 / n_reference))
    beyond_chance = abs(shift) > norm.isf(CHANCE_LEVEL / 2.0) * deviation
    return shift, bool(abs(shift) > limits.missing_shift and beyond_chance)
