"""Files of the workspace, relative to the current directory as DVC runs a stage."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from soccer_assets.feed.limits import FeedLimits
from soccer_assets.files import aside
from soccer_assets.lake.manifest import Manifest
from soccer_assets.lake.tables import read_table
from soccer_assets.storage.opening import open_lake

LAKE_POINTER = Path("lake.json")
FINISHED = Path("data/finished.parquet")
FIXTURES = Path("data/fixtures.parquet")
FEATURES = Path("data/features.parquet")
PARAMS = Path("params.yaml")
FEATURES_META = Path("data/features_meta.json")
DATASET = Path("data/dataset.parquet")


def read_matches(columns: list[str]) -> pd.DataFrame:
    """Rows of ``match`` in the lake files that ``lake.json`` names, in order of kick-off.

    One whose kick-off lies as far from its day as no loaded payload has it any more (it is in the
    lake from before) is left out.
    """
    manifest = Manifest.from_bytes(LAKE_POINTER.read_bytes())
    table = read_table(open_lake(), manifest, "match", [*columns, "feed_day"])
    near = _near(table, _limits().kickoff_days)
    far = table.filter(pc.invert(near))
    for match_id, day in zip(*far.select(["match_id", "feed_day"]).slice(0, 20), strict=True):
        print(f"left out: match {match_id} of {day}: its kick-off is far from its day", flush=True)
    matches = table.filter(near).select(columns).to_pandas()
    return matches.sort_values(["kickoff", "match_id"], ignore_index=True)


def _limits() -> FeedLimits:
    """Read here: the parameters as a whole would make every stage depend on the code of all."""
    return FeedLimits.model_validate(yaml.safe_load(PARAMS.read_text())["ingestion"]["limits"])


def _near(table: pa.Table, days: int) -> pa.ChunkedArray:
    """Whether each kick-off lies no more than so many days from the day that shows it."""
    day = 86_400_000_000
    kickoff = table["kickoff"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    after = pc.subtract(kickoff, table["feed_day"].cast(pa.timestamp("us")).cast(pa.int64()))
    return pc.and_(pc.greater_equal(after, -days * day), pc.less(after, (days + 1) * day))


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Deterministic: equal frames give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with aside(path) as file:
        pq.write_table(table.replace_schema_metadata(None), file, compression="zstd")
    print(f"{path}: {table.num_rows:,} rows, {table.num_columns} columns", flush=True)
