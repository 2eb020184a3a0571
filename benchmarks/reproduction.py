"""The whole DVC pipeline over a lake of all matches, after a new day and from nothing."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks.corpus import Corpus
from benchmarks.database import connect
from benchmarks.history import Finished
from benchmarks.measure import Measurement, Stopwatch, in_child, measure, spent_by_children
from benchmarks.report import Comparison, Cost
from benchmarks.workbench import Workbench
from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.lake.export import export_months
from soccer_assets.lake.manifest import read_manifest
from soccer_assets.settings import DEFAULT_PARAMS
from soccer_assets.storage.store import LocalStore
from soccer_assets.warehouse.load import load_days


def fill(url: str, lake: Path, corpus: Corpus, until: date, but: Sequence[date]) -> None:
    """Days to ``until``, but for some."""
    engine = connect(url)
    for days in corpus.years():
        load_days(engine, [one for one in days if one.day <= until and one.day not in but])
    export_months(engine, LocalStore(lake))


def add(url: str, lake: Path, corpus: Corpus, day: date) -> int:
    """How many matches there are then."""
    engine = connect(url)
    for days in corpus.years():
        load_days(engine, [one for one in days if one.day == day])
    return export_months(engine, LocalStore(lake)).manifest.rows("match")


def reproduce(stopwatch: Stopwatch, lake: Path, folder: Path) -> tuple[float, float]:
    """CPU seconds of DVC and the stages, and the memory of the largest process."""
    workspace = DvcWorkspace(
        folder / "workspace",
        str(folder / "remote"),
        DEFAULT_PARAMS,
        environment={"LAKE_URI": str(lake)},
    )
    manifest = read_manifest(LocalStore(lake))
    with stopwatch, workspace.alone():
        workspace.prepare(manifest.to_bytes())
        for _ in workspace.reproduce([], push=True):
            pass
        workspace.save_point("benchmark")
    return spent_by_children()


def compare(bench: Workbench, history: Finished) -> Comparison:
    """Both ways are the platform's: there is no plainer one that gives the same files."""
    lake, folder = bench.folder / "lake", bench.folder / "dvc"
    rows, later = 0, []
    with bench.empty_database() as url:
        in_child(fill, url, lake, bench.corpus, history.until, history.new_days)
        first = measure(reproduce, lake, folder)
        for day in history.new_days:
            rows = in_child(add, url, lake, bench.corpus, day)
            later.append(measure(reproduce, lake, folder))
    return Comparison(
        "features",
        f"DVC pipeline after a new day, {rows:,} matches in the lake",
        "the same from an empty workspace",
        _cost(later),
        _cost([first]),
        notes=[
            "four stages from the lake to the dataset, and the push to a folder; without statistics;"
            f" best of {len(later)} days; the peak is that of the largest process"
        ],
    )


def _cost(measured: Sequence[Measurement]) -> Cost:
    best = min(measured, key=lambda one: one.seconds)
    peak = max(one.result[1] for one in measured)
    return Cost(best.seconds, best.best.cpu_seconds + best.result[0], peak, len(measured))
