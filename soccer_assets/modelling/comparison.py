"""A version against the champion, match by match, on matches that neither has learnt from.

Each is represented by its judge: its recipe, fitted on what was before the matches it was judged on.
The version's judged matches are those compared on; where the champion's begin later, only from there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soccer_assets.arrays import BoolArray, FloatArray, IntArray
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
from soccer_assets.modelling.registry import ModelRegistry, Version, predictions_of
from soccer_assets.modelling.splits import utc_kickoffs, weeks_of
from soccer_assets.modelling.tracking import TrainingRun
from soccer_assets.modelling.train import MODEL

#: Of a version's judged matches, that the champion must not have learnt from where it has from some.
MIN_UNSEEN = 100


@dataclass(frozen=True, eq=False)
class Comparison:
    """All arrays are over the same n matches."""

    matches: pd.DataFrame
    """Judged matches of the version, context columns included; where the champion has learnt from
    some, the others."""
    probabilities: FloatArray
    outcomes: IntArray
    losses: FloatArray
    baseline_losses: dict[str, FloatArray]
    champion_losses: FloatArray | None
    """None when nothing is served, when the version is the champion itself, or when the champion
    cannot be used."""
    champion_fault: str | None
    """Why the champion cannot be used."""
    until: pd.Timestamp
    """The version has learnt from nothing that kicked off at or after it (UTC)."""
    champion_until: pd.Timestamp | None
    """The same of the champion; None where there is none to compare with."""
    weeks: IntArray
    """Week of each kick-off: matches of one week are resampled together."""

    @property
    def since_champion(self) -> BoolArray | None:
        """Which of the matches were settled since the champion was made, (n,); None where there is no
        champion to compare with."""
        if self.champion_until is None:
            return None
        return np.asarray(utc_kickoffs(self.matches["kickoff"]) >= self.champion_until)


def compare_with_champion(
    registry: ModelRegistry, version: Version, dataset: Callable[[str], pd.DataFrame]
) -> Comparison:
    """Score the champion on the version's judged matches, with the features of its training.

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
    compared = np.ones(len(matches), dtype=np.bool_)
    given = fault = champion_until = None
    champion = registry.champion()
    if champion is not None and champion.number != version.number:
        try:
            of_champion = registry.training(champion)
            unseen = _unseen(champion, of_champion, matches)
            given = _given(registry, champion, training, matches[unseen], dataset)
            compared, champion_until = unseen, of_champion.trained_until
        except Unusable as reason:
            fault = str(reason)
    outcomes = outcomes_of(table, MODEL)[compared]
    matches = matches[compared].reset_index(drop=True)
    return Comparison(
        matches=matches,
        probabilities=probabilities_of(table, MODEL)[compared],
        outcomes=outcomes,
        losses=losses_of(table, MODEL)[compared],
        baseline_losses={
            name: losses_of(table, name)[compared] for name in (CLASS_PRIOR, ELO_LOGIT)
        },
        champion_losses=None if given is None else per_match_log_loss(given, outcomes),
        champion_fault=fault,
        until=training.trained_until,
        champion_until=champion_until,
        weeks=weeks_of(matches["kickoff"]),
    )


def _unseen(champion: Version, training: TrainingRun, matches: pd.DataFrame) -> BoolArray:
    """Which of the matches the champion's judge has not learnt from, bool (matches,)."""
    since = training.judged_from or training.trained_until
    unseen = np.asarray(utc_kickoffs(matches["kickoff"]) >= since)
    if not unseen.all() and unseen.sum() < MIN_UNSEEN:
        raise Unusable(
            f"{champion} may have learnt from all but {unseen.sum()} of the {len(matches)} matches "
            f"to compare on, {MIN_UNSEEN} are needed"
        )
    return unseen


def _given(
    registry: ModelRegistry,
    champion: Version,
    training: TrainingRun,
    matches: pd.DataFrame,
    dataset: Callable[[str], pd.DataFrame],
) -> FloatArray:
    """What the champion's judge gives for these matches of a version's training, (matches, 3)."""
    name = f"comparison/champion-{champion.number}-{champion.run_id}.parquet"
    ids = matches[["match_id"]].reset_index(drop=True)
    given = _worked_out(training, name, ids)
    if given is None:
        rows = dataset(training.data_revision).set_index("match_id").loc[ids["match_id"]]
        judge = registry.load(champion)  # tried first: one that cannot serve is to be replaced
        if (of_champion := registry.training(champion)).judged_from is not None:
            judge = of_champion.judge()
        given = predictions_of(champion, judge, rows.reset_index())
        columns = dict(zip(PROBABILITY_COLUMNS, given.T, strict=True))
        training.log_table(name, ids.assign(**columns))
    return given


def _worked_out(training: TrainingRun, name: str, ids: pd.DataFrame) -> FloatArray | None:
    """What a champion gives for these matches, (matches, 3), where it was worked out before."""
    try:
        known = training.table(name)
    except Unusable:  # it was not, or what was kept of it is lost
        return None
    if not {"match_id", *PROBABILITY_COLUMNS} <= set(known):
        return None
    if not known["match_id"].equals(ids["match_id"]):
        return None
    return known[PROBABILITY_COLUMNS].to_numpy(np.float64)
