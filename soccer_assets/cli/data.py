"""Commands that make something and end: they run jobs of the graph in their own process."""

import os
import sys
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from soccer_assets.cli.app import WrongUse, app, console
from soccer_assets.cli.arguments import DAY, DateFormat, File, replayed
from soccer_assets.cli.checks import check_days, check_source, check_surroundings, check_training
from soccer_assets.settings import DEFAULT_PORT, get_settings, name_of_file


@app.command()
def demo(
    days: Annotated[int, typer.Option(help="Days of history to fill.", min=90, max=36_500)] = 730,
) -> None:
    """Run the whole loop on the configured feed (the simulator, unless LIVESCORES_URL is set)."""
    from soccer_assets.clock import utc_now

    today = utc_now().date()
    since = today - timedelta(days=days)
    check_days(since, today, f"--days {days}: its first day", "SOCCER_AS_OF")
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
    file: File,
    as_of: Annotated[datetime, typer.Option(help="Replay as if this were now (UTC).", formats=DAY)],
    since: Annotated[datetime, typer.Option(help="First day of history.", formats=DAY)],
    date_format: DateFormat = None,
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
    check_days(since.date(), moment.date(), "--since", "--as-of")
    console.print(f"Loading {file}", highlight=False, markup=False)
    backend = replayed(file, date_format)
    first, last = backend.days
    if first > moment.date() or last < since.date():
        raise WrongUse(f"{file} has matches of {first} to {last}, none from --since to --as-of")
    with FeedServer(backend, clock=lambda: moment) as server:
        os.environ["LIVESCORES_URL"] = server.url
        _run(since.date())


@app.command()
def backfill(
    since: Annotated[datetime, typer.Option(help="First day.", formats=DAY)],
    until: Annotated[
        datetime | None, typer.Option(help="Last day; default: today.", formats=DAY)
    ] = None,
    batch_days: Annotated[int, typer.Option(help="Days a transaction.", min=1, max=10_000)] = 31,
    concurrency: Annotated[int, typer.Option(help="Days asked for at once.", min=1, max=64)] = 4,
    again: Annotated[
        bool, typer.Option("--again", help="Ask for days that are loaded and settled, too.")
    ] = False,
    at_once: Annotated[
        int, typer.Option(help="Runs at once, of some months each.", min=1, max=64)
    ] = 1,
    months: Annotated[
        int, typer.Option(help="Months of each, with more than one at once.", min=1, max=1200)
    ] = 12,
) -> None:
    """Bring a range of days of the feed into the warehouse, and their months into the lake.

    With --at-once the days are spread: over processes of this machine or, with SOCCER_EXECUTOR=celery,
    over all step workers. The feed has to bear it: the pool livescores says how many may ask at once.

    Ended early, it goes on where it was when it is started again. A day that fails is named at the
    end and does not keep the others out.
    """
    from soccer_assets.clock import utc_now
    from soccer_assets.process import end_soon_when_asked
    from soccer_assets.runner import JobFailed, run_job

    end_soon_when_asked()
    first, last = since.date(), until.date() if until else utc_now().date()
    check_days(first, last, "--since", "--until")
    check_surroundings()
    check_source()
    config = {"resume": not again, "batch_days": batch_days, "concurrency": concurrency}
    days = (str(first), str(last))
    lake_months = (f"{first:%Y-%m}-01", f"{last:%Y-%m}-01")
    failures = []
    ops = {"ingest_days": {"config": config}}
    try:
        if at_once == 1:
            run_job("ingest", _progress, partitions=days, config=ops)
        else:
            _spread(first, last, months, at_once, ops)
    except JobFailed as failure:  # what went well is worth having in the lake
        failures.append(str(failure))
    try:
        run_job("export", _progress, partitions=lake_months)
    except JobFailed as failure:
        failures.append(str(failure))
    if failures:
        raise JobFailed("\n".join(failures))


def _spread(first: date, last: date, months: int, at_once: int, ops: dict[str, Any]) -> None:
    from soccer_assets.spread import ranges_of_months, run_ranges, slots_of

    slots = slots_of("livescores")
    if slots < at_once:
        _progress(
            f"{at_once} runs at once, of which {slots} may ask the feed, the others wait: "
            f"dagster instance concurrency set livescores {at_once} lets all, if it bears them"
        )
    ranges = ranges_of_months(first, last, months)
    run_ranges("ingest", ranges, at_once, _progress, get_settings(), ops)


@app.command()
def rebuild() -> None:
    """Make the warehouse again from the archive alone, without asking the source."""
    from soccer_assets.process import end_soon_when_asked
    from soccer_assets.runner import run_job

    end_soon_when_asked()
    check_surroundings()
    run_job("rebuild", _progress)


def _run(since: date) -> None:
    from soccer_assets.clock import utc_now
    from soccer_assets.demo import print_what_there_is, run_loop
    from soccer_assets.process import end_soon_when_asked
    from soccer_assets.runner import JobFailed

    end_soon_when_asked()
    if utc_now() > datetime.now(UTC):
        raise WrongUse(f"{utc_now():%Y-%m-%d} is not yet past: the clock cannot be put forward")
    check_training()
    check_surroundings()
    check_source()
    try:
        run_loop(since, console, get_settings())
    except JobFailed:  # of a worker that refuses to reload, say: the predictions are there
        with suppress(Exception):
            print_what_there_is(console, get_settings())
        raise
    print_what_there_is(console, get_settings())


def _typed(command: str) -> str:
    """A command of this environment, as it is typed in the current folder."""
    folder = Path(sys.executable).parent
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    return str(shown / command)


def _progress(line: str) -> None:
    from soccer_assets.text import terminal

    console.print(terminal(line), style="dim", highlight=False, markup=False)
