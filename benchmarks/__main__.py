"""``python -m benchmarks``: measure, print the report, and keep it."""

import atexit
import shutil
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated

import typer

from benchmarks import (
    backfill,
    backfill_celery,
    export,
    features,
    hourly,
    machine,
    parse,
    planning,
    scoring_loop,
    serving,
    upsert,
    years,
)
from benchmarks.database import server_version
from benchmarks.report import Comparison, as_json, from_json, markdown, times
from benchmarks.source import find_source
from benchmarks.workbench import FULL, QUICK, Workbench
from soccer_assets.clock import utc_now
from soccer_assets.warehouse.embedded import start_embedded_postgres


class Benchmark(StrEnum):
    """In the order they run: the first one fills the database that others read."""

    UPSERT = "upsert"
    EXPORT = "export"
    HOURLY = "hourly"
    PARSE = "parse"
    BACKFILL = "backfill"
    PLANNING = "planning"
    FEATURES = "features"
    SERVING = "serving"
    YEARS = "years"
    SCORING_LOOP = "scoring-loop"
    SCORING_LOOP_CELERY = "scoring-loop-celery"
    BACKFILL_CELERY = "backfill-celery"


RUN: dict[Benchmark, Callable[[Workbench], list[Comparison]]] = {
    Benchmark.UPSERT: upsert.run,
    Benchmark.EXPORT: export.run,
    Benchmark.HOURLY: hourly.run,
    Benchmark.PARSE: parse.run,
    Benchmark.BACKFILL: backfill.run,
    Benchmark.PLANNING: planning.run,
    Benchmark.FEATURES: features.run,
    Benchmark.SERVING: serving.run,
    Benchmark.YEARS: years.run,
    Benchmark.SCORING_LOOP: scoring_loop.run,
    Benchmark.SCORING_LOOP_CELERY: scoring_loop.run_on_celery,
    Benchmark.BACKFILL_CELERY: backfill_celery.run,
}


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    benchmarks: Annotated[
        list[Benchmark] | None, typer.Argument(help="Which to run; all by default.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes: do they run? The ratios mean little.")
    ] = False,
    rows: Annotated[int | None, typer.Option(help="Matches, at most.", min=1000)] = None,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Renew these in the kept report; the others stay in it."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for results.md and results.json; default: benchmarks/, or none."),
    ] = None,
) -> None:
    """Measure what the platform costs against plain ways to do the same."""
    sizes = QUICK if quick else FULL
    if rows:
        sizes = replace(sizes, rows=rows)
    whole = not (benchmarks or quick or rows)
    if keep and (quick or rows):
        raise typer.BadParameter("small sizes are not kept beside full ones", param_hint="--keep")
    folder = output or (Path(__file__).parent if whole or keep else None)
    started = time.monotonic()
    comparisons: list[Comparison] = []
    work = _work_folder()
    with ExitStack() as stack:
        server_url = start_embedded_postgres(work / "postgres")
        here = machine.describe(server_version(server_url))
        source = find_source(sizes.rows)
        bench = Workbench(work, server_url, source, sizes, stack)
        typer.echo(f"{source}\n", err=True)
        for name in [b for b in Benchmark if not benchmarks or b in benchmarks]:
            typer.echo(f"{time.monotonic() - started:6.0f} s  {name} ...", err=True)
            for measured in RUN[name](bench):
                line = replace(measured, measured=f"{utc_now():%Y-%m-%d}")
                comparisons.append(line)
                typer.echo(f"          {line.what}: {times(line.ratio)} {line.baseline}", err=True)
    elapsed = time.monotonic() - started
    measured_now = {line.benchmark for line in comparisons}
    before = earlier(folder, measured_now) if folder and keep else []
    order = list(Benchmark)
    comparisons = sorted(before + comparisons, key=lambda line: order.index(line.benchmark))
    page = markdown(comparisons, here, str(source), elapsed)
    typer.echo(page)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.md").write_text(page)
        (folder / "results.json").write_bytes(as_json(comparisons, here, str(source), elapsed))


def earlier(folder: Path, measured: Collection[str]) -> list[Comparison]:
    """What the kept report has of benchmarks that were not measured now, be it that they were left out
    for want of something on this machine."""
    kept = folder / "results.json"
    lines = from_json(kept.read_bytes()) if kept.exists() else []
    return [
        line
        for line in lines
        if line.benchmark in list(Benchmark) and line.benchmark not in measured
    ]


def _work_folder() -> Path:
    """A folder that goes when this process does: after the server in it, which also stops then,
    for the last that is registered is the first to run."""
    folder = mkdtemp(prefix="soccer-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


if __name__ == "__main__":
    app()
