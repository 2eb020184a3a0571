"""A version against the champion, match by match, on the version's held-out matches."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.modelling.gates import CLASS_PRIOR, ELO_LOGIT
from soccer_assets.modelling.holdout import losses_of, outcomes_of, probabilities_of, system_rows
from soccer_assets.modelling.metrics import per_match_log_loss
from soccer_assets.modelling.registry import ModelRegistry, Version
from soccer_assets.modelling.tracking import Unusable
from soccer_assets.modelling.train import MODEL

Floats = FloatArray


@dataclass(frozen=True, eq=False)
class Comparison:
    """All arrays are over the same n matches."""

    matches: pd.DataFrame
    """The version's holdout rows, context columns included."""
    probabilities: Floats
    outcomes: IntArray
    losses: Floats
    baseline_losses: dict[str, Floats]
    champion_losses: Floats | None
    """None when nothing is served, when the version is the champion itself, or when the champion
    cannot be used."""
    champion_fault: str | None
    """Why the champion cannot be used."""
    weeks: IntArray
    """Week of each kick-off: matches of one week are resampled together."""


def compare_with_champion(
    registry: ModelRegistry, version: Version, dataset: pd.DataFrame
) -> Comparison:
    """Score the champion on the version's holdout, with the features of ``dataset``.

    A match that has left the dataset since the training, annulled or awarded, is left out. A
    champion whose files are gone, say, must not bar its own replacement: it is passed over.
    """
    table = registry.training(version).holdout()
    table = table[table["match_id"].isin(dataset["match_id"])]
    matches = system_rows(table, MODEL)
    outcomes = outcomes_of(table, MODEL)
    champion = registry.champion()
    champion_losses = champion_fault = None
    if champion is not None and champion.number != version.number:
        rows = dataset.set_index("match_id").loc[matches["match_id"]].reset_index()
        try:
            champion_losses = per_match_log_loss(registry.predict(champion, rows), outcomes)
        except Unusable as fault:
            champion_fault = str(fault)
    kickoffs = pd.to_datetime(matches["kickoff"], utc=True)
    return Comparison(
        matches=matches,
        probabilities=probabilities_of(table, MODEL),
        outcomes=outcomes,
        losses=losses_of(table, MODEL),
        baseline_losses={name: losses_of(table, name) for name in (CLASS_PRIOR, ELO_LOGIT)},
        champion_losses=champion_losses,
        champion_fault=champion_fault,
        weeks=kickoffs.to_numpy("datetime64[W]").astype(np.int64),
    )
