"""``soccer``: the demo, replays, backfills, the feed server and the prediction service."""

import errno
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core
from rich.console import Console

from soccer_assets.settings import DEFAULT_PORT, SettingsError, get_settings, name_of_file

if TYPE_CHECKING:
    from soccer_assets.sources.replay import ReplayBackend

#: Wide enough for the tables when the output is a file.
console = Console(width=None if sys.stdout.isatty() else 120)

#: What typer raises for arguments that cannot be; it does not export the name.
UsageError: Any = typer.BadParameter.__mro__[1]


class WrongUse(Exception):
    """The command cannot do what it was asked to; says in one line why, and what to do."""


class Commands(typer.core.TyperGroup):
    """Commands that end in one line when they fail for a reason that is known."""

    def main(self, *args: Any, **extra: Any) -> Any:
        try:
            code = super().main(*args, **extra | {"prog_name": "soccer", "standalone_mode": False})
        except UsageError as error:
            path = error.ctx.command_path if error.ctx else "soccer"
            _complain(f"{path}: {error.format_message()} ({path} --help says what it takes)")
            sys.exit(2)
        except typer.Abort:
            _complain(
                "soccer: ended early; what was loaded is kept, the same command goes on there"
            )
            sys.exit(128 + signal.SIGINT)
        except Exception as error:
            reason = _reason(error)
            if reason is None:
                raise
            _complain(f"soccer: {reason}")
            sys.exit(1)
        sys.exit(code if isinstance(code, int) else 0)


def _complain(line: str) -> None:
    from soccer_assets.text import terminal

    print(terminal(line), file=sys.stderr)


def _reason(error: Exception) -> str | None:
    """What to tell instead of the stack; None for what nobody foresaw."""
    from sqlalchemy.exc import OperationalError

    from soccer_assets.ingestion.provenance import OtherSource
    from soccer_assets.modelling.mlflow_service import MlflowUnavailable, Unusable
    from soccer_assets.runner import JobFailed
    from soccer_assets.storage.store import StoreUnavailable

    outside = SettingsError | StoreUnavailable | MlflowUnavailable
    if isinstance(error, outside | WrongUse | JobFailed | OtherSource | Unusable):
        return str(error)
    if isinstance(error, OperationalError):
        answer = str(error.orig).strip().splitlines()[0]
        return f"PostgreSQL does not answer: {answer} (POSTGRES_URL says where it is)"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return None


app = typer.Typer(cls=Commands, add_completion=False, pretty_exceptions_enable=False)

_DAY = ["%Y-%m-%d"]
_File = Annotated[
    Path,
    typer.Argument(help="Results, parquet or CSV.", exists=True, dir_okay=False, readable=True),
]
_DateFormat = Annotated[
    str | None,
    typer.Option(help="How the file writes dates, such as %d/%m/%Y; default: YYYY-MM-DD."),
]
_Port = typer.Option(help="The port to listen on.", min=1, max=65535)


@app.callback(invoke_without_command=True)
def soccer(context: typer.Context) -> None:
    """From scraped livescores to served 1X2 predictions."""
    if context.invoked_subcommand is None:
        console.print(context.get_help(), markup=False, highlight=False)


@app.command()
def demo(
    days: Annotated[int, typer.Option(help="Days of history to fill.", min=90, max=36_500)] = 730,
) -> None:
    """Run the whole loop on the configured feed (the simulator, unless LIVESCORES_URL is set)."""
    from soccer_assets.clock import utc_now

    today = utc_now().date()
    since = today - timedelta(days=days)
    _check_days(since, today, f"--days {days}: its first day", "SOCCER_AS_OF")
    _run(since)
    console.print(f"\nAll of it is in {get_settings().home}", highlight=False, markup=False)
    ui, worker = "http://127.0.0.1:3000", f"http://127.0.0.1:{DEFAULT_PORT}/docs"
    for purpose, command, url in (
        ("Open the UI:      ", "dagster dev", ui),
        ("Serve predictions:", "soccer serve", worker),
    ):
        line = f"{purpose} {_typed(command)}  ->  {url}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)


