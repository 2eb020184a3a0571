"""``soccer``: the demo, replays, backfills, the feed server and the prediction service."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
#: Wide enough for the tables when the output is a file.
console = Console(width=None if sys.stdout.isatty() else 120)

_DAY = ["%Y-%m-%d"]


@app.command()
def demo(
    days: Annotated[int, typer.Option(help="Days of history to fill.", min=90)] = 730,
) -> None:
    """Run the whole loop on the configured feed (the simulator, unless LIVESCORES_URL is set)."""
    from soccer_assets.clock import utc_now

    _run(utc_now().date() - timedelta(days=days))
    console.print(
        "\nOpen the UI:       [bold].venv/bin/dagster dev[/bold]  ->  http://127.0.0.1:3000"
    )
    console.print("Serve predictions: [bold].venv/bin/soccer serve[/bold]")


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="Results, parquet or CSV.", exists=True)],
    as_of: Annotated[
        datetime, typer.Option(help="Replay as if this were now (UTC).", formats=_DAY)
    ],
    since: Annotated[datetime, typer.Option(help="First day of history.", formats=_DAY)],
) -> None:
    """Play a file of real results through the feed server into the same graph, as of a moment.

    Matches after the moment come as fixtures without a score. The state is kept apart from the
    demo's, in .soccer/replay unless SOCCER_HOME says otherwise.
    """
    from soccer_assets.livescores.replay import ReplayBackend
    from soccer_assets.livescores.server import FeedServer

    moment = as_of.replace(tzinfo=UTC)
    os.environ["SOCCER_AS_OF"] = moment.isoformat()
    os.environ.setdefault("SOCCER_HOME", str(_home() / "replay"))
    console.print(f"Loading {file}", highlight=False)
    with FeedServer(ReplayBackend(file), clock=lambda: moment) as server:
        os.environ["LIVESCORES_URL"] = server.url
        _forget_settings()
        _run(since.date())


@app.command()
def backfill(
    since: Annotated[datetime, typer.Option(help="First day.", formats=_DAY)],
    until: Annotated[
        datetime | None, typer.Option(help="Last day; default: today.", formats=_DAY)
    ] = None,
    batch_days: Annotated[int, typer.Option(help="Days a transaction.", min=1)] = 31,
    concurrency: Annotated[int, typer.Option(help="Days asked for at once.", min=1)] = 4,
    again: Annotated[
        bool, typer.Option("--again", help="Ask for days that are loaded and settled, too.")
    ] = False,
) -> None:
    """Bring a range of days of the feed into the warehouse, and their months into the lake.

    Ended early, it goes on where it was when it is started again. A day that fails is named at the
    end and does not keep the others out.
    """
    from soccer_assets.clock import utc_now
    from soccer_assets.runner import run_job

    first, last = since.date(), until.date() if until else utc_now().date()
    if first > last:
        raise typer.BadParameter(f"{first} is after {last}", param_hint="--since")
    config = {"resume": not again, "batch_days": batch_days, "concurrency": concurrency}
    with _failures_told():
        try:
            run_job(
                "ingest",
                _progress,
                partitions=(str(first), str(last)),
                config={"ingest_days": {"config": config}},
            )
        finally:  # what went well is worth having in the lake
            months = (f"{first:%Y-%m}-01", f"{last:%Y-%m}-01")
            run_job("export", _progress, partitions=months)


@app.command()
def rebuild() -> None:
    """Make the warehouse again from the archive alone, without asking the source."""
    from soccer_assets.automation.partitions import daily
    from soccer_assets.runner import run_job

    any_day = daily.get_partition_keys()[-1]  # all days are rebuilt
    with _failures_told():
        run_job(
            "rebuild",
            _progress,
            partitions=(any_day, any_day),
            config={"ingest_days": {"config": {"rebuild": True}}},
        )


@app.command()
def feed(
    file: Annotated[
        Path | None, typer.Option(help="Replay this results file instead of the simulator.")
    ] = None,
    as_of: Annotated[
        datetime | None, typer.Option(help="Freeze the feed at this day (UTC).", formats=_DAY)
    ] = None,
    host: str = "127.0.0.1",
    port: int = 8800,
) -> None:
    """Serve the livescores feed, simulated or replayed."""
    from soccer_assets.livescores.replay import ReplayBackend
    from soccer_assets.livescores.server import serve_forever
    from soccer_assets.livescores.simulation import LeagueSimulator
    from soccer_assets.settings import get_settings

    settings = get_settings()
    backend = ReplayBackend(file) if file else LeagueSimulator(seed=settings.simulator_seed)
    moment = as_of.replace(tzinfo=UTC) if as_of else None
    token = settings.livescores_token
    console.print(f"The feed is at http://{host}:{port} (Ctrl-C ends it)", highlight=False)
    serve_forever(
        backend,
        host,
        port,
        clock=lambda: moment or datetime.now(UTC),
        token=token.get_secret_value() if token else None,
    )


@app.command()
def serve(
    host: str = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Default: 8008.")] = None,
) -> None:
    """Run one prediction worker."""
    from soccer_assets.serving.server import run
    from soccer_assets.settings import DEFAULT_PORT, get_settings
    from soccer_assets.warehouse.connection import database_url, get_engine

    port = port or DEFAULT_PORT
    get_engine()
    console.print(f"Predictions at http://{host}:{port}/predictions, API at /docs", highlight=False)
    run(database_url(), host, port, get_settings().reload_token)


def _run(since: date) -> None:
    from soccer_assets.demo import print_coming_matches, print_scorecard, run_loop

    with _failures_told():
        run_loop(since, console)
    print_scorecard(console)
    print_coming_matches(console)


def _progress(line: str) -> None:
    console.print(line, style="dim", highlight=False, markup=False)


@contextmanager
def _failures_told() -> Iterator[None]:
    """A job that fails ends the command with its reasons, not with a stack."""
    from soccer_assets.runner import JobFailed

    try:
        yield
    except JobFailed as error:
        console.print("\nfailed", style="bold red", end=" ")
        console.print(str(error), highlight=False, markup=False)
        sys.exit(1)


def _home() -> Path:
    from soccer_assets.settings import get_settings

    return get_settings().soccer_home


def _forget_settings() -> None:
    from soccer_assets.settings import get_settings

    get_settings.cache_clear()


if __name__ == "__main__":
    app()
