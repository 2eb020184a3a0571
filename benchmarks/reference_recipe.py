"""The recipe of the system that this one replaces: 508 columns, boosted trees, isotonic calibration.

Rolling sums over a team's last 1, 2, 3, 5, 7, 10 and 12 matches (the one to come left out) of wins,
draws, losses, goals for and against and of how many matches there were, over all its matches, those of
the season, those of the competition and those at this venue; of both teams, and their difference. Elo
kept apart for each competition and team; women or men. The latest 15 % of what is learnt from
calibrate each class by isotonic regression.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from soccer_assets.arrays import BoolArray, Float32Array, FloatArray, IntArray

WINDOWS = (1, 2, 3, 5, 7, 10, 12)
CALIBRATION_SHARE = 0.15
ROUNDS = 300
ELO_K, ELO_HOME = 20.0, 60.0


def reference_columns(matches: pd.DataFrame, rows: BoolArray) -> Float32Array:
    """The 508 columns of some of the matches, (rows, 508)."""
    played = len(matches)
    goals = matches[["home_score", "away_score"]].to_numpy(np.float64)
    team, _ = pd.factorize(pd.concat([matches["home_team_id"], matches["away_team_id"]]))
    side = np.repeat([0, 1], played)
    order = np.tile(np.arange(played), 2)
    scored = np.concatenate([goals[:, 0], goals[:, 1]])
    conceded = np.concatenate([goals[:, 1], goals[:, 0]])
    values = [
        (scored > conceded).astype(float),
        (scored == conceded).astype(float),
        (scored < conceded).astype(float),
        scored,
        conceded,
        np.ones(2 * played),
    ]
    seasons, _ = pd.factorize(matches["season_id"])
    tournaments, _ = pd.factorize(matches["tournament_id"])
    scopes = {
        "all": team,
        "season": team * 1000 + np.tile(seasons, 2),
        "tournament": team * 10_000 + np.tile(tournaments, 2),
        "venue": team * 2 + side,
    }
    columns: list[FloatArray] = []
    for scope in scopes.values():
        columns += list(_rolling(np.asarray(scope, np.int64), order, values, played, rows))
    home, away = _elo(matches, tournaments)
    columns += [home[rows], away[rows], (home - away)[rows]]
    columns.append(matches["sex"].to_numpy(np.float64)[rows])
    return np.stack([column.astype(np.float32) for column in columns], axis=1)


def reference_probabilities(
    columns: Float32Array, outcomes: IntArray, fitted: BoolArray, seed: int, threads: int
) -> FloatArray:
    """What the recipe, fitted on some rows (in order of time), gives the others: (others, 3)."""
    import lightgbm
    from sklearn.isotonic import IsotonicRegression

    known = np.flatnonzero(fitted)
    cut = int(len(known) * (1 - CALIBRATION_SHARE))
    learnt, held = known[:cut], known[cut:]
    settings = {
        "objective": "multiclass",
        "num_class": 3,
        "learning_rate": 0.05,
        "num_leaves": 31,
        "min_data_in_leaf": 100,
        "feature_fraction": 0.3,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "deterministic": True,
        "force_row_wise": True,
        "max_bin": 63,
        "seed": seed,
        "num_threads": threads,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(columns[learnt], outcomes[learnt], params=settings)
    booster = lightgbm.train(settings, data, num_boost_round=ROUNDS)
    raw, asked = (np.asarray(booster.predict(columns[part])) for part in (held, ~fitted))
    calibrated = np.stack(
        [
            IsotonicRegression(y_min=1e-3, y_max=1, out_of_bounds="clip")
            .fit(raw[:, k], outcomes[held] == k)
            .predict(asked[:, k])
            for k in range(3)
        ],
        axis=1,
    )
    return calibrated / calibrated.sum(axis=1, keepdims=True)


def _rolling(
    key: IntArray, order: IntArray, values: list[FloatArray], played: int, rows: BoolArray
) -> Iterator[FloatArray]:
    """Of each window and value: home, away, home less away."""
    place = np.lexsort((order, key))
    ordered = key[place]
    first = np.searchsorted(ordered, ordered)
    position = np.arange(len(key))
    for window in WINDOWS:
        start = np.maximum(first, position - window)
        for value in values:
            total = np.concatenate([[0.0], np.cumsum(value[place])])
            sums = np.empty(len(key))
            sums[place] = total[position] - total[start]
            home, away = sums[:played][rows], sums[played:][rows]
            yield home
            yield away
            yield home - away


def _elo(matches: pd.DataFrame, tournaments: IntArray) -> tuple[FloatArray, FloatArray]:
    """Before each match, of both teams, kept apart for each competition."""
    points: dict[tuple[int, int], float] = {}
    home_points, away_points = np.empty(len(matches)), np.empty(len(matches))
    columns = (
        *(tournaments.tolist(), matches["home_team_id"].tolist(), matches["away_team_id"].tolist()),
        *(matches["home_score"].tolist(), matches["away_score"].tolist()),
    )
    for i, (kind, home, away, scored, conceded) in enumerate(zip(*columns, strict=True)):
        a, b = points.get((kind, home), 1500.0), points.get((kind, away), 1500.0)
        home_points[i], away_points[i] = a, b
        won = 0.5 * (1 + (scored > conceded) - (scored < conceded))
        moved = ELO_K * (won - 1 / (1 + 10 ** ((b - a - ELO_HOME) / 400)))
        points[kind, home], points[kind, away] = a + moved, b - moved
    return home_points, away_points
