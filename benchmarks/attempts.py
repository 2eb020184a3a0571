"""What was tried on top of the model and is not worth its price, kept so that it can be tried again."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.selection import Selection
from soccer_assets.arrays import Float32Array, FloatArray
from soccer_assets.features.build import in_order
from soccer_assets.features.log import match_log
from soccer_assets.features.params import ChancesParams, FeatureParams, StrengthVariant
from soccer_assets.features.state_space import StateSpace
from soccer_assets.features.walk import walk
from soccer_assets.modelling.bootstrap import paired_bootstrap
from soccer_assets.modelling.rows import Rows

_NOTHING = {"goals": 0.0, "shots": 0.0, "shots_on_target": 0.0, "corners": 0.0}
#: Each alone, worth as many goals as there are: 1.4 a team and match, of 11.8 shots and so on.
ALONE: Mapping[str, ChancesParams] = {
    name: ChancesParams(**_NOTHING | {name: 1.4 / mean})
    for name, mean in (("shots", 11.8), ("shots_on_target", 4.6), ("corners", 5.1))
}


def attempts(
    selection: Selection, matches: pd.DataFrame, features: FeatureParams
) -> Iterable[dict[str, Any]]:
    """Each attempt's log-loss on the selection matches, less that of the model as it is."""
    alone = ratings_of_statistics(matches, features)
    as_it_is = selection.predicted(selection.rows)
    with_ratings = selection.predicted(with_columns(selection.rows, alone))
    twice = mean_of(as_it_is, selection.predicted(selection.rows, seed=selection.seed + 1))
    losses = selection.losses(as_it_is)
    for name, columns, found in (
        ("ratings of shots, shots on target and corners of their own", len(alone), with_ratings),
        ("the mean of two such models of different seeds", 0, twice),
    ):
        tried = selection.losses(found)
        compared = paired_bootstrap(tried, losses, blocks=selection.weeks)
        yield {
            "with": name,
            "columns": columns,
            "log_loss": float(tried.mean()),
            "difference": compared.mean_difference,
            "interval": [compared.low, compared.high],
        }


def ratings_of_statistics(
    matches: pd.DataFrame, features: FeatureParams
) -> dict[str, Float32Array]:
    """What a filter on each statistic alone expects, goals where a source has none: log ratio and
    log product of both teams' rates, in order of kick-off."""
    found = {}
    frame = in_order(matches, matches.iloc[:0])
    for name, chances in ALONE.items():
        variant = StrengthVariant(told_by="chances")
        rating = StateSpace(name, features.strength, variant)
        log = match_log(frame, chances)
        read = walk(log, (rating,), features.result_delay_minutes * 60).read[name]
        home, away = read[:, 0], read[:, 1]
        found[f"supremacy_{name}"] = (home - away).astype(np.float32)
        found[f"total_{name}"] = (home + away).astype(np.float32)
    return found


def with_columns(rows: Rows, columns: Mapping[str, Float32Array]) -> Rows:
    """The rows with more features."""
    return replace(
        rows,
        names=(*rows.names, *columns),
        features=np.column_stack([rows.features, *columns.values()]),
    )


def mean_of(*predicted: FloatArray) -> FloatArray:
    """Geometric, so that each moves the odds by its share."""
    shares = np.exp(np.mean(np.log(predicted), axis=0))
    return shares / shares.sum(axis=1, keepdims=True)
