"""The matches on which groups of features are left out and new ones tried, with one fit each."""

from dataclasses import replace

import numpy as np
import pandas as pd

from soccer_assets.arrays import AnyArray, FloatArray
from soccer_assets.modelling.estimators import estimator_of
from soccer_assets.modelling.metrics import per_match_log_loss
from soccer_assets.modelling.rows import Rows
from soccer_assets.modelling.splits import weeks_of
from soccer_assets.modelling.train import prepared
from soccer_assets.params.training import TrainingParams


class Selection:
    """The candidate that was chosen, at the size that was found.

    Args:
        dataset: matches until the end of the selection, as ``prepared`` takes them.
        names: of their features.
        since: what is fitted kicks off before it, what is predicted does not.
        chosen: which candidate was.
        size: how large it grew; None where there is no size to it.
    """

    def __init__(
        self,
        dataset: pd.DataFrame,
        names: list[str],
        since: pd.Timestamp,
        training: TrainingParams,
        chosen: str,
        size: int | None,
    ) -> None:
        frame, self.rows = prepared(dataset, names, training)
        self.seed = training.seed
        self._first = int((frame["kickoff"] < since).sum())
        self.weeks: AnyArray = weeks_of(frame["kickoff"].iloc[self._first :])
        self._learner, self._size = training.learner(chosen)[1], size

    def predicted(self, rows: Rows, seed: int | None = None) -> FloatArray:
        """float64 (n, 3), of the selection matches by what was fitted on the rows before them."""
        new = estimator_of(self._learner, self.seed if seed is None else seed)
        sized = new if self._size is None else new.at_size(self._size)
        fitted = sized.fit(rows[: self._first])
        return fitted.predict_proba(rows[self._first :].features)

    def losses(self, predicted: FloatArray) -> FloatArray:
        """float64 (n,), of each match."""
        return per_match_log_loss(predicted, self.rows[self._first :].outcomes)

    def without(self, dropped: set[str]) -> Rows:
        """The rows without some features."""
        kept = [place for place, name in enumerate(self.rows.names) if name not in dropped]
        names = tuple(np.array(self.rows.names)[kept])
        return replace(self.rows, names=names, features=self.rows.features[:, kept])
