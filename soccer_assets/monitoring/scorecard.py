"""How the predictions that were really served turned out."""

from dataclasses import dataclass

import pandas as pd

from soccer_assets.modelling.metrics import Scorecard, scorecard

PROBABILITY_COLUMNS = ["p_home", "p_draw", "p_away"]


@dataclass(frozen=True, eq=False)
class SettledScore:
    """Scores of the served predictions whose matches have ended."""

    overall: Scorecard | None
    """None while nothing is settled."""
    weekly: pd.DataFrame
    """One row a week: ``week`` (its Monday, 00:00 UTC, of the kick-off) and the scorecard's fields."""
    settled: int
    """Matches predicted before kick-off and ended."""
    unsettled: int
    """Matches predicted before kick-off without a result yet."""


def score_settled(predictions: pd.DataFrame, results: pd.DataFrame) -> SettledScore:
    """Score served predictions against results.

    ``predictions`` has ``match_id``, ``kickoff`` (naive is UTC), ``p_home``, ``p_draw``, ``p_away``
    and maybe ``predicted_at``. ``results`` has ``match_id``, unique, and ``outcome`` (0, 1, 2).
    With ``predicted_at``, predictions made at or after kick-off are left out, and of several for
    one match the last counts. Raises ``ValueError`` on an absent column, on a match that occurs
    twice without a ``predicted_at`` to choose by, and on malformed probabilities or outcomes.
    """
    _require(predictions, ["match_id", "kickoff", *PROBABILITY_COLUMNS], "predictions")
    _require(results, ["match_id", "outcome"], "results")
    if results["match_id"].duplicated().any():
        raise ValueError("results hold a match twice")
    served = _last_before_kickoff(predictions)
    settled = served.merge(results[["match_id", "outcome"]], on="match_id", how="inner")
    return SettledScore(
        overall=_score(settled) if len(settled) else None,
        weekly=_weekly(settled),
        settled=len(settled),
        unsettled=len(served) - len(settled),
    )


def _last_before_kickoff(predictions: pd.DataFrame) -> pd.DataFrame:
    served = predictions.assign(kickoff=pd.to_datetime(predictions["kickoff"], utc=True))
    served = served.drop(columns="outcome", errors="ignore")
    if "predicted_at" in served:
        made = pd.to_datetime(served["predicted_at"], utc=True)
        in_time = served.assign(predicted_at=made)[made < served["kickoff"]]
        return in_time.sort_values("predicted_at", kind="stable").drop_duplicates(
            "match_id", keep="last"
        )
    if served["match_id"].duplicated().any():
        raise ValueError("predictions hold a match twice and no predicted_at to choose by")
    return served


def _weekly(settled: pd.DataFrame) -> pd.DataFrame:
    midnight = settled["kickoff"].dt.normalize()
    monday = midnight - pd.to_timedelta(midnight.dt.weekday, unit="D")
    rows = [{"week": week} | _score(part).as_dict() for week, part in settled.groupby(monday)]
    return pd.DataFrame(rows, columns=["week", *Scorecard.__dataclass_fields__])


def _score(settled: pd.DataFrame) -> Scorecard:
    return scorecard(settled[PROBABILITY_COLUMNS].to_numpy(), settled["outcome"].to_numpy())


def _require(frame: pd.DataFrame, columns: list[str], what: str) -> None:
    absent = [name for name in columns if name not in frame.columns]
    if absent:
        raise ValueError(f"{what} lack columns: {', '.join(absent)}")
