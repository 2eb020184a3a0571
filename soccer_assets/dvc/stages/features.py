"""Features of every match, and what they are made of."""

import json
from pathlib import Path

import pandas as pd
import yaml

from soccer_assets.dvc.outs import FEATURES, FEATURES_META, FINISHED, FIXTURES
from soccer_assets.dvc.stages.io import write_parquet
from soccer_assets.features.build import build_features, feature_names
from soccer_assets.features.params import FeatureParams
from soccer_assets.files import write_atomically


def main() -> None:
    params = FeatureParams.model_validate(
        yaml.safe_load(Path("params.yaml").read_text())["features"]
    )
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
