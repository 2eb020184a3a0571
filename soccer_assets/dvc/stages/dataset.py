"""Finished matches with features, outcome (0 home win, 1 draw, 2 away win) and goals, month by month."""

import numpy as np
import pyarrow as pa

from soccer_assets.dvc.outs import DATASET, FEATURES, FINISHED
from soccer_assets.dvc.stages.months import MonthFolder, code_of, made_of

SCORES = ["match_id", "home_score", "away_score"]


def main() -> None:
    code = code_of("dataset")
    finished, features, dataset = (MonthFolder(path) for path in (FINISHED, FEATURES, DATASET))
    months = finished.months()
    wanted = {m: made_of(code, finished.digest(m), features.digest(m)) for m in months}
    due = [month for month in months if not dataset.is_made_of(month, wanted[month])]
    dataset.forget(due)
    for month in due:
        rows = with_outcome(features.read(month), finished.read(month, SCORES))
        dataset.write(month, rows, wanted[month])
    dataset.finish(months)


def with_outcome(features: pa.Table, scores: pa.Table) -> pa.Table:
    """Rows of ``features`` that are finished, in their order, with ``outcome`` (int8), ``home_goals``
    and ``away_goals`` (int16) from the fifth column on."""
    matches = features.filter(features["is_finished"]).drop_columns("is_finished")
    ids = scores["match_id"].to_numpy()
    order = np.argsort(ids)
    rows = order[np.searchsorted(ids[order], matches["match_id"].to_numpy())]
    home, away = (scores[name].to_numpy()[rows] for name in ("home_score", "away_score"))
    outcome = np.select([home > away, home == away], [0, 1], 2).astype(np.int8)
    of_result = {
        "outcome": outcome,
        "home_goals": home.astype(np.int16),
        "away_goals": away.astype(np.int16),
    }
    for place, (name, values) in enumerate(of_result.items(), start=4):
        matches = matches.add_column(place, name, pa.array(values))
    return matches


if __name__ == "__main__":
    main()
