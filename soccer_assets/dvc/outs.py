"""Files of the workspace that stages make, and that others read, relative to its folder."""

from pathlib import Path

FINISHED = Path("data/finished.parquet")
FIXTURES = Path("data/fixtures.parquet")
FEATURES = Path("data/features.parquet")
FEATURES_META = Path("data/features_meta.json")
DATASET = Path("data/dataset.parquet")