@app.command()
def replay(
    file: _File,
    as_of: Annotated[
        datetime, typer.Option(help="Replay as if this were now (UTC).", formats=_DAY)
    ],
    since: Annotated[datetime, typer.Option(help="First day of history.", formats=_DAY)],
    date_format: _DateFormat = None,
) -> None:
    """Play a file of real results through the feed server into the same graph, as of a moment.

    Matches after the moment come as fixtures without a score. The state is kept apart from the
    demo's, in .soccer/replay unless SOCCER_HOME says otherwise.
    """
    from soccer_assets.simulator.server import FeedServer

    moment = as_of.replace(tzinfo=UTC)
    home = get_settings().soccer_home
    os.environ["SOCCER_AS_OF"] = moment.isoformat()
    os.environ["LIVESCORES_SOURCE"] = "feed"
    # A name for the file, unless one is given; the state apart, unless a place is.
    given = {"SOCCER_HOME": str(home / "replay"), "LIVESCORES_NAME": name_of_file(file)}
    os.environ |= {name: value for name, value in given.items() if not os.environ.get(name)}
    _check_days(since.date(), moment.date(), "--since", "--as-of")
    console.print(f"Loading {file}", highlight=False, markup=False)
    backend = _replayed(file, date_format)
    first, last = backend.days
    if first > moment.date() or last < since.date():
        raise WrongUse(f"{file} has matches of {first} to {last}, none from --since to --as-of")
    with FeedServer(backend, clock=lambda: moment) as server:
        os.environ["LIVESCORES_URL"] = server.url
        _run(since.date())


@app.command()
def backfill(
    since: Annotated[datetime, typer.Option(help="First day.", formats=_DAY)],
    until: Annotated[
        datetime | None, typer.Option(help="Last day; default: today.", formats=_DAY)
    ] = None,
    batch_days: Annotated[int, typer.Option(help="Days a transaction.", min=1, max=10_000)] = 31,
    concurrency: Annotated[int, typer.Option(help="Days asked for at once.", min=1, max=64)] = 4,
    again: Annotated[
        bool, typer.Option("--again", help="Ask for days that are loaded and settled, too.")
    ] = False,
) -> None:
    """Bring a range of days of the feed into the warehouse, and their months into the lake.

    Ended early, it goes on where it was when it is started again. A day that fails is named at the
    end and does not keep the others out.
    """
    from soccer_assets.clock import utc_now
    from soccer_assets.process import end_soon_when_asked
    from soccer_assets.runner import JobFailed, run_job

    end_soon_when_asked()
    first, last = since.date(), until.date() if until else utc_now().date()
    _check_days(first, last, "--since", "--until")
    _check_surroundings()
    _check_source()
    config = {"resume": not again, "batch_days": batch_days, "concurrency": concurrency}
    days = (str(first), str(last))
    months = (f"{first:%Y-%m}-01", f"{last:%Y-%m}-01")
    failures = []
    try:
        run_job("ingest", _progress, partitions=days, config={"ingest_days": {"config": config}})
    except JobFailed as failure:  # what went well is worth having in the lake
        failures.append(str(failure))
    try:
        run_job("export", _progress, partitions=months)
    except JobFailed as failure:
        failures.append(str(failure))
    if failures:
        raise JobFailed("\n".join(failures))


@app.command()
def rebuild() -> None:
    """Make the warehouse again from the archive alone, without asking the source."""
    from soccer_assets.process import end_soon_when_asked
    from soccer_assets.runner import run_job

    end_soon_when_asked()
    _check_surroundings()
    run_job("rebuild", _progress)


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
        datetime | None, typer.Option(help="Freeze the feed at this day (UTC).", formats=_DAY)
    ] = None,
    host: str = "127.0.0.1",
    port: Annotated[int, _Port] = 8800,
    date_format: _DateFormat = None,
) -> None:
    """Serve the livescores feed, simulated or replayed."""
    from soccer_assets.simulator.leagues import LeagueSimulator
    from soccer_assets.simulator.server import FeedServer

    _bound(host, port).close()
    settings = get_settings()
    backend = (
        _replayed(file, date_format) if file else LeagueSimulator(seed=settings.simulator_seed)
    )
    moment = as_of.replace(tzinfo=UTC) if as_of else None
    token = settings.livescores_token
    server = FeedServer(
        backend,
        host=host,
        port=port,
        clock=lambda: moment or datetime.now(UTC),
        token=token.get_secret_value() if token else None,
    )
    with server:
        console.print(f"The feed is at {server.url} (Ctrl-C ends it)", highlight=False)
        threading.Event().wait()


