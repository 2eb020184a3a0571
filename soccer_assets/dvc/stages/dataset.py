"""Finished matches with features and outcome (0 home win, 1 draw, 2 away win), month by month."""

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
    """Rows of ``features`` that are finished, in their order, with ``outcome`` (int8) as the fifth
    column."""
    matches = features.filter(features["is_finished"]).drop_columns("is_finished")
    ids = scores["match_id"].to_numpy()
    order = np.argsort(ids)
    rows = order[np.searchsorted(ids[order], matches["match_id"].to_numpy())]
    margin = scores["home_score"].to_numpy()[rows] - scores["away_score"].to_numpy()[rows]
    outcome = np.select([margin > 0, margin == 0], [0, 1], 2).astype(np.int8)
    return matches.add_column(4, "outcome", pa.array(outcome))


if __name__ == "__main__":
    main()
