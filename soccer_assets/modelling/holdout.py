"""The table of every system's predictions on the same held-out matches.

One row a match and system: ``system``, ``match_id``, ``kickoff``, ``outcome``, ``p_home``,
``p_draw``, ``p_away``, and the ``CONTEXT`` columns that slices are cut by. Within every system the
matches stand in the same order, so two systems' losses can be compared row by row. Only of the market
some may be absent: those that had no odds.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from soccer_assets.arrays import BoolArray, FloatArray, IntArray
from soccer_assets.modelling.metrics import per_match_log_loss

CONTEXT = (
    *("tournament_id", "region", "sex", "elo_difference"),
    *("league_history", "team_history", "season_matches"),
)
PROBABILITY_COLUMNS = ["p_home", "p_draw", "p_away"]


def holdout_table(matches: pd.DataFrame, systems: Mapping[str, FloatArray]) -> pd.DataFrame:
    """Lay out ``systems`` (name -> float (len(matches), 3)) over the judged ``matches``; a match of
    which a system says nothing, NaN, is left out of it."""
    context = [name for name in CONTEXT if name in matches]
    base = matches[["match_id", "kickoff", "outcome", *context]].reset_index(drop=True)
    tables: list[pd.DataFrame] = []
    for system, probabilities in systems.items():
        columns = dict(zip(PROBABILITY_COLUMNS, probabilities.T, strict=True))
        said: BoolArray = np.asarray(np.isfinite(probabilities).all(axis=1))
        tables.append(base.assign(**columns).assign(system=system)[said])
    table = pd.concat(tables, ignore_index=True)
    return table[["system", *(name for name in table if name != "system")]]


def system_rows(table: pd.DataFrame, system: str) -> pd.DataFrame:
    """One system's rows; raises ``KeyError`` when it is not in the table."""
    rows = table[table["system"] == system]
    if rows.empty:
        raise KeyError(f"no predictions of {system!r} in the table")
    return rows.reset_index(drop=True)


def probabilities_of(table: pd.DataFrame, system: str) -> FloatArray:
    """float64 (matches, 3) of one system."""
    return system_rows(table, system)[PROBABILITY_COLUMNS].to_numpy(dtype=np.float64)


def outcomes_of(table: pd.DataFrame, system: str) -> IntArray:
    """int64 (matches,), the same for every system."""
    return system_rows(table, system)["outcome"].to_numpy(dtype=np.int64)


def losses_of(table: pd.DataFrame, system: str) -> FloatArray:
    """Per-match log-loss of one system, nats, float64 (matches,)."""
    return per_match_log_loss(probabilities_of(table, system), outcomes_of(table, system))
