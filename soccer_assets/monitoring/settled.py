"""Settled and judged predictions, laid out as the tests of decay read them."""

import numpy as np
import pandas as pd

from soccer_assets.modelling.baselines import ELO_COLUMN, EloOrderedLogit
from soccer_assets.modelling.holdout import PROBABILITY_COLUMNS, system_rows
from soccer_assets.modelling.train import ELO_LOGIT, MARKET, MODEL
from soccer_assets.monitoring.decay import COLUMNS

_ELO = ["elo_home", "elo_draw", "elo_away"]
_ODDS = ["odds_home", "odds_draw", "odds_away"]


def judged_frame(holdout: pd.DataFrame) -> pd.DataFrame:
    """The matches that a champion was judged on, from its training's table of all systems.

    The odds are those that the market's margin-free probabilities would be. Raises ``KeyError`` where
    the model or Elo is not in the table.
    """
    model = system_rows(holdout, MODEL)
    elo = system_rows(holdout, ELO_LOGIT).set_index("match_id")[PROBABILITY_COLUMNS]
    market = holdout[holdout["system"] == MARKET].set_index("match_id")[PROBABILITY_COLUMNS]
    ids = model["match_id"]
    told = model.assign(made_at=model["kickoff"] - pd.Timedelta(days=1), model_version=0)
    told[_ELO] = elo.reindex(ids).to_numpy()
    told[_ODDS] = 1.0 / market.reindex(ids).to_numpy(dtype=np.float64)
    return told.reindex(columns=list(COLUMNS))


def settled_frame(
    predictions: pd.DataFrame,
    results: pd.DataFrame,
    odds: pd.DataFrame,
    features: pd.DataFrame,
    elo: EloOrderedLogit,
    version: int,
) -> pd.DataFrame:
    """Settled predictions of a version that were made before kick-off.

    Args:
        predictions: ``match_id, kickoff, p_home, p_draw, p_away, predicted_at``.
        results: ``match_id, outcome``.
        odds: ``match_id, odds_home, odds_draw, odds_away``; other matches have none.
        features: ``match_id, tournament_id, elo_difference``, as they were at kick-off.
        elo: fitted; what it says of the same matches is compared.
    """
    in_time = predictions[predictions["predicted_at"] < predictions["kickoff"]]
    told = (
        in_time.rename(columns={"predicted_at": "made_at"})
        .merge(results[["match_id", "outcome"]], on="match_id")
        .merge(features[["match_id", "tournament_id", ELO_COLUMN]], on="match_id")
        .merge(odds[["match_id", *_ODDS]], on="match_id", how="left")
        .assign(model_version=version)
    )
    told[_ELO] = elo.predict_proba(told)
    return told.reindex(columns=list(COLUMNS))
