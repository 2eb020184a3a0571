"""How a recipe did on the judged matches: scores with their noise, against every baseline, on every
kind of match, month by month.

Intervals are of 95 %, by a bootstrap over weeks. All comparisons are of the same matches.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soccer_assets.arrays import BoolArray, FloatArray, IntArray
from soccer_assets.modelling.bootstrap import block_draws, blocked_intervals
from soccer_assets.modelling.holdout import (
    losses_of,
    outcomes_of,
    probabilities_of,
    system_rows,
)
from soccer_assets.modelling.metrics import (
    class_gaps,
    ece,
    per_match_brier,
    per_match_log_loss,
    per_match_rps,
    reliability_curve,
    top_label_ece,
    top_label_gaps,
)
from soccer_assets.modelling.slices import kinds_of_match
from soccer_assets.modelling.splits import weeks_of
from soccer_assets.modelling.train import CLASS_PRIOR, ELO_LOGIT, LOGISTIC, MARKET, MODEL

DRAWS = 1000
#: Smaller slices are left out: their intervals say nothing.
MIN_SLICE = 30
BASELINES = (CLASS_PRIOR, ELO_LOGIT, LOGISTIC)
SCORES = {"log_loss": per_match_log_loss, "brier": per_match_brier, "rps": per_match_rps}


@dataclass(frozen=True, eq=False)
class Report:
    """Losses in nats; ``low`` and ``high`` are the ends of intervals."""

    scores: pd.DataFrame
    """One row a system and score: ``matches`` (all, or those with odds), ``system``, ``score``
    (log_loss, brier, rps, ece, ece_top), ``n``, ``value``, ``low``, ``high``."""
    against: pd.DataFrame
    """One row a baseline: ``baseline``, ``n``, ``difference`` (the model's log-loss minus its, below 0
    where the model is better), ``low``, ``high``."""
    slices: pd.DataFrame
    """One row a kind and slice: ``kind``, ``slice``, ``n``, ``log_loss``, ``ece``, and of the
    difference to the Elo ordered logit ``difference``, ``low``, ``high``; where there are odds,
    ``to_market`` (on the matches that have them), else NaN."""
    months: pd.DataFrame
    """One row a month: ``month`` (its first moment, UTC), ``n``, and the log-loss of every system."""
    reliability: pd.DataFrame
    """See ``metrics.reliability_curve``."""

    def weakest(self, count: int = 5) -> pd.DataFrame:
        """The slices where the market is furthest ahead; without one, where the model gains least on
        the Elo ordered logit."""
        by = "to_market" if self.slices["to_market"].notna().any() else "difference"
        return self.slices.sort_values(by, ascending=False, kind="stable").head(count)


def report_of(table: pd.DataFrame, seed: int = 0) -> Report:
    """The report on a table of every system's predictions of the judged matches (see ``holdout``)."""
    matches = system_rows(table, MODEL)
    weeks = weeks_of(matches["kickoff"])
    losses = {name: losses_of(table, name) for name in (MODEL, *BASELINES)}
    p, y = probabilities_of(table, MODEL), outcomes_of(table, MODEL)
    priced = np.zeros(len(matches), dtype=np.bool_)
    if MARKET in set(table["system"]):
        priced = matches["match_id"].isin(system_rows(table, MARKET)["match_id"]).to_numpy()
        losses[MARKET] = np.full(len(matches), np.nan)
        losses[MARKET][priced] = losses_of(table, MARKET)
    return Report(
        scores=_scores(table, priced, weeks, seed),
        against=_against(losses, weeks, seed),
        slices=_slices(matches, p, y, losses, weeks, seed),
        months=_months(matches, losses),
        reliability=reliability_curve(p, y),
    )


def _scores(table: pd.DataFrame, priced: BoolArray, weeks: IntArray, seed: int) -> pd.DataFrame:
    parts: dict[str, tuple[BoolArray, tuple[str, ...]]] = {
        "all": (np.ones_like(priced), (MODEL, *BASELINES))
    }
    if priced.any():
        parts["with odds"] = (priced, (MODEL, *BASELINES, MARKET))
    rows = []
    for part, (mask, systems) in parts.items():
        for system in systems:
            p, y = probabilities_of(table, system), outcomes_of(table, system)
            if system != MARKET:
                p, y = p[mask], y[mask]
            scored = _scored(p, y, weeks[mask], seed)
            rows.append(scored.assign(matches=part, system=system, n=len(y)))
    columns = ["matches", "system", "score", "n", "value", "low", "high"]
    return pd.concat(rows, ignore_index=True)[columns]


