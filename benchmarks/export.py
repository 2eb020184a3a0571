"""Both tables from PostgreSQL to parquet files."""

import os
from pathlib import Path
from statistics import median
from tempfile import mkdtemp

import pandas as pd

from benchmarks.baselines import TABLES
from benchmarks.database import connect
from benchmarks.measure import Stopwatch, interleave, measure
from benchmarks.report import Comparison, Cost, Goal
from benchmarks.workbench import Workbench
from soccer_assets.lake.export import export_months
from soccer_assets.storage.store import LocalStore
from soccer_assets.warehouse.schema import SCHEMA

GOAL = Goal(5, peak_mb=500)
#: How many times as long as a plain COPY of the same rows an export may take.
AS_LONG_AS_COPY = 1.3


def export(stopwatch: Stopwatch, url: str, folder: Path) -> int:
    """Rows of ``match`` in an empty lake."""
    store = LocalStore(Path(mkdtemp(dir=folder)))
    engine = connect(url)
    engine.connect().close()
    with stopwatch:
        manifest = export_months(engine, store).manifest
    return manifest.rows("match")


def read_sql_to_parquet(stopwatch: Stopwatch, url: str, folder: Path) -> int:
    """A file a table."""
    lake = Path(mkdtemp(dir=folder))
    engine = connect(url)
    engine.connect().close()
    rows = 0
    with stopwatch:
        for name in TABLES:
            frame = pd.read_sql(f"SELECT * FROM {SCHEMA}.{name}", engine)
            frame.to_parquet(lake / f"{name}.parquet", index=False)
            rows = len(frame)
            del frame
    return rows


def read_sql_to_monthly_parquet(stopwatch: Stopwatch, url: str, folder: Path) -> int:
    """A file a month, in order."""
    lake = Path(mkdtemp(dir=folder))
    engine = connect(url)
    engine.connect().close()
    rows = 0
    with stopwatch:
        for name in TABLES:
            frame = pd.read_sql(f"SELECT * FROM {SCHEMA}.{name} ORDER BY match_id", engine)
            for month, part in frame.groupby(pd.to_datetime(frame["feed_day"]).dt.to_period("M")):
                part.to_parquet(lake / f"{name}-{month}.parquet", index=False)
            rows = len(frame)
            del frame
    return rows


def copy_out(stopwatch: Stopwatch, url: str, folder: Path) -> int:
    """``COPY ... TO STDOUT`` of both tables into nothing: no order, no months, no file; what no way
    to read the rows can be faster than, in one process."""
    engine = connect(url)
    engine.connect().close()
    rows = 0
    with stopwatch, engine.connect() as connection, Path(os.devnull).open("wb") as nothing:
        cursor = connection.connection.cursor()
        for name in TABLES:
            cursor.copy_expert(f"COPY {SCHEMA}.{name} TO STDOUT", nothing)
            rows = cursor.rowcount
    return rows


COPY = "COPY ... TO STDOUT of the same rows, into nothing"
BASELINES = {
    "pandas.read_sql + DataFrame.to_parquet, one file a table": read_sql_to_parquet,
    "pandas.read_sql + DataFrame.to_parquet, a file a month": read_sql_to_monthly_parquet,
}


def run(bench: Workbench) -> list[Comparison]:
    url, folder = bench.full_database, bench.folder
    contenders = {"ours": export, **BASELINES, COPY: copy_out}
    found = interleave(
        bench.sizes.export_repeats,
        {
            name: lambda way=way: measure(way, url, folder)  # type: ignore[misc]
            for name, way in contenders.items()
        },
    )
    if len({measured.result for measured in found.values()}) > 1:
        raise RuntimeError(f"not the same rows: {found}")
    ours = (
        "ours: a file a month, settled on disk, with hashes and a manifest; each way: best of"
        f" {bench.sizes.export_repeats}"
    )
    took, least = (median(lap.seconds for lap in found[name].laps) for name in ("ours", COPY))
    beside_copy = (
        f"baseline: the least that reading the rows costs. Medians: {least:.1f} s and ours {took:.1f}"
        f" s, {took / least:.2f} times as long (asked for: at most {AS_LONG_AS_COPY})"
    )
    return [
        Comparison(
            "export",
            f"export of {found['ours'].result:,} rows of both tables to parquet",
            name,
            Cost.of(found["ours"]),
            Cost.of(found[name]),
            goal,
            notes,
        )
        for name, goal, notes in (
            *((name, GOAL, [ours]) for name in BASELINES),
            (COPY, Goal(1 / AS_LONG_AS_COPY), [ours, beside_copy]),
        )
    ]