@app.command()
def serve(host: str = "127.0.0.1", port: Annotated[int, _Port] = DEFAULT_PORT) -> None:
    """Run one prediction worker."""
    from soccer_assets.params import read_params
    from soccer_assets.serving.server import run
    from soccer_assets.warehouse.connection import database_url, get_engine

    settings = get_settings()
    token, params = settings.reload_token, read_params(settings.params_file).serving
    with _bound(host, port, lambda: _serves_there(host, port, token)) as listener:
        get_engine(settings)
        console.print(
            f"Predictions at http://{host}:{port}/predictions, API at /docs", highlight=False
        )
        run(database_url(settings), host, port, token, params=params, listener=listener)


def _run(since: date) -> None:
    from soccer_assets.clock import utc_now
    from soccer_assets.demo import print_what_there_is, run_loop
    from soccer_assets.process import end_soon_when_asked
    from soccer_assets.runner import JobFailed

    end_soon_when_asked()
    if utc_now() > datetime.now(UTC):
        raise WrongUse(f"{utc_now():%Y-%m-%d} is not yet past: the clock cannot be put forward")
    _check_training()
    _check_surroundings()
    _check_source()
    try:
        run_loop(since, console, get_settings())
    except JobFailed:  # of a worker that refuses to reload, say: the predictions are there
        with suppress(Exception):
            print_what_there_is(console, get_settings())
        raise
    print_what_there_is(console, get_settings())


def _check_days(first: date, last: date, first_name: str, last_name: str) -> None:
    """Days that the history cannot have are refused."""
    from soccer_assets.automation.partitions import daily
    from soccer_assets.params import read_params

    days = daily(read_params(get_settings().params_file).ingestion).get_partition_keys()
    begins, ends = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    if first > last:
        raise WrongUse(f"{first_name} {first} is after {last_name} {last}")
    if first < begins:
        raise WrongUse(
            f"{first_name} {first} is before {begins}, where the history begins "
            "(ingestion.first_day of the parameters)"
        )
    if last > ends:
        raise WrongUse(
            f"{last_name} {last} is after {ends}, the last day that fixtures are asked for "
            "(ingestion.days_ahead of the parameters)"
        )


def _check_surroundings() -> None:
    """What would stop the command in the middle is told before it begins."""
    from soccer_assets.params import read_params
    from soccer_assets.warehouse.connection import get_engine

    settings = get_settings()
    _ = settings.home
    read_params(settings.params_file)
    files = {
        "file": ("LIVESCORES_FILE", settings.livescores_file),
        "football_data": ("FOOTBALL_DATA_ALIASES", settings.football_data_aliases),
    }
    name, file = files.get(settings.livescores_source, ("", None))
    if file and not file.is_file():
        raise SettingsError(f"{name}: there is no file {file}")
    get_engine(settings)


def _check_source() -> None:
    """Matches of two sources are not mixed."""
    from soccer_assets.ingestion.provenance import claim
    from soccer_assets.storage.archive import PayloadArchive
    from soccer_assets.storage.opening import open_lake
    from soccer_assets.warehouse.connection import get_engine

    settings = get_settings()
    lake = open_lake(settings.lake, settings.s3_endpoint_url, settings.aws_region)
    claim(settings.source_name, get_engine(settings), PayloadArchive(lake))


def _check_training() -> None:
    """The same for what only a training needs."""
    if not shutil.which("git"):
        raise WrongUse("there is no git on the PATH: install git, DVC needs it")


def _replayed(file: Path, date_format: str | None) -> "ReplayBackend":
    from soccer_assets.sources.replay import ReplayBackend

    try:
        backend = ReplayBackend(
            file, date_format=date_format or get_settings().livescores_date_format
        )
        _ = backend.days
    except ValueError as error:
        raise WrongUse(" ".join(str(error).split())) from None
    return backend


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


def _typed(command: str) -> str:
    """A command of this environment, as it is typed in the current folder."""
    folder = Path(sys.executable).parent
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    return str(shown / command)


def _progress(line: str) -> None:
    from soccer_assets.text import terminal

    console.print(terminal(line), style="dim", highlight=False, markup=False)


if __name__ == "__main__":
    app()
