"""Commands about versions of the model."""

import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import typer

from soccer_assets.cli.app import WrongUse, app, console
from soccer_assets.cli.arguments import Number
from soccer_assets.settings import get_settings, project_folder

if TYPE_CHECKING:
    import pandas as pd


@app.command("rebuild-model")
def rebuild_model(
    version: Number,
) -> None:
    """Train a version again from the data, the parameters and the seed that it was made of.

    Its predictions are compared to the bit. If they differ, the reason is told and the command fails.
    Nothing is registered, and what serves stays as it is.
    """
    from soccer_assets.dvc import outs
    from soccer_assets.dvc.command import DvcError
    from soccer_assets.modelling import rebuild
    from soccer_assets.modelling.mlflow_service import Unusable
    from soccer_assets.process import end_soon_when_asked
    from soccer_assets.resources import make_resources

    end_soon_when_asked()
    resources = make_resources(get_settings())

    def data(revision: str) -> "tuple[pd.DataFrame, Sequence[str]]":
        try:
            made = resources["dvc"].at(revision)
            return made.frame(outs.DATASET), made.document(outs.FEATURES_META)["features"]
        except DvcError as error:
            raise Unusable(f"what version {version} was trained on is gone: {error}") from error

    rebuilt = rebuild.rebuild_model(resources["registry"].registry, version, data, _progress)
    console.print(rebuilt.summary(), highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(0 if rebuilt.same else 1)


@app.command(
    "benchmark-model", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def benchmark_model(context: typer.Context) -> None:
    """Score the recipe on real matches that it has not seen, against the market and other recipes.

    Only in a checkout, with the files of real matches in the folder SOCCER_REAL_DATA. The figures go to
    benchmarks/model.json and model.md. Options are handed on: see `python -m benchmarks.model --help`.
    """
    _run_benchmark("model", context.args)


@app.command(
    "benchmark-monitoring",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def benchmark_monitoring(context: typer.Context) -> None:
    """Measure what the watch over the champion costs in false alarms, and how soon it sees faults.

    Only in a checkout, with the files of real matches in the folder SOCCER_REAL_DATA. The figures go to
    benchmarks/monitoring.json and monitoring.md. Options are handed on: see
    `python -m benchmarks.monitoring --help`.
    """
    _run_benchmark("monitoring", context.args)


def _run_benchmark(name: str, arguments: Sequence[str]) -> NoReturn:
    folder = project_folder()
    if not (folder / "benchmarks" / f"{name}.py").is_file():
        raise WrongUse(f"{folder} has no benchmarks/{name}.py: this command is for a checkout")
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    raise typer.Exit(subprocess.run(command, cwd=folder).returncode)


def _progress(line: str) -> None:
    console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)