def _scored(p: FloatArray, y: IntArray, weeks: IntArray, seed: int) -> pd.DataFrame:
    """``score, value, low, high`` of one system."""
    values = np.stack([score(p, y) for score in SCORES.values()], axis=1)
    low, high = blocked_intervals(values, weeks, DRAWS, seed)
    counts, index = block_draws(weeks, DRAWS, seed)
    sizes = counts @ np.bincount(index)
    errors = {
        "ece": (ece(p, y), class_gaps(p, y)),
        "ece_top": (top_label_ece(p, y), top_label_gaps(p, y)),
    }
    tables = [
        pd.DataFrame(
            {"score": list(SCORES), "value": values.mean(axis=0), "low": low, "high": high}
        )
    ]
    for name, (value, gaps) in errors.items():
        total = np.zeros(DRAWS)
        for group, gap in gaps:
            bins = int(group.max()) + 1
            cells = np.bincount(index * bins + group, gap, minlength=counts.shape[1] * bins)
            total += np.abs(counts @ cells.reshape(-1, bins)).sum(axis=1)
        resampled = total / (len(gaps) * sizes)
        # Resampling adds noise, which an error of absolute values takes for error.
        inflated = resampled.mean() - value
        below, above = np.maximum(np.quantile(resampled, [0.025, 0.975]) - inflated, 0.0)
        row = {"score": name, "value": value, "low": below, "high": above}
        tables.append(pd.DataFrame([row]))
    return pd.concat(tables, ignore_index=True)


def _against(losses: dict[str, FloatArray], weeks: IntArray, seed: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"baseline": name} | _difference(losses[MODEL], theirs, weeks, seed)
        for name, theirs in losses.items()
        if name != MODEL
    )


def _difference(
    ours: FloatArray, theirs: FloatArray, weeks: IntArray, seed: int
) -> dict[str, float]:
    """``n, difference, low, high`` over the matches that both have a loss of."""
    both = np.isfinite(theirs)
    difference = (ours - theirs)[both]
    low, high = blocked_intervals(difference[:, None], weeks[both], DRAWS, seed)
    return {
        "n": len(difference),
        "difference": float(difference.mean()),
        "low": float(low[0]),
        "high": float(high[0]),
    }


def _slices(
    matches: pd.DataFrame,
    p: FloatArray,
    y: IntArray,
    losses: dict[str, FloatArray],
    weeks: IntArray,
    seed: int,
) -> pd.DataFrame:
    rows = []
    for kind, masks in kinds_of_match(matches).items():
        for name, mask in masks.items():
            if mask.sum() < MIN_SLICE:
                continue
            ours = losses[MODEL][mask]
            to_market = ours - losses[MARKET][mask] if MARKET in losses else np.array([np.nan])
            known = to_market[np.isfinite(to_market)]
            rows.append(
                {"kind": kind, "slice": name}
                | _difference(ours, losses[ELO_LOGIT][mask], weeks[mask], seed)
                | {
                    "log_loss": float(ours.mean()),
                    "ece": ece(p[mask], y[mask]),
                    "to_market": float(known.mean()) if len(known) else float("nan"),
                }
            )
    columns = ["kind", "slice", "n", "log_loss", "ece", "difference", "low", "high", "to_market"]
    return pd.DataFrame(rows, columns=columns)


def _months(matches: pd.DataFrame, losses: dict[str, FloatArray]) -> pd.DataFrame:
    kickoff = pd.DatetimeIndex(matches["kickoff"])
    month = pd.DatetimeIndex(kickoff.tz_localize(None).to_numpy("datetime64[M]"), tz="UTC")
    grouped = pd.DataFrame(losses).groupby(month)
    months = grouped.mean()
    months.insert(0, "n", grouped.size())
    return months.rename_axis("month").reset_index()
