"""When a challenger succeeds the champion.

The same recipe on newer data is hardly ever surely better: to ask for that keeps a champion in office
until it is old. So it is enough not to be worse by more than a margin, on matches that neither has
learnt from, and to know more. What is tried again and again would pass some day by luck, so the level
of the tests is spent: see ``share_of_level``. A champion that has become old may be followed by
whatever is not surely worse: no gate stays shut for ever. And the matches that a champion was chosen by
speak for it by that choice, be it luck: see ``surely_worse``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from soccer_assets.arrays import BoolArray, FloatArray
from soccer_assets.modelling.bootstrap import PairedComparison, paired_bootstrap
from soccer_assets.modelling.splits import utc_kickoffs
from soccer_assets.modelling.verdict import Criterion
from soccer_assets.params.gates import GateParams


@dataclass(frozen=True, eq=False)
class Challenge:
    """What a challenger brings beside its losses on n matches that neither has learnt from."""

    fresh: BoolArray
    """Which of them are judged by, (n,): see ``fresh_matches``. The others are the older window."""
    newer_days: float
    """How much further its data reach than the champion's."""
    attempt: int = 1
    """1, or more where others were refused on some of the same fresh matches."""
    barred: str | None = None
    """Why it may not challenge at all, whatever it is worth."""
    since: BoolArray | None = None
    """Which of the matches were settled since the champion was made, (n,); None: none of them."""


def fresh_from(
    until: pd.Timestamp, champion_until: pd.Timestamp, params: GateParams
) -> pd.Timestamp:
    """Where the fresh window begins: all that was settled since the champion was made, and as much
    before that there are ``fresh_days`` of it.

    Args:
        until: the challenger has learnt from nothing at or after it.
        champion_until: the same of the champion.
    """
    return min(champion_until, until - pd.Timedelta(days=params.fresh_days))


def fresh_matches(kickoffs: pd.Series, since: pd.Timestamp, params: GateParams) -> BoolArray:
    """Which matches are of the fresh window, bool (n,); all, where it has fewer than
    ``min_fresh_rows`` of them."""
    fresh = np.asarray(utc_kickoffs(kickoffs) >= since)
    return fresh if fresh.sum() >= params.min_fresh_rows else np.ones_like(fresh)


def attempt_number(refused: Iterable[pd.Timestamp], since: pd.Timestamp) -> int:
    """Which attempt a challenger's is, from 1: those are counted that were refused on some of its fresh
    matches.

    Args:
        refused: until when the data reached of those refused since the champion came into office.
        since: where the fresh window begins. It moves on, and what was tried before is forgotten.
    """
    return 1 + sum(until > since for until in refused)


def share_of_level(attempt: int) -> float:
    """Of the level of a test, what an attempt may use: 1, 1/4, 1/9, ...

    However often is tried on the same matches, the chance of passing by luck is at most pi^2/6 = 1.64
    times that of the first attempt (the sum, by Bonferroni).
    """
    return 1.0 / attempt**2


def surely_worse(
    compared: PairedComparison, since: PairedComparison | None, params: GateParams
) -> bool:
    """Whether a challenger is worse than the champion beyond chance.

    Of equals the one comes into office that was lucky on the matches it was chosen by, and on those its
    successors look worse than they are (the winner's curse). So what is beyond chance, but within a
    margin, counts only where the matches settled since, which nobody has chosen by, say the same.

    Args:
        compared: on all matches, or on the fresh ones.
        since: on those settled since the champion was made; None where they are too few.
    """
    if compared.low <= 0.0:
        return False
    return compared.low > params.choice_margin or (since is not None and since.low > 0.0)


def compare_since(
    losses: FloatArray,
    champion_losses: FloatArray,
    since: BoolArray | None,
    params: GateParams,
    blocks: ArrayLike | None = None,
) -> PairedComparison | None:
    """On the matches settled since the champion was made, bool (n,); None with fewer than
    ``min_fresh_rows`` of them."""
    if since is None or since.sum() < params.min_fresh_rows:
        return None
    return _compared(losses, champion_losses, since, params, blocks)


