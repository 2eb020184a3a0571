"""Judged predictions, laid out as the tests of decay read them."""

import numpy as np
import pandas as pd

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
