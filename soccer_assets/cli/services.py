"""Commands that serve until they are ended, and one that prepares what they need."""

import errno
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from soccer_assets.cli.app import WrongUse, app, console
from soccer_assets.cli.arguments import DAY, DateFormat, replayed
from soccer_assets.clock import stamped_now
from soccer_assets.settings import DEFAULT_PORT, Settings, get_settings, revealed

#: In botocore's words, of a bucket that is looked for while others wait for the answer: half a minute.
OF_MIGRATIONS = {
    "connect_timeout": 10,
    "read_timeout": 10,
    "retries": {"total_max_attempts": 3, "mode": "standard"},
}

Port = typer.Option(help="The port to listen on.", min=1, max=65535)


@app.command()
def feed(
    file: Annotated[
        Path | None,
        typer.Option(
            help="Replay this results file instead of the simulator.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ] = None,
    as_of: Annotated[
        datetime | None, typer.Option(help="Freeze the feed at this day (UTC).", formats=DAY)
    ] = None,
    host: str = "127.0.0.1",
    port: Annotated[int, Port] = 8800,
    date_format: DateFormat = None,
) -> None:
    """Serve the livescores feed, simulated or replayed."""
    from soccer_assets.simulator.leagues import LeagueSimulator
    from soccer_assets.simulator.server import FeedServer

    _bound(host, port).close()
    settings = get_settings()
    backend = replayed(file, date_format) if file else LeagueSimulator(seed=settings.simulator_seed)
    moment = as_of.replace(tzinfo=UTC) if as_of else None
    token = settings.livescores_token
    server = FeedServer(
        backend,
        host=host,
        port=port,
        clock=lambda: moment or stamped_now(),
        token=token.get_secret_value() if token else None,
    )
    with server:
        console.print(f"The feed is at {server.url} (Ctrl-C ends it)", highlight=False)
        threading.Event().wait()


@app.command()
def serve(
    host: str = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="The port to listen on; 0: any free one.", min=0, max=65535)
    ] = DEFAULT_PORT,
) -> None:
    """Run one prediction worker."""
    from soccer_assets.params import read_params
    from soccer_assets.serving.server import run, url_of
    from soccer_assets.warehouse.connection import database_url

    settings = get_settings()
    token, params = settings.reload_token, read_params(settings.params_file).serving
    with _bound(host, port, lambda: _serves_there(host, port, token)) as listener:
        url = database_url(settings)
        _prepare(settings, url)
        console.print(
            f"Predictions at {url_of(host, listener)}/predictions, API at /docs", highlight=False
        )
        run(
            url,
            host,
            port,
            token,
            params=params,
            listener=listener,
            state=settings.serving_folder,
            broker=(
                revealed(settings.soccer_celery_broker)
                if settings.serving_reload == "celery"
                else None
            ),
        )


@app.command()
def migrate() -> None:
    """Make what all processes need, or bring it up to date: tables, Dagster's too, and the bucket.

    Whoever starts first does as much by itself; a new release of Dagster is taken over only here.
    """
    from soccer_assets.runner import open_instance
    from soccer_assets.storage.opening import open_lake
    from soccer_assets.warehouse.connection import get_engine

    settings = get_settings()
    get_engine(settings)
    console.print("The warehouse's tables are up to date", highlight=False)
    with open_instance() as instance:
        instance.upgrade()
    console.print("Dagster's tables are up to date", highlight=False)
    open_lake(settings.lake, settings.s3_endpoint_url, settings.aws_region, **OF_MIGRATIONS)
    console.print("The lake can be used", highlight=False)


def _prepare(settings: Settings, url: str) -> None:
    """The tables; a worker that has something to start from does without a database that is away."""
    from sqlalchemy.exc import OperationalError

    from soccer_assets.serving.kept import KeptSnapshot, database_name
    from soccer_assets.warehouse.connection import get_engine

    try:
        get_engine(settings)
    except OperationalError:
        if KeptSnapshot(settings.serving_folder, database_name(url)).recall() is None:
            raise


def _bound(host: str, port: int, taken_by: Callable[[], str] = lambda: "") -> socket.socket:
    """A socket that is bound, and does not listen yet; ``taken_by`` says who holds the port."""
    if not host:
        raise WrongUse("--host is empty: 127.0.0.1 is this machine alone, 0.0.0.0 every network")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise WrongUse(f"--host {host}: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        holder = taken_by() if error.errno == errno.EADDRINUSE else ""
        raise WrongUse(
            f"port {port} of {host} cannot be had: {error.strerror}{holder}; --port takes another"
        ) from None
    return listener


def _serves_there(host: str, port: int, token: str) -> str:
    """What worker, if it is one, answers on a port."""
    from soccer_assets.serving.client import WorkerClient, WorkerError, stranger

    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    with WorkerClient(url, token, timeout=5) as client:
        try:
            client.ready()
        except WorkerError:
            return ""
        return " by another home's worker" if stranger(client) else " by this home's worker"
