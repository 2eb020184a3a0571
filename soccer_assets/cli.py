"""``soccer``: the demo, the replay of real results, the feed server and the prediction service."""

import os
import sys
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
    from soccer_assets.runner import JobFailed

    try:
        run_loop(since, console)
    except JobFailed as error:
        console.print(f"\n[bold red]failed[/bold red] {error}", highlight=False)
        sys.exit(1)
    print_scorecard(console)
    print_coming_matches(console)


def _home() -> Path:
    from soccer_assets.settings import get_settings

    return get_settings().soccer_home


def _forget_settings() -> None:
    from soccer_assets.settings import get_settings

    get_settings.cache_clear()


if __name__ == "__main__":
    app()
