"""The matches of the lake, as a stage reads them."""

import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from soccer_assets.feed.limits import FeedLimits
from soccer_assets.lake.manifest import Manifest
from soccer_assets.lake.tables import read_table
from soccer_assets.storage.opening import open_lake
from soccer_assets.storage.store import ObjectStore

LAKE_POINTER = Path("lake.json")
PARAMS = Path("params.yaml")


def read_matches(columns: list[str]) -> pd.DataFrame:
    """Rows of ``match`` in the lake files that ``lake.json`` names, in order of kick-off; flags as
    float32, NaN where they are null.

    One whose kick-off lies as far from its day as no loaded payload has it any more (it is in the
    lake from before) is left out.
    """
    table = read_beside("match", [*columns, "feed_day"])
    near = _near(table, _limits().kickoff_days)
    far = table.filter(pc.invert(near))
    for match_id, day in zip(*far.select(["match_id", "feed_day"]).slice(0, 20), strict=True):
        print(f"left out: match {match_id} of {day}: its kick-off is far from its day", flush=True)
    matches = table.filter(near).select(columns).to_pandas()
    flags = [field.name for field in table.schema if pa.types.is_boolean(field.type)]
    matches = matches.astype(dict.fromkeys(flags, "float32"))
    return matches.sort_values(["kickoff", "match_id"], ignore_index=True)


def read_beside(table: str, columns: list[str]) -> pa.Table:
    """Rows of a table in the lake files that ``lake.json`` names: ``match``, or one beside it."""
    manifest = Manifest.from_bytes(LAKE_POINTER.read_bytes())
    return read_table(_lake(), manifest, table, columns)


def _lake() -> ObjectStore:
    """From the environment, where the workspace puts it: no stage depends on all settings."""
    return open_lake(
        os.environ["LAKE_URI"], os.environ.get("S3_ENDPOINT_URL"), os.environ.get("AWS_REGION")
    )


def _limits() -> FeedLimits:
    """Read here: the parameters as a whole would make every stage depend on the code of all."""
    return FeedLimits.model_validate(yaml.safe_load(PARAMS.read_text())["ingestion"]["limits"])


def _near(table: pa.Table, days: int) -> pa.ChunkedArray:
    """Whether each kick-off lies no more than so many days from the day that shows it."""
    day = 86_400_000_000
    kickoff = table["kickoff"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    after = pc.subtract(kickoff, table["feed_day"].cast(pa.timestamp("us")).cast(pa.int64()))
    return pc.and_(pc.greater_equal(after, -days * day), pc.less(after, (days + 1) * day))