def succession(
    losses: FloatArray,
    champion_losses: ArrayLike,
    challenge: Challenge,
    params: GateParams,
    blocks: ArrayLike | None = None,
) -> list[Criterion]:
    """The criteria of a challenger against the champion.

    Args:
        losses: per-match log-losses, nats, float (n,).
        champion_losses: the champion's on the same matches.
        blocks: as in ``bootstrap.paired_bootstrap``.

    Raises:
        ValueError: unequal shapes, or losses that are not finite.
    """
    theirs = np.asarray(champion_losses, dtype=np.float64)
    if not losses.shape == theirs.shape == challenge.fresh.shape:
        raise ValueError(
            f"losses and fresh matches must be alike, got {losses.shape}, {theirs.shape} and"
            f" {challenge.fresh.shape}"
        )
    share = share_of_level(challenge.attempt)
    fresh = _compared(losses, theirs, challenge.fresh, params, blocks)
    since = compare_since(losses, theirs, challenge.since, params, blocks)
    required = 1.0 - (1.0 - params.min_probability) * share
    is_better = fresh.probability_a_better >= required
    criteria = [
        Criterion(
            "may_challenge",
            challenge.barred is None,
            None,
            "nothing that bars it",
            challenge.barred or "nothing bars it",
        ),
        _not_inferior(fresh, since, share, is_better, challenge, params),
        _newer_or_better(fresh, required, is_better, challenge, params),
    ]
    older = ~challenge.fresh
    if older.sum() >= params.min_fresh_rows:
        on_older = _compared(losses, theirs, older, params, blocks)
        criteria.append(_holds_on_older(on_older, params))
    return criteria


def _compared(
    losses: FloatArray,
    champion_losses: FloatArray,
    rows: BoolArray,
    params: GateParams,
    blocks: ArrayLike | None,
) -> PairedComparison:
    return paired_bootstrap(
        losses[rows],
        champion_losses[rows],
        params.draws,
        params.seed,
        None if blocks is None else np.asarray(blocks)[rows],
        params.confidence,
    )


def _not_inferior(
    fresh: PairedComparison,
    since: PairedComparison | None,
    share: float,
    is_better: bool,
    challenge: Challenge,
    params: GateParams,
) -> Criterion:
    # The far quantiles of a few resamples are no figures: the interval is made wider as a normal
    # distribution's is.
    tail = (1.0 - params.confidence) / 2.0
    wider = NormalDist().inv_cdf(tail * share) / NormalDist().inv_cdf(tail)
    high = fresh.mean_difference + wider * (fresh.high - fresh.mean_difference)
    passed = high < params.non_inferiority_margin
    told = (
        f"mean log-loss difference to the champion on {fresh.n} fresh matches, {_interval(fresh)}; "
        f"upper end at the level of attempt {challenge.attempt}"
    )
    if not passed and is_better:
        passed, told = True, f"{told}; but it is surely better"
    elif not passed and challenge.newer_days >= params.max_champion_days:
        passed = not surely_worse(fresh, since, params)
        told = (
            f"{told}; the champion's data are {challenge.newer_days:.0f} days older, so it is enough "
            f"not to be surely worse{_told_since(since)}"
        )
    return Criterion(
        "not_inferior",
        passed,
        high,
        f"upper end of the interval < {params.non_inferiority_margin:g}",
        told,
    )


def _newer_or_better(
    fresh: PairedComparison,
    required: float,
    is_better: bool,
    challenge: Challenge,
    params: GateParams,
) -> Criterion:
    return Criterion(
        "newer_or_better",
        is_better or challenge.newer_days >= params.min_newer_days,
        fresh.probability_a_better,
        f">= {required:.4g}, or data newer by {params.min_newer_days:g} days",
        f"probability of a lower log-loss than the champion's; the data are newer by "
        f"{challenge.newer_days:.1f} days",
    )


def _holds_on_older(older: PairedComparison, params: GateParams) -> Criterion:
    return Criterion(
        "holds_on_older_matches",
        older.low <= params.older_margin,
        older.mean_difference,
        f"lower end of the interval <= {params.older_margin:g}",
        f"mean log-loss difference to the champion on {older.n} older matches, {_interval(older)}",
    )


def _told_since(since: PairedComparison | None) -> str:
    return "" if since is None else f" (on {since.n} settled since, {_interval(since)})"


def _interval(compared: PairedComparison) -> str:
    return f"{compared.mean_difference:+.5f} [{compared.low:+.5f}, {compared.high:+.5f}]"
