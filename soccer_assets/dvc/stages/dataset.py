"""Finished matches with features and outcome (0 home win, 1 draw, 2 away win)."""

import numpy as np
import pandas as pd

from soccer_assets.dvc.outs import DATASET, FEATURES, FINISHED
from soccer_assets.dvc.stages.io import write_parquet


def main() -> None:
    finished = pd.read_parquet(FINISHED, columns=["match_id", "home_score", "away_score"])
    features = pd.read_parquet(FEATURES)
    dataset = features[features["is_finished"]].drop(columns="is_finished")
    scores = finished.set_index("match_id").loc[dataset["match_id"]]
    margin = (scores["home_score"] - scores["away_score"]).to_numpy()
    dataset.insert(4, "outcome", np.select([margin > 0, margin == 0], [0, 1], 2).astype("int8"))
    write_parquet(dataset, DATASET)


if __name__ == "__main__":
    main()
