"""A version against the champion, match by match, on the version's held-out matches."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.modelling.gates import CLASS_PRIOR, ELO_LOGIT
from soccer_assets.modelling.holdout import (
    PROBABILITY_COLUMNS,
    losses_of,
    outcomes_of,
    probabilities_of,
    system_rows,
)
from soccer_assets.modelling.metrics import per_match_log_loss
from soccer_assets.modelling.mlflow_service import Unusable
from soccer_assets.modelling.registry import ModelRegistry, Version
from soccer_assets.modelling.tracking import TrainingRun
from soccer_assets.modelling.train import MODEL


@dataclass(frozen=True, eq=False)
class Comparison:
    """All arrays are over the same n matches."""

    matches: pd.DataFrame
    """The version's holdout rows, context columns included."""
    probabilities: FloatArray
    outcomes: IntArray
    losses: FloatArray
    baseline_losses: dict[str, FloatArray]
    champion_losses: FloatArray | None
    """None when nothing is served, when the version is the champion itself, or when the champion
    cannot be used."""
    champion_fault: str | None
    """Why the champion cannot be used."""
    weeks: IntArray
    """Week of each kick-off: matches of one week are resampled together."""


def compare_with_champion(
    registry: ModelRegistry, version: Version, dataset: Callable[[str], pd.DataFrame]
) -> Comparison:
    """Score the champion on the version's holdout, with the features of its training.

    What a champion gives is worked out once, and kept with the training for whoever asks again. One
    whose files are gone, say, must not bar its own replacement: it is passed over.

    Args:
        dataset: gives the dataset of a data revision.

    Raises:
        Unusable: what the version's training left is not all there.
    """
    training = registry.training(version)
    table = training.holdout()
    matches = system_rows(table, MODEL)
    outcomes = outcomes_of(table, MODEL)
    champion = registry.champion()
    champion_losses = champion_fault = None
    if champion is not None and champion.number != version.number:
        name = f"comparison/champion-{champion.number}-{champion.run_id}.parquet"
        given = _worked_out(training, name, matches)
        if given is None:
            rows = dataset(training.data_revision).set_index("match_id").loc[matches["match_id"]]
            try:
                given = registry.predict(champion, rows.reset_index())
            except Unusable as fault:
                champion_fault = str(fault)
            else:
                columns = dict(zip(PROBABILITY_COLUMNS, given.T, strict=True))
                training.log_table(name, matches[["match_id"]].assign(**columns))
        if given is not None:
            champion_losses = per_match_log_loss(given, outcomes)
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


def _worked_out(training: TrainingRun, name: str, matches: pd.DataFrame) -> FloatArray | None:
    """What a champion gives for these matches, (matches, 3), where it was worked out before."""
    try:
        known = training.table(name)
    except Unusable:  # it was not, or what was kept of it is lost
        return None
    if not {"match_id", *PROBABILITY_COLUMNS} <= set(known):
        return None
    if not known["match_id"].equals(matches["match_id"]):
        return None
    return known[PROBABILITY_COLUMNS].to_numpy(np.float64)
