"""How a stage writes an out."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from soccer_assets.files import aside


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Deterministic: equal frames give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with aside(path) as file:
        pq.write_table(table.replace_schema_metadata(None), file, compression="zstd")
    print(f"{path}: {table.num_rows:,} rows, {table.num_columns} columns", flush=True)
