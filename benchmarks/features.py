"""Features: of all matches, after a new day, and as the pipeline makes them."""

from collections import defaultdict, deque
from contextlib import redirect_stdout
from datetime import date
from io import StringIO
from pathlib import Path
from shutil import rmtree

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks import reproduction
from benchmarks.history import Finished, make_finished
from benchmarks.measure import Stopwatch, in_child, interleave, measure
from benchmarks.report import Comparison, Cost, Goal
from benchmarks.workbench import Workbench
from soccer_assets.dvc.stages.features import History, refresh
from soccer_assets.dvc.stages.months import MonthFolder, as_table
from soccer_assets.features.build import (
    MATCH_COLUMNS,
    SIDES,
    build_features,
    feature_names,
    result_columns,
)
from soccer_assets.features.log import STATISTICS
from soccer_assets.features.params import FeatureParams
from soccer_assets.params import read_params
from soccer_assets.settings import DEFAULT_PARAMS
from soccer_assets_tests.features.matches import START, Row
from soccer_assets_tests.features.plain import systems

LAPS = 3
#: Compiled code is loaded by then, or, the first time on a machine, made.
WARMING = 1_000
#: What one precision and the order of sums leave.
TOLERANCE = 1e-5


def build_all(stopwatch: Stopwatch, file: Path) -> int:
    """How many features there are."""
    params = _params()
    finished = _read(file, params)
    build_features(finished.head(WARMING), finished.iloc[:0], params)
    with stopwatch:
        built = build_features(finished, finished.iloc[:0], params)
    return len(feature_names(built))


def walk_plainly(stopwatch: Stopwatch, file: Path, rows: int) -> int:
    """The newest matches alone; raises ``AssertionError`` if their features are not ours."""
    params = _params()
    sample = _read(file, params).tail(rows).reset_index(drop=True)
    with stopwatch:
        theirs = plain_features(sample, params)
    ours = build_features(sample, sample.iloc[:0], params)
    names = feature_names(ours)
    np.testing.assert_allclose(theirs[names], ours[names], TOLERANCE, TOLERANCE)
    return len(sample)


def plain_features(matches: pd.DataFrame, params: FeatureParams) -> pd.DataFrame:
    """One loop through time over all systems, each with dictionaries.

    Args:
        matches: finished, in order of kick-off.
    """
    all_systems = systems(params)
    delay = params.result_delay_minutes * 60
    columns, unknown = defaultdict[str, list[float]](list), deque[Row]()
    for row in _rows(matches):
        while unknown and unknown[0].seconds + delay <= row.seconds:
            result = unknown.popleft()
            for system in all_systems:
                system.learn(result)
        unknown.append(row)
        for system in all_systems:
            for name, value in system.read(row).items():
                columns[name].append(value)
    flags = {"women": matches["sex"], "neutral_ground": matches["is_neutral"].fillna(0)}
    return pd.DataFrame(columns).assign(**flags).astype(np.float32)


def make_anew(stopwatch: Stopwatch, finished: Path, outs: Path) -> None:
    """What the stage makes of everything."""
    rmtree(outs, ignore_errors=True)
    matches = MonthFolder(finished)
    some = matches.read(matches.months()[-1]).to_pandas().head(WARMING)
    build_features(some, some.iloc[:0], _params())
    with stopwatch:
        _refresh(finished, outs)


def add_a_day(stopwatch: Stopwatch, finished: Path, outs: Path, day: date) -> int:
    """What the stage makes anew when all but a day was there; how many matches the day has.

    Raises:
        RuntimeError: a month's features are not those that were made of everything.
    """
    of_everything = _digests(outs)
    month = f"{day:%Y-%m}"
    whole = MonthFolder(finished).read(month)
    is_new = whole.to_pandas()["kickoff"].dt.date == day
    without = whole.filter(~is_new.to_numpy())
    for _ in range(LAPS):
        _put(finished, {month: without})
        _refresh(finished, outs)
        _put(finished, {month: whole})
        with stopwatch:
            _refresh(finished, outs)
    if _digests(outs) != of_everything:
        raise RuntimeError("not what was made of everything")
    return int(is_new.sum())


