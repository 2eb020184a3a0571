"""The tests a model passes before it is a candidate, and before it serves.

A gate that fails returns a verdict that says why; it raises only on malformed arguments.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from soccer_assets.arrays import BoolArray, FloatArray, IntArray
from soccer_assets.modelling.baselines import ELO_COLUMN
from soccer_assets.modelling.bootstrap import PairedComparison, paired_bootstrap
from soccer_assets.modelling.metrics import (
    CLASSES,
    ece,
    ece_noise_ceiling,
    per_match_log_loss,
    validated,
)
from soccer_assets.modelling.succession import (
    Challenge,
    compare_since,
    succession,
    surely_worse,
)
from soccer_assets.modelling.verdict import Criterion, Verdict
from soccer_assets.params.gates import GateParams

CLASS_PRIOR, ELO_LOGIT = "class_prior", "elo_ordered_logit"


class Predictor(Protocol):
    """As much of an ``OutcomeModel`` as the smoke gate needs."""

    @property
    def features(self) -> Sequence[str]:
        """Names of the columns it needs."""
        ...

    def predict_proba(self, frame: pd.DataFrame) -> FloatArray:
        """(n, 3): home, draw, away."""
        ...

    def typical_match(self) -> pd.DataFrame:
        """One row of plausible features."""
        ...


def smoke_gate(model: Predictor, frame: pd.DataFrame, params: GateParams | None = None) -> Verdict:
    """Does the model work at all? ``frame`` is some rows to predict, recent ones for choice.

    Asks for its features, for a prediction without an exception, for finite probabilities that sum
    to 1, for predictions that are neither constant nor one-sided, and for home wins to be likelier
    where the Elo difference is high. The last compares the upper with the lower third of the rows
    by Elo, so that a model that reads Elo through other columns passes too; with few rows it moves
    the Elo difference of a typical match.
    """
    limits = params or GateParams()
    absent = [name for name in model.features if name not in frame.columns]
    reasons = [
        Criterion(
            "features_present",
            not absent,
            float(len(absent)),
            "0 absent",
            f"absent: {', '.join(absent)}" if absent else "every feature of the model is there",
        ),
        Criterion(
            "rows_present", len(frame) > 0, float(len(frame)), "> 0", "rows to try the model on"
        ),
    ]
    if absent or not len(frame):
        return Verdict("smoke", tuple(reasons))
    # Whatever a broken model raises is the very finding this gate is for.
    try:
        probabilities = np.asarray(model.predict_proba(frame), dtype=np.float64)
        contrast = _elo_contrast(model, frame, probabilities, limits)
    except Exception as error:
        reasons.append(Criterion("predicts", False, None, "no exception", repr(error)))
        return Verdict("smoke", tuple(reasons))
    reasons.append(Criterion("predicts", True, float(len(frame)), "no exception", "rows predicted"))
    sane = _sane_probabilities(probabilities, len(frame))
    reasons.append(sane)
    if sane.passed:
        reasons += [
            _varied(probabilities),
            _not_one_sided(probabilities, limits),
            Criterion(
                "reacts_to_elo",
                contrast > 0,
                contrast,
                "> 0",
                "how much likelier a home win is where the Elo difference is high than where low",
            ),
        ]
    return Verdict("smoke", tuple(reasons))


def candidate_gate(
    candidate_losses: ArrayLike,
    champion_losses: ArrayLike | None,
    params: GateParams | None = None,
    blocks: ArrayLike | None = None,
    *,
    baseline_losses: Mapping[str, ArrayLike] | None = None,
    champion_fault: str | None = None,
    since: BoolArray | None = None,
) -> Verdict:
    """May the model become a candidate: is it not worse than the champion beyond chance?

    All losses are per-match log-losses (n,) on the same matches; ``champion_losses`` is None when
    nothing is served, and then the gate passes, or when the champion cannot be used, which
    ``champion_fault`` tells, and then the baselines stand in for it. ``blocks`` as in
    ``bootstrap.paired_bootstrap``; ``since`` marks the matches that were settled since the champion was
    made, (n,), see ``succession.surely_worse``. Raises ``ValueError`` on unequal shapes or losses that are not
    finite.
    """
    limits = params or GateParams()
    if champion_losses is None:
        reasons = [_no_champion("not_worse_than_champion", champion_fault)]
        if champion_fault is not None and baseline_losses is not None:
            losses = np.asarray(candidate_losses, dtype=np.float64)
            prior, elo = (
                np.asarray(baseline_losses[name], dtype=np.float64)
                for name in (CLASS_PRIOR, ELO_LOGIT)
            )
            reasons += [
                _better_than_prior(losses, prior, limits, blocks),
                _not_worse_than_elo(losses, elo, limits, blocks),
            ]
        return Verdict("candidate", tuple(reasons))
    compared = _compare(candidate_losses, champion_losses, limits, blocks)
    losses, theirs = (np.asarray(each, np.float64) for each in (candidate_losses, champion_losses))
    lately = compare_since(losses, theirs, since, limits, blocks)
    told = f"mean log-loss difference to the champion, {_interval(compared)}"
    if lately is not None:
        told += f"; on {lately.n} matches settled since it was made, {_interval(lately)}"
    return Verdict(
        "candidate",
        (
            Criterion(
                "not_worse_than_champion",
                not surely_worse(compared, lately, limits),
                compared.mean_difference,
                f"{limits.confidence:.0%} interval reaching to 0 or below, or to {limits.choice_margin:g}"
                " where what was settled since does not say the same",
                told,
            ),
        ),
    )


def champion_gate(
    probabilities: ArrayLike,
    outcomes: ArrayLike,
    baseline_losses: Mapping[str, ArrayLike],
    champion_losses: ArrayLike | None,
    slices: Mapping[str, BoolArray] | None = None,
    params: GateParams | None = None,
    blocks: ArrayLike | None = None,
    *,
    champion_fault: str | None = None,
    challenge: Challenge | None = None,
) -> Verdict:
    """May the model serve?

    ``probabilities`` (n, 3) are its own on held-out matches with ``outcomes`` (n,);
    ``baseline_losses`` holds the per-match log-losses (n,) of 'class_prior' and
    'elo_ordered_logit', ``champion_losses`` the current champion's (None when there is none, or
    none that can be used, which ``champion_fault`` tells), all on the same matches, which neither has
    learnt from. ``slices`` is name -> mask (n,), such as ``slices.standard_slices`` gives, and
    ``challenge`` what is known of the challenger beside its losses; without it, it is one on the same
    data.

    The criteria: surely better than the class prior; not worse than Elo alone beyond chance; against
    the champion those of ``succession``; calibration error within ``ece_limit`` or what chance
    explains; on no slice worse than the class prior beyond chance. Raises ``ValueError`` on malformed
    arguments, ``KeyError`` when a baseline is absent.
    """
    limits = params or GateParams()
    p, y = validated(probabilities, outcomes)
    losses = per_match_log_loss(p, y)
    prior = np.asarray(baseline_losses[CLASS_PRIOR], dtype=np.float64)
    elo = np.asarray(baseline_losses[ELO_LOGIT], dtype=np.float64)
    reasons = [
        _better_than_prior(losses, prior, limits, blocks),
        _not_worse_than_elo(losses, elo, limits, blocks),
        *_succeeds(losses, champion_losses, champion_fault, challenge, limits, blocks),
        _calibrated(p, y, limits),
        *_slices_hold(losses, prior, slices or {}, limits, blocks),
    ]
    return Verdict("champion", tuple(reasons))


def _sane_probabilities(probabilities: FloatArray, rows: int) -> Criterion:
    name, required = "sane_probabilities", f"({rows}, 3), finite, in [0, 1], summing to 1"
    if probabilities.shape != (rows, len(CLASSES)):
        return Criterion(name, False, None, required, f"shape {probabilities.shape}")
    if not np.isfinite(probabilities).all():
        bad = int((~np.isfinite(probabilities)).any(axis=1).sum())
        return Criterion(name, False, float(bad), required, "rows that are not finite")
    worst = float(np.abs(probabilities.sum(axis=1) - 1.0).max())
    inside = bool((probabilities >= 0.0).all() and (probabilities <= 1.0).all())
    return Criterion(
        name, inside and worst <= 1e-6, worst, required, "largest distance of a row's sum from 1"
    )


def _varied(probabilities: FloatArray) -> Criterion:
    spread = float(np.ptp(probabilities[:, 0]))
    one_row = len(probabilities) == 1
    return Criterion(
        "not_constant",
        one_row or spread > 1e-6,
        spread,
        "> 0",
        "range of the home-win probability over the rows",
    )


def _not_one_sided(probabilities: FloatArray, limits: GateParams) -> Criterion:
    means = probabilities.mean(axis=0)
    largest = float(means.max())
    return Criterion(
        "not_one_sided",
        largest < limits.max_mean_probability,
        largest,
        f"< {limits.max_mean_probability:g}",
        f"mean probability of the likeliest outcome, {CLASSES[int(means.argmax())]}",
    )


def _elo_contrast(
    model: Predictor, frame: pd.DataFrame, probabilities: FloatArray, limits: GateParams
) -> float:
    """Home-win probability at high minus at low Elo difference; NaN on misshapen predictions."""
    if probabilities.shape != (len(frame), len(CLASSES)):
        return float("nan")
    if ELO_COLUMN in frame:
        elo = frame[ELO_COLUMN].to_numpy(dtype=np.float64, na_value=np.nan)
        known = np.isfinite(elo)
        if known.sum() >= limits.min_elo_rows:
            lower, upper = np.quantile(elo[known], [1 / 3, 2 / 3])
            if lower < upper:
                home = probabilities[:, 0]
                return float(
                    home[known & (elo >= upper)].mean() - home[known & (elo <= lower)].mean()
                )
    typical = model.typical_match()
    low, high = (
        np.asarray(model.predict_proba(typical.assign(**{ELO_COLUMN: shift})))[0, 0]
        for shift in (-300.0, 300.0)
    )
    return float(high - low)


def _better_than_prior(
    losses: FloatArray, prior: FloatArray, limits: GateParams, blocks: ArrayLike | None
) -> Criterion:
    compared = _compare(losses, prior, limits, blocks)
    return Criterion(
        "better_than_class_prior",
        compared.probability_a_better >= limits.prior_probability,
        compared.probability_a_better,
        f">= {limits.prior_probability:g}",
        f"probability of a lower log-loss than the class prior's; difference {_interval(compared)}",
    )


def _not_worse_than_elo(
    losses: FloatArray, elo: FloatArray, limits: GateParams, blocks: ArrayLike | None
) -> Criterion:
    compared = _compare(losses, elo, limits, blocks)
    return Criterion(
        "not_worse_than_elo",
        compared.low <= 0.0,
        compared.mean_difference,
        f"{limits.confidence:.0%} interval reaching to 0 or below",
        f"mean log-loss difference to the Elo ordered logit, {_interval(compared)}",
    )


def _succeeds(
    losses: FloatArray,
    champion_losses: ArrayLike | None,
    champion_fault: str | None,
    challenge: Challenge | None,
    limits: GateParams,
    blocks: ArrayLike | None,
) -> list[Criterion]:
    if champion_losses is None:
        reasons = [_no_champion("not_inferior", champion_fault)]
        if challenge is not None and challenge.barred is not None:
            reasons.append(
                Criterion("may_challenge", False, None, "nothing that bars it", challenge.barred)
            )
        return reasons
    on_the_same_data = Challenge(np.ones(len(losses), dtype=np.bool_), newer_days=0.0)
    return succession(losses, champion_losses, challenge or on_the_same_data, limits, blocks)


def _calibrated(p: FloatArray, y: IntArray, limits: GateParams) -> Criterion:
    observed = ece(p, y)
    ceiling = ece_noise_ceiling(p, limits.ece_quantile, limits.ece_draws, limits.seed)
    allowed = math.hypot(limits.ece_limit, ceiling)
    return Criterion(
        "calibrated",
        observed <= allowed,
        observed,
        f"<= {allowed:.4g}",
        f"class-wise calibration error; chance alone gives up to {ceiling:.4g}",
    )


def _slices_hold(
    losses: FloatArray,
    prior: FloatArray,
    slices: Mapping[str, BoolArray],
    limits: GateParams,
    blocks: ArrayLike | None,
) -> list[Criterion]:
    labels = None if blocks is None else np.asarray(blocks)
    criteria = []
    for name, given in slices.items():
        mask = np.asarray(given, dtype=np.bool_)
        if mask.shape != losses.shape:
            raise ValueError(f"slice {name!r} must be {losses.shape}, got {mask.shape}")
        if mask.sum() < limits.min_slice_rows:
            continue
        inside = None if labels is None else labels[mask]
        compared = _compare(losses[mask], prior[mask], limits, inside)
        criteria.append(
            Criterion(
                f"slice_holds[{name}]",
                compared.low <= 0.0,
                compared.mean_difference,
                f"{limits.confidence:.0%} interval reaching to 0 or below",
                f"mean log-loss difference to the class prior on {compared.n} matches, "
                f"{_interval(compared)}",
            )
        )
    return criteria


def _compare(
    a: ArrayLike, b: ArrayLike, limits: GateParams, blocks: ArrayLike | None
) -> PairedComparison:
    return paired_bootstrap(a, b, limits.draws, limits.seed, blocks, limits.confidence)


def _no_champion(name: str, fault: str | None) -> Criterion:
    why = f"the champion cannot be used: {fault}" if fault else "there is no champion yet"
    return Criterion(name, True, None, "a champion to compare with", why)


def _interval(compared: PairedComparison) -> str:
    return f"{compared.mean_difference:+.5f} [{compared.low:+.5f}, {compared.high:+.5f}]"
