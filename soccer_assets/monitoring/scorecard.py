"""How predictions that were made before kick-off turned out, beside what else was known then."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soccer_assets.arrays import FloatArray
from soccer_assets.features.odds import ODDS_COLUMNS, margin_free
from soccer_assets.modelling.metrics import Scorecard, per_match_log_loss, scorecard

PROBABILITY_COLUMNS = ["p_home", "p_draw", "p_away"]
#: What predictions are compared with: how often each outcome was in training, Elo alone, and the odds.
PRIOR, ELO, MARKET = "prior", "elo", "market"
_NEEDED = ["match_id", "kickoff", "outcome", *PROBABILITY_COLUMNS]


@dataclass(frozen=True, eq=False)
class SettledScore:
    """Scores of settled predictions.

    Tables have a row a group, with ``n``, ``log_loss`` (nats), and for each of prior, Elo and market
    ``vs_<it>``: the mean log-loss beyond its on the same matches, below 0 where predictions were
    better, NaN where it said nothing; ``priced`` counts matches with odds.
    """

    overall: Scorecard | None
    """None while nothing is settled."""
    against: dict[str, float]
    """``vs_prior``, ``vs_elo``, ``vs_market`` over all, those that there are."""
    daily: pd.DataFrame
    """By ``day`` of the kick-off, UTC."""
    weekly: pd.DataFrame
    """By ``week`` (its Monday, 00:00 UTC, of the kick-off)."""
    leagues: pd.DataFrame
    """By ``league``, the ones with most matches first."""
    versions: pd.DataFrame
    """By ``model_version``."""
    settled: int


def score_settled(settled: pd.DataFrame) -> SettledScore:
    """Score predictions, one row a match.

    Args:
        settled: as ``warehouse.ledger.settled`` has it; what may lack is ``league``,
            ``model_version``, ``elo_*``, ``prior_*`` and ``odds_*``.

    Raises:
        ValueError: a column is absent, a match occurs twice, or probabilities or outcomes are
            malformed.
    """
    absent = [name for name in _NEEDED if name not in settled.columns]
    if absent:
        raise ValueError(f"predictions lack columns: {', '.join(absent)}")
    if settled["match_id"].duplicated().any():
        raise ValueError("predictions hold a match twice")
    losses = losses_of(settled)
    day = pd.to_datetime(settled["kickoff"], utc=True).dt.normalize()
    monday = day - pd.to_timedelta(day.dt.weekday, unit="D")
    overall = _row(losses)
    return SettledScore(
        overall=(
            scorecard(settled[PROBABILITY_COLUMNS].to_numpy(), settled["outcome"].to_numpy())
            if len(settled)
            else None
        ),
        against={k: v for k, v in overall.items() if k.startswith("vs_") and np.isfinite(v)},
        daily=_by(losses, day, "day"),
        weekly=_by(losses, monday, "week"),
        leagues=_by(losses, settled.get("league"), "league").sort_values(
            "n", ascending=False, kind="stable", ignore_index=True
        ),
        versions=_by(losses, settled.get("model_version"), "model_version"),
        settled=len(settled),
    )


def losses_of(settled: pd.DataFrame) -> pd.DataFrame:
    """Log-loss of every system on every match, nats; NaN where it says nothing."""
    outcomes = settled["outcome"].to_numpy()

    def loss(probabilities: FloatArray) -> FloatArray:
        found = np.full(len(settled), np.nan)
        known = np.isfinite(probabilities).all(axis=1)
        if known.any():
            found[known] = per_match_log_loss(probabilities[known], outcomes[known])
        return found

    def of(columns: list[str]) -> FloatArray:
        return settled.reindex(columns=columns).to_numpy(dtype=np.float64, na_value=np.nan)

    systems = {name: [f"{name}_{end}" for end in ("home", "draw", "away")] for name in (PRIOR, ELO)}
    model = of(PROBABILITY_COLUMNS)
    return pd.DataFrame(
        {
            "model": per_match_log_loss(model, outcomes) if len(settled) else np.empty(0),
            **{name: loss(of(columns)) for name, columns in systems.items()},
            MARKET: loss(margin_free(of(ODDS_COLUMNS))),
        },
        index=settled.index,
    )


def _by(losses: pd.DataFrame, group: pd.Series | None, name: str) -> pd.DataFrame:
    rows: list[dict[str, Hashable | float]] = []
    if group is not None:
        rows = [{name: key, **_row(part)} for key, part in losses.groupby(group, sort=True)]
    return pd.DataFrame(rows, columns=[name, *_row(losses.iloc[:0])])


def _row(losses: pd.DataFrame) -> dict[str, float]:
    beyond = {
        f"vs_{name}": float((losses["model"] - losses[name]).mean())
        for name in (PRIOR, ELO, MARKET)
    }
    mean = float(losses["model"].mean())
    priced = int(losses[MARKET].notna().sum())
    return {"n": len(losses), "log_loss": mean, **beyond, "priced": priced}
