"""Both tables from PostgreSQL to parquet files."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.baselines import TABLES
from benchmarks.database import connect
from benchmarks.measure import Stopwatch, interleave, measure
from benchmarks.report import Comparison, Cost, Goal
from benchmarks.workbench import Workbench
from soccer_assets.lake.store import LocalStore
from soccer_assets.lake.tables import export_months
from soccer_assets.warehouse.schema import SCHEMA

GOAL = Goal(5, peak_mb=500)


def export(stopwatch: Stopwatch, url: str, folder: Path) -> int:
    """Rows of ``match`` in an empty lake."""
    with TemporaryDirectory(dir=folder) as lake:
        store = LocalStore(Path(lake))
        engine = connect(url)
        engine.connect().close()
        with stopwatch:
            manifest = export_months(engine, store).manifest
        return manifest.rows("match")


def read_sql_to_parquet(stopwatch: Stopwatch, url: str, folder: Path) -> int:
    with TemporaryDirectory(dir=folder) as lake:
        engine = connect(url)
        engine.connect().close()
        rows = 0
        with stopwatch:
            for name in TABLES:
                frame = pd.read_sql(f"SELECT * FROM {SCHEMA}.{name}", engine)
                frame.to_parquet(Path(lake) / f"{name}.parquet", index=False)
                rows = len(frame)
                del frame
        return rows


def run(bench: Workbench) -> list[Comparison]:
    url, folder = bench.full_database, bench.folder
    found = interleave(
        bench.sizes.repeats,
        {
            "ours": lambda: measure(export, url, folder),
            "baseline": lambda: measure(read_sql_to_parquet, url, folder),
        },
    )
    if found["ours"].result != found["baseline"].result:
        raise RuntimeError(f"not the same rows: {found}")
    return [
        Comparison(
            "export",
            f"export of {found['ours'].result:,} rows of both tables to parquet",
            "pandas.read_sql + DataFrame.to_parquet",
            Cost.of(found["ours"]),
            Cost.of(found["baseline"]),
            GOAL,
            [
                f"ours: zstd files a month, fsynced, with hashes and a manifest; best of"
                f" {bench.sizes.repeats}"
            ],
        )
    ]
