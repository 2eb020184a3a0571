"""Parsed days into PostgreSQL, all of them and again with one match in a hundred changed."""

from collections.abc import Callable
from functools import partial
from statistics import median

from benchmarks.baselines import METHODS, frames, upsert_frames
from benchmarks.corpus import CHANGED_ONE_IN, Corpus
from benchmarks.database import connect, create_database, tidy
from benchmarks.loading import copy_corpus, load_corpus
from benchmarks.measure import Measurement, Stopwatch, interleave, measure
from benchmarks.report import Comparison, Cost, Goal
from benchmarks.workbench import Workbench

NONE, MULTI, COPY = METHODS
#: How many times as long as a plain COPY of the same rows a load of all history may take.
AS_LONG_AS_COPY = 1.8


def load_frames(
    stopwatch: Stopwatch,
    url: str,
    corpus: Corpus,
    method: str,
    rows: int,
    *,
    changed: bool = False,
) -> int:
    """Number of rows of each table."""
    sample = frames(corpus.tables(rows, changed=changed))
    engine = connect(url)
    engine.connect().close()
    with stopwatch:
        upsert_frames(engine, sample, METHODS[method])
    return len(sample["match"])


def run(bench: Workbench) -> list[Comparison]:
    corpus, sizes = bench.corpus, bench.sizes
    baseline = _faster_of(bench, NONE, MULTI)
    loaded = create_database(bench.server_url)
    first: dict[str, Measurement] = {}
    again: dict[str, Measurement] = {}
    with bench.empty_database() as sampled, bench.empty_database() as copied:
        contenders = {
            baseline: (sampled, sizes.to_sql_sample),
            COPY: (copied, sizes.copy_sample),
        }
        for changed, found in ((False, first), (True, again)):
            found["ours"] = measure(load_corpus, loaded, corpus, changed=changed)
            tidy(loaded)
            for method, (url, rows) in contenders.items():
                found[method] = measure(load_frames, url, corpus, method, rows, changed=changed)
                tidy(url)
    bench.full_database = loaded
    parse = (
        f"parsing is in neither: it took {corpus.parse_seconds:.1f} s of one process for"
        f" {corpus.payload_mb:,.0f} MB"
    )
    changes = f"{corpus.changed_rows:,} rows of {corpus.changed_days:,} days are changed"
    lines = []
    for what, found, note in (
        (f"upsert of {corpus.rows:,} rows into empty tables", first, parse),
        (f"upsert of the same rows, 1 in {CHANGED_ONE_IN} changed", again, changes),
    ):
        done = "ours inserted {:,} matches and updated {:,}".format(*found["ours"].result)
        for method, goal in ((baseline, Goal(10)), (COPY, None)):
            sample = found[method].result
            scaled = (
                f"baseline: {sample:,} rows, the time scaled linearly to {corpus.rows:,}, the peak"
                " not"
            )
            lines.append(
                Comparison(
                    "upsert",
                    what,
                    f"DataFrame.to_sql({method}) + INSERT ... ON CONFLICT",
                    Cost.of(found["ours"]),
                    Cost.of(found[method], corpus.rows / sample),
                    goal,
                    ([scaled] if sample < corpus.rows else [])
                    + ([f"{note}; {done}"] if goal else []),
                )
            )
    lines.append(_beside_copy(bench, lines[0].what))
    return lines


def _beside_copy(bench: Workbench, what: str) -> Comparison:
    """Ours against what no way to load the rows can be faster than, in one process."""

    def into_empty_tables(way: Callable[..., object]) -> Measurement:
        with bench.empty_database() as url:
            return measure(way, url, bench.corpus)

    ours, copy = interleave(
        bench.sizes.load_repeats,
        {way.__name__: partial(into_empty_tables, way) for way in (load_corpus, copy_corpus)},
    ).values()
    if ours.result != (copy.result, 0):
        raise RuntimeError(f"not the same rows: {ours.result}, {copy.result}")
    took, least = (median(lap.seconds for lap in found.laps) for found in (ours, copy))
    return Comparison(
        "upsert",
        what,
        "COPY ... FROM STDIN of the same rows, as CSV that was there before",
        Cost.of(ours),
        Cost.of(copy),
        Goal(1 / AS_LONG_AS_COPY),
        [
            "baseline: the least that a load costs, into the same tables with their indexes and"
            " constraints, a transaction a year as ours; nothing is compared, nothing is written as"
            f" CSV. Medians of {len(ours.laps)}: {least:.1f} s and ours {took:.1f} s,"
            f" {took / least:.2f} times as long (asked for: at most {AS_LONG_AS_COPY})"
        ],
    )


def _faster_of(bench: Workbench, *methods: str) -> str:
    """Tried on few rows; a fair comparison is with the better of what pandas offers."""
    with bench.empty_database() as url:
        found = interleave(
            bench.sizes.repeats,
            {
                method: lambda method=method: measure(  # type: ignore[misc]
                    load_frames, url, bench.corpus, method, bench.sizes.probe
                )
                for method in methods
            },
        )
    return min(found, key=lambda method: found[method].seconds)
