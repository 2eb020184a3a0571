"""A champion a season on real matches, as the watch over it sees them, and what can befall them.

A multinomial logistic on the platform's features, fitted on the 1st of July on everything before, predicts
the season until the next; so does Elo. What a champion promised is what the one before it achieved in the
season before, which it had not seen.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.model import Progress, dataset_of
from benchmarks.world import finished_matches
from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.modelling.baselines import EloOrderedLogit
from soccer_assets.modelling.estimators import LogisticEstimator
from soccer_assets.modelling.train import prepared
from soccer_assets.monitoring.decay import Promise
from soccer_assets.monitoring.shift import entropy, groups_of
from soccer_assets.params import Params
from soccer_assets.params.training import LogisticParams

FIRST_SEASON, LAST_SEASON = 2012, 2024
#: Whose champion serves three months longer, as it would have.
SERVES_ON = 2019
UNTIL = datetime(2025, 7, 1, tzinfo=UTC)
P, ELO, ODDS = (
    [f"{name}_{side}" for side in ("home", "draw", "away")] for name in ("p", "elo", "odds")
)


@dataclass(frozen=True, eq=False)
class Season:
    """A champion's life: its settled predictions, and those of the season before."""

    year: int
    """In whose July it begins."""
    judged: pd.DataFrame
    settled: pd.DataFrame
    promise: Promise

    @property
    def begins(self) -> pd.Timestamp:
        return pd.Timestamp(year=self.year, month=7, day=1, tz="UTC")


def predicted(folder: Path, params: Params, cache: Path, progress: Progress) -> pd.DataFrame:
    """Every match from the first season on, laid out as settled predictions; made once and kept."""
    if cache.is_file():
        return pd.read_parquet(cache)
    matches = finished_matches(folder, UNTIL)
    progress("features")
    dataset, names = dataset_of(matches, params.features)
    frame, rows = prepared(dataset, names, params.training)
    learner = LogisticParams(C=0.001, max_rows=60_000)
    parts = []
    for year in range(FIRST_SEASON, LAST_SEASON + 1):
        progress(f"the champion of {year}")
        first, end = (
            int((frame["kickoff"] < pd.Timestamp(year=y, month=month, day=1, tz="UTC")).sum())
            # After the closed doors of its spring, one serves on.
            for y, month in ((year, 7), (year + 1, 10 if year == SERVES_ON else 7))
        )
        model = LogisticEstimator(learner, params.training.seed).fit(rows[slice(0, first)])
        elo = EloOrderedLogit().fit(frame.iloc[max(0, first - learner.max_rows) : first])
        part = frame.iloc[first:end]
        columns = ["match_id", "tournament_id", "kickoff", "outcome", "region", "sex", *ODDS]
        told = part[[*columns, "elo_difference"]].assign(season=year)
        told[P] = model.predict_proba(rows[slice(first, end)].features)
        told[ELO] = elo.predict_proba(part)
        parts.append(told)
    table = pd.concat(parts, ignore_index=True)
    table["made_at"] = table["kickoff"] - pd.Timedelta(hours=1)
    table["model_version"] = table["season"]
    table["entropy"] = entropy(table[P].to_numpy(dtype=np.float64))
    table["group"] = groups_of(table)
    table["no_odds"] = table[ODDS].isna().any(axis=1)
    # Where the files know no time, `finished_matches` says noon.
    table["no_kickoff"] = table["kickoff"].dt.strftime("%H:%M").eq("12:00")
    cache.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(cache, index=False)
    return table


def in_season(table: pd.DataFrame) -> pd.DataFrame:
    """Each match once, as the champion of its season predicted it."""
    kickoffs = table["kickoff"].dt
    return table[table["season"] == kickoffs.year - (kickoffs.month < 7)].reset_index(drop=True)


def seasons_of(table: pd.DataFrame) -> list[Season]:
    """From the second season on: the first only promises."""
    by_year = dict(list(in_season(table).groupby("season")))
    return [
        Season(year, by_year[year - 1], by_year[year], Promise.of(by_year[year - 1]))
        for year in sorted(by_year)[1:]
    ]


def without_home_advantage(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Outcomes drawn as if no ground helped: the champion's own, less the mean advantage."""
    p = _shifted(rows[P].to_numpy(dtype=np.float64), lambda s: s - s.mean())
    return rows.assign(outcome=_drawn(p, seed))


def with_sides_swapped(rows: pd.DataFrame) -> pd.DataFrame:
    """The guests are called hosts, with their goals; who predicts believes it."""
    swapped = rows.assign(outcome=2 - rows["outcome"])
    for names in (P, ELO):
        p = rows[names].to_numpy(dtype=np.float64)
        swapped[names] = _shifted(p, lambda s: 2.0 * s.mean() - s)
    odds = rows[ODDS].to_numpy()
    swapped[ODDS] = odds[:, ::-1]
    return swapped


def with_scores_corrupted(rows: pd.DataFrame, league: int, seed: int) -> pd.DataFrame:
    """The scores of a league are noise: none to four goals for either side, all as likely."""
    mine = (rows["tournament_id"] == league).to_numpy()
    outcomes = rows["outcome"].to_numpy().copy()
    home, away = np.random.default_rng(seed).integers(0, 5, (2, int(mine.sum())))
    outcomes[mine] = np.select([home > away, home == away], [0, 1], 2)
    return rows.assign(outcome=outcomes)


def fallen_to_elo(rows: pd.DataFrame) -> pd.DataFrame:
    """The champion knows no more than Elo."""
    fallen = rows.copy()
    fallen[P] = rows[ELO].to_numpy()
    return fallen


def _shifted(p: FloatArray, moved) -> FloatArray:  # type: ignore[no-untyped-def]
    """Ordered-logit probabilities (n, 3) at another strength of the host, at the same draw width."""
    home, away = (np.log(p[:, k] / (1.0 - p[:, k])) for k in (0, 2))
    width = -(home + away) / 2.0
    strength = moved((home - away) / 2.0)
    found = np.column_stack([1.0 / (1.0 + np.exp(width - side * strength)) for side in (1.0, -1.0)])
    return np.column_stack([found[:, 0], 1.0 - found.sum(axis=1), found[:, 1]])


def _drawn(p: FloatArray, seed: int) -> IntArray:
    draws = np.random.default_rng(seed).random((len(p), 1))
    return np.asarray((draws > p.cumsum(axis=1)[:, :2]).sum(axis=1), dtype=np.int64)
