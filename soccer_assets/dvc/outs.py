"""Files of the workspace that stages make, and that others read, relative to its folder."""

from pathlib import Path

# Each a folder with a file for each month of kick-offs.
FINISHED = Path("data/finished")
FIXTURES = Path("data/fixtures")
FEATURES = Path("data/features")
FEATURE_STATES = Path("data/feature_states")
DATASET = Path("data/dataset")

FEATURES_META = Path("data/features_meta.json")