def write_months(file: Path, until: date, folder: Path) -> None:
    """The matches up to a day, as the stages before leave them."""
    matches = _read(file, _params())
    kickoffs = matches["kickoff"].dt.tz_localize(None)
    matches = matches[kickoffs.dt.date <= until]
    months = matches.groupby(kickoffs.dt.strftime("%Y-%m"))
    _put(folder, {str(month): as_table(part) for month, part in months})


def run(bench: Workbench) -> list[Comparison]:
    history = in_child(make_finished, bench.source, bench.corpus, bench.folder / "finished.parquet")
    return [
        _from_nothing(bench, history),
        _new_day(bench, history),
        reproduction.compare(bench, history),
    ]


def _from_nothing(bench: Workbench, history: Finished) -> Comparison:
    found = interleave(
        bench.sizes.repeats,
        {
            "ours": lambda: measure(build_all, history.file),
            "baseline": lambda: measure(
                walk_plainly, history.file, bench.sizes.plain_features_sample
            ),
        },
    )
    ours, theirs = found["ours"], found["baseline"]
    return Comparison(
        "features",
        f"all {ours.result} features of {history.rows:,} matches",
        "the same columns by plain Python: one loop through time, dictionaries",
        Cost.of(ours),
        Cost.of(theirs, history.rows / theirs.result),
        Goal(15, peak_mb=3000),
        [
            f"matches: {history.what}",
            "baseline: the definitions that tests check ours against, written to be read",
            f"baseline: the newest {theirs.result:,} matches alone, the time scaled linearly to"
            f" {history.rows:,}, the peak not; its columns are ours within {TOLERANCE:g}",
        ],
    )


def _new_day(bench: Workbench, history: Finished) -> Comparison:
    finished, outs = bench.folder / "finished", bench.folder / "features"
    day = history.new_days[0]
    in_child(write_months, history.file, history.until, finished)
    anew = measure(make_anew, finished, outs)
    ours = measure(add_a_day, finished, outs, day)
    return Comparison(
        "features",
        f"features after a new day ({ours.result:,} matches), beside those of all before",
        "the same files made again from all matches",
        Cost.of(ours),
        Cost.of(anew),
        Goal(33),
        [
            f"{day}, of the busiest of the latest months, all of which is made anew; both ways:"
            f" files to files, equal bytes; ours: best of {LAPS}"
        ],
    )


def _put(folder: Path, months: dict[str, pa.Table]) -> None:
    matches = MonthFolder(folder)
    for month, table in months.items():
        matches.write(month, table, made_of="")
    with redirect_stdout(StringIO()):
        matches.finish(matches.months())


def _refresh(finished: Path, outs: Path) -> None:
    with redirect_stdout(StringIO()):
        refresh(
            History(MonthFolder(finished), MonthFolder(outs / "fixtures"), "recipe"),
            MonthFolder(outs / "features"),
            MonthFolder(outs / "states"),
            _params(),
        )


def _digests(outs: Path) -> dict[str, str]:
    return {month: file.sha256 for month, file in MonthFolder(outs / "features").files.items()}


def _params() -> FeatureParams:
    return read_params(DEFAULT_PARAMS).features


def _read(file: Path, params: FeatureParams) -> pd.DataFrame:
    return pd.read_parquet(file, columns=[*MATCH_COLUMNS, *result_columns(params)])


def _rows(matches: pd.DataFrame) -> list[Row]:
    seconds = (matches["kickoff"] - START) // pd.Timedelta(seconds=1)
    names = [f"{side}_{name}" for name in STATISTICS for side in SIDES]
    counts = matches[names].to_numpy(np.float64).reshape(-1, len(STATISTICS), len(SIDES))
    is_told = ~np.isnan(counts).any(axis=(1, 2))
    return [
        Row(match_id, at, kind, home, away, (for_home, for_away), season, bool(neutral == 1), told)
        for match_id, at, kind, home, away, for_home, for_away, season, neutral, told in zip(
            matches["match_id"].tolist(),
            seconds.tolist(),
            matches["tournament_id"].tolist(),
            matches["home_team_id"].tolist(),
            matches["away_team_id"].tolist(),
            matches["home_score"].tolist(),
            matches["away_score"].tolist(),
            matches["season_id"].tolist(),
            matches["is_neutral"].tolist(),
            [
                tuple(map(tuple, of)) if whole else None
                for of, whole in zip(counts.tolist(), is_told.tolist(), strict=True)
            ],
            strict=True,
        )
    ]
