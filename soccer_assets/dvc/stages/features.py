"""Features of every match, and what they are made of."""

import json
from pathlib import Path

import pandas as pd

from soccer_assets.dvc.stages.io import FEATURES, FEATURES_META, FINISHED, FIXTURES, write_parquet
from soccer_assets.features.build import build_features, feature_names
from soccer_assets.files import write_atomically
from soccer_assets.params import load_params


def main() -> None:
    params = load_params(Path("params.yaml")).features
    finished, fixtures = pd.read_parquet(FINISHED), pd.read_parquet(FIXTURES)
    features = build_features(finished, fixtures, params)
    write_parquet(features, FEATURES)
    newest = finished["kickoff"].max()
    meta = {
        "features": feature_names(features),
        "features_as_of": None if pd.isna(newest) else newest.isoformat(),
        "finished": len(finished),
        "fixtures": len(fixtures),
        "params": params.model_dump(),
    }
    write_atomically(FEATURES_META, json.dumps(meta, indent=2) + "\n")


if __name__ == "__main__":
    main()
