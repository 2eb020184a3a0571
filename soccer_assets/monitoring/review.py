"""The champion against its predecessor, on matches that were settled since both have learnt.

Features are as of kick-off whenever they are computed, so what either gives now is what it would have
given then. The matches are taken in order of kick-off, from the first on, each time anew: an e-value
may be looked at as often as one likes (Ville's inequality), so a look a day costs nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from soccer_assets.arrays import FloatArray
from soccer_assets.modelling.metrics import per_match_log_loss
from soccer_assets.modelling.mlflow_service import Unusable
from soccer_assets.modelling.office import Office
from soccer_assets.modelling.registry import ModelRegistry, Version
from soccer_assets.modelling.splits import utc_kickoffs
from soccer_assets.monitoring.e_process import alarm_of, log_e_process, scaled
from soccer_assets.params.gates import GateParams

#: To which the difference of two models of one history on a match is held, nats. Nearly none is larger,
#: and the narrower the bound, the bolder the bets may be.
BOUND = 0.25


@dataclass(frozen=True)
class Review:
    """What was found."""

    is_worse: bool
    told: str
    """In words."""
    predecessor: int | None = None
    """Number of the version."""
    champion: Version | None = None
    """That is worse, or not."""
    figures: Mapping[str, Any] = field(default_factory=dict)


def review_champion(
    registry: ModelRegistry,
    office: Office,
    settled: Callable[[str], pd.DataFrame],
    params: GateParams,
) -> Review:
    """Whether the champion is surely worse than the version that it replaced.

    Args:
        settled: gives the dataset of the months from one on, such as ``2025-03``.

    Raises:
        Unusable: the champion's own files are not all there.
    """
    champion = office.settle()
    if champion is None:
        return Review(False, "there is no champion to review")
    before = office.predecessor(champion)
    if before is None:
        return Review(False, f"{champion} has no predecessor to be compared with")
    try:
        learnt = registry.training(before).trained_until
        predecessor = registry.load(before)
    except Unusable as reason:
        return Review(False, f"{champion} cannot be compared: {reason}")
    since = max(learnt, registry.training(champion).trained_until)
    rows = settled(f"{since:%Y-%m}")
    rows = rows[np.asarray(utc_kickoffs(rows["kickoff"]) >= since)]
    rows = rows.sort_values(["kickoff", "match_id"], kind="stable", ignore_index=True)
    if rows.empty:
        return Review(False, f"no match is settled that neither {champion} nor {before} has learnt")
    outcomes = rows["outcome"].to_numpy(np.int64)
    theirs = per_match_log_loss(registry.predict(champion, rows), outcomes)
    try:
        given = predecessor.predict_proba(rows)
    except Exception as error:  # it may need features of the past
        return Review(False, f"{champion} cannot be compared: {before} cannot predict: {error!r}")
    difference = theirs - per_match_log_loss(given, outcomes)
    e = e_value(difference, params.rollback_margin)
    told = (
        f"{champion} against {before} on {len(rows)} settled matches: log-loss "
        f"{difference.mean():+.5f}, e-value {e:.3g} of {params.rollback_e_value:g} that it is worse by "
        f"{params.rollback_margin:g}"
    )
    figures = {
        "matches": len(rows),
        "log_loss_difference": float(difference.mean()),
        "e_value": e,
        "margin": params.rollback_margin,
    }
    return Review(e >= params.rollback_e_value, told, before.number, champion, figures)


def e_value(differences: FloatArray, margin: float = 0.0) -> float:
    """The most that bets on a mean above the margin have won at any time, from 1 on.

    Args:
        differences: of log-losses, in order of time, (n,), nats; held to ``BOUND``.
    """
    return alarm_of(log_e_process(scaled(differences, margin, BOUND))).e_value
