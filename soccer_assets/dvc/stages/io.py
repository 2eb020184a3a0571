"""Files of the workspace, relative to the current directory as DVC runs a stage."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from soccer_assets.files import aside
from soccer_assets.lake.connection import open_lake
from soccer_assets.lake.manifest import Manifest
from soccer_assets.lake.tables import read_table

LAKE_POINTER = Path("lake.json")
FINISHED = Path("data/finished.parquet")
FIXTURES = Path("data/fixtures.parquet")
FEATURES = Path("data/features.parquet")
FEATURES_META = Path("data/features_meta.json")
DATASET = Path("data/dataset.parquet")


def read_matches(columns: list[str]) -> pd.DataFrame:
    """Rows of ``match`` in the lake files that ``lake.json`` names, in order of kick-off."""
    manifest = Manifest.from_bytes(LAKE_POINTER.read_bytes())
    table = read_table(open_lake(), manifest, "match", columns)
    return table.to_pandas().sort_values(["kickoff", "match_id"], ignore_index=True)


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Deterministic: equal frames give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with aside(path) as file:
        pq.write_table(table.replace_schema_metadata(None), file, compression="zstd")
    print(f"{path}: {table.num_rows:,} rows, {table.num_columns} columns", flush=True)
