"""How the predictions that were made in time came out, against others on the same matches."""

from datetime import UTC, date, datetime, time

import numpy as np
import pandas as pd
import sqlalchemy as sa

from soccer_assets.arrays import FloatArray
from soccer_assets.dvc import outs
from soccer_assets.dvc.reading import RevisionReader
from soccer_assets.modelling.baselines import ClassPrior, EloOrderedLogit
from soccer_assets.modelling.market import market_probabilities
from soccer_assets.replay.plan import TooLate
from soccer_assets.warehouse.schema import SCHEMA

#: System -> its name on the page. Losses are in columns of these names.
SYSTEMS = {
    "model": "model",
    "elo": "Elo, ordered logit",
    "prior": "class prior",
    "market": "market",
}
PROBABILITIES = ["p_home", "p_draw", "p_away"]


def settled_predictions(engine: sa.Engine, first: date) -> pd.DataFrame:
    """The last prediction of every match before its kick-off, of the matches that are over.

    Args:
        first: day of the first matches.

    Returns:
        ``match_id, kickoff, predicted_at, model_version, p_home, p_draw, p_away, outcome,
        tournament_id, league``, by kick-off.

    Raises:
        TooLate: one of them was made after the match had begun, as it turned out.
    """
    query = sa.text(
        f"""SELECT DISTINCT ON (p.match_id) p.match_id, m.kickoff, p.predicted_at, p.model_version,
                   p.p_home, p.p_draw, p.p_away,
                   1 - sign(m.home_score - m.away_score)::int AS outcome, m.tournament_id,
                   m.region_name || ': ' || m.tournament_name AS league
            FROM {SCHEMA}.prediction p JOIN {SCHEMA}.match m USING (match_id)
            WHERE m.status = 'finished' AND m.home_score IS NOT NULL AND m.away_score IS NOT NULL
              AND m.kickoff >= :first AND p.predicted_at < p.kickoff
            ORDER BY p.match_id, p.predicted_at DESC"""
    )
    with engine.connect() as connection:
        settled = pd.read_sql(
            query, connection, params={"first": datetime.combine(first, time(), UTC)}
        )
    late = settled[settled["predicted_at"] >= settled["kickoff"]]
    if len(late):
        one = late.iloc[0]
        raise TooLate(
            f"{len(late)} settled predictions were not made before kick-off, as of match "
            f"{one['match_id']}: predicted {one['predicted_at']}, kicked off {one['kickoff']}"
        )
    return settled.sort_values(["kickoff", "match_id"]).reset_index(drop=True)


def with_losses(settled: pd.DataFrame, made: RevisionReader, first: date) -> pd.DataFrame:
    """The settled predictions with the log-loss of each of ``SYSTEMS`` on their match; NaN where
    a system says nothing.

    Class prior and Elo are fitted on what was over before the first day, and are not fitted again.

    Args:
        made: the features as of the end, whose ratings are as of each kick-off.
        first: day of the replay.
    """
    dataset = made.frame(outs.DATASET).set_index("match_id")
    begin = pd.Timestamp(first, tz="UTC")
    history = dataset[dataset["kickoff"] < begin]
    known = settled["match_id"].isin(dataset.index)
    rows = dataset.reindex(settled["match_id"])
    outcomes = settled["outcome"].to_numpy(np.int64)
    found = settled.assign(model=losses(settled[PROBABILITIES].to_numpy(float), outcomes))
    for name, system in (("elo", EloOrderedLogit()), ("prior", ClassPrior())):
        probabilities = system.fit(history.reset_index()).predict_proba(rows)
        found[name] = np.where(known, losses(probabilities, outcomes), np.nan)
    finished = made.frame(outs.FINISHED).set_index("match_id").reindex(settled["match_id"])
    market = market_probabilities(finished)
    found["market"] = np.nan if market is None else losses(market, outcomes)
    return found


def losses(probabilities: FloatArray, outcomes: np.ndarray) -> FloatArray:
    """Log-loss of each row; NaN where its probabilities are."""
    return -np.log(np.clip(probabilities[np.arange(len(outcomes)), outcomes], 1e-15, None))


def reigns(settled: pd.DataFrame) -> pd.DataFrame:
    """Each version's time in office, by the predictions that counted: ``version, first, last,
    matches, model, elo, market`` (mean log-losses, the last of matches with odds)."""
    if settled.empty:
        return pd.DataFrame(columns=["version", "first", "last", "matches", *SYSTEMS])
    return (
        settled.groupby("model_version")
        .agg(
            first=("predicted_at", "min"),
            last=("predicted_at", "max"),
            matches=("match_id", "size"),
            **{name: (name, "mean") for name in SYSTEMS},
        )
        .rename_axis("version")
        .reset_index()
        .sort_values("first")
    )
