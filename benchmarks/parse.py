"""Payload bytes to typed rows."""

import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from benchmarks.baselines import normalized
from benchmarks.corpus import payload
from benchmarks.measure import Stopwatch, in_child, interleave, measure
from benchmarks.report import Comparison, Cost, Goal
from benchmarks.source import Source
from benchmarks.workbench import Workbench
from soccer_assets.ingestion.parsing import parse_day

LAPS = 3
#: When every match is over.
FETCHED = datetime(2100, 1, 1, tzinfo=UTC)


def keep_payloads(source: Source, rows: int, path: Path) -> tuple[int, int]:
    """Payloads of days spread evenly, of about so many matches; returns days and bytes."""
    backend = source.backend()
    every = max(1, round(source.rows / rows))
    bodies = [(day, payload(backend, day, source.as_of)) for day in source.days[::every]]
    path.write_bytes(pickle.dumps(bodies))
    return len(bodies), sum(len(body) for _, body in bodies)


def parse_all(stopwatch: Stopwatch, path: Path) -> int:
    """Number of rows."""
    return _each(
        stopwatch,
        path,
        lambda day, body: (
            parse_day(day, body, payload_key="key", fetched_at=FETCHED).match.num_rows
        ),
    )


def normalize_all(stopwatch: Stopwatch, path: Path) -> int:
    return _each(stopwatch, path, lambda _, body: len(normalized(body)))


def _each(stopwatch: Stopwatch, path: Path, rows_of: Callable[[date, bytes], int]) -> int:
    bodies = pickle.loads(path.read_bytes())
    rows_of(*bodies[0])
    rows = 0
    for _ in range(LAPS):
        with stopwatch:
            rows = sum(rows_of(day, body) for day, body in bodies)
    return rows


def run(bench: Workbench) -> list[Comparison]:
    path = bench.folder / "payloads.pickle"
    days, size = in_child(keep_payloads, bench.source, bench.sizes.parse_rows, path)
    found = interleave(
        bench.sizes.repeats,
        {
            "ours": lambda: measure(parse_all, path),
            "baseline": lambda: measure(normalize_all, path),
        },
    )
    ours, theirs = found["ours"], found["baseline"]
    if ours.result != theirs.result:
        raise RuntimeError(f"not the same rows: {found}")
    return [
        Comparison(
            "parse",
            f"parsing of {days:,} days ({ours.result:,} matches, {size / 1e6:.0f} MB)",
            "json.loads + pandas.json_normalize",
            Cost.of(ours),
            Cost.of(theirs),
            Goal(1),
            [
                f"{ours.result / ours.seconds:,.0f} rows/s of both tables, every field checked,"
                f" against {theirs.result / theirs.seconds:,.0f} unchecked rows/s; best of"
                f" {len(ours.laps)}"
            ],
        )
    ]
