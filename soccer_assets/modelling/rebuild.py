"""A version trained again, from what its training left: does it come out the same?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soccer_assets.modelling.provenance import libraries, training_code
from soccer_assets.modelling.registry import ModelRegistry, Version, predictions_of
from soccer_assets.modelling.tracking import TrainingRun
from soccer_assets.modelling.train import train

#: Latest matches whose predictions are compared.
COMPARED = 50_000
#: What differs where nothing does that is known.
MACHINE = (
    "data, parameters, code and libraries are what they were: this machine computes differently"
)


@dataclass(frozen=True)
class Rebuilt:
    """How a version came out when it was trained again."""

    version: Version
    matches: int
    """Of the data it was trained on, whose predictions were compared to the bit."""
    difference: float
    """Largest of a probability, the judge's included; 0 where all are the same."""
    reasons: tuple[str, ...]
    """What is other than it was, whether it made a difference or not."""

    @property
    def same(self) -> bool:
        """Whether all predictions are the same to the bit."""
        return self.difference == 0.0

    def summary(self) -> str:
        """In one line."""
        if self.same:
            return f"{self.version} came out the same to the bit on {self.matches:,} matches"
        why = "; ".join(self.reasons or (MACHINE,))
        return (
            f"{self.version} came out differently, by up to {self.difference:.2g} on "
            f"{self.matches:,} matches: {why}"
        )


def rebuild_model(
    registry: ModelRegistry,
    number: int,
    data: Callable[[str], tuple[pd.DataFrame, Sequence[str]]],
    progress: Callable[[str], None] = lambda message: None,
) -> Rebuilt:
    """Train a version again and compare what it predicts, of the matches it was trained on.

    Args:
        data: gives the dataset of a data revision, in order of kick-off, and its features.

    Raises:
        Unusable: there is no such version, or what its training left is not all there, by name.
    """
    version = registry.version(number)
    training = registry.training(version)
    params = training.params()
    reasons = tuple(_changes(training))
    for reason in reasons:
        progress(f"other than it was: {reason}")
    served, judge = registry.load(version), training.judge()
    dataset, features = data(training.data_revision)
    progress(f"restored {len(dataset):,} matches of data revision {training.data_revision}")
    result = train(dataset, features, params, progress)
    latest = dataset.tail(COMPARED)
    pairs = ((served, result.model), (judge, result.judge))
    differences = [
        np.abs(predictions_of(version, was, latest) - now.predict_proba(latest)).max()
        for was, now in pairs
    ]
    return Rebuilt(version, len(latest), float(max(differences)), reasons)


def _changes(training: TrainingRun) -> list[str]:
    """What is other now than when a version was trained."""
    changes = []
    if training.code is None:
        changes.append("it is not known which code trained it")
    elif training.code != training_code():
        changes.append(f"the training code is {training_code()}, it was {training.code}")
    now = libraries()
    for name, was in training.libraries.items():
        if now.get(name) != was:
            changes.append(f"{name} is {now.get(name, 'not there')}, it was {was}")
    return changes
