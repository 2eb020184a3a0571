"""The command that replays seasons."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from soccer_assets.cli.app import WrongUse, app, console
from soccer_assets.cli.arguments import DAY, DateFormat, File, replayed
from soccer_assets.cli.checks import check_days, check_training
from soccer_assets.settings import absolute_path, get_settings, name_of_file


@app.command("replay-season")
def replay_season(
    file: File,
    first: Annotated[datetime, typer.Option("--from", help="First day.", formats=DAY)],
    last: Annotated[datetime, typer.Option("--to", help="Last day.", formats=DAY)],
    step: Annotated[str, typer.Option(help="Between two ticks: 1d, 12h.")] = "1d",
    history_from: Annotated[
        datetime | None,
        typer.Option(help="First day of history; default: five years before.", formats=DAY),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="NAME@DAY or NAME@DAY+DAYS of what goes wrong; may be repeated."),
    ] = None,
    leagues: Annotated[
        str, typer.Option(help="Only these tournament ids, with commas between; default: all.")
    ] = "",
    home: Annotated[
        Path | None, typer.Option(help="Where all of it is kept; default: .soccer/season.")
    ] = None,
    date_format: DateFormat = None,
) -> None:
    """Replay seasons of real results on one virtual clock, with the real graph and nobody at the
    keyboard, and make a page of what happened.

    Started again after it was ended early, it goes on where it was.
    """
    from soccer_assets.process import end_soon_when_asked
    from soccer_assets.replay.faults import parse_fault
    from soccer_assets.replay.feed import ReplayFeed
    from soccer_assets.replay.season import Plan, own_place
    from soccer_assets.replay.season import replay_season as replay

    end_soon_when_asked()
    check_training()
    try:
        faults = [parse_fault(text) for text in fault or ()]
    except ValueError as error:
        raise WrongUse(str(error)) from None
    try:
        chosen = tuple(int(league) for league in leagues.split(",") if league.strip())
    except ValueError:
        raise WrongUse(f"--leagues {leagues}: not ids with commas between") from None
    length = _length(step)
    since = history_from or first - timedelta(days=5 * 365)
    if not since < first <= last:
        raise WrongUse("--history-from comes before --from, and --from not after --to")
    check_days(since.date(), last.date(), "--history-from", "--to")
    console.print(f"Loading {file}", highlight=False, markup=False)
    backend = replayed(file, date_format)
    begins, ends = backend.days
    if begins >= first.date() or ends < first.date():
        raise WrongUse(
            f"{file} has matches of {begins} to {ends}: none before --from, or none after"
        )
    plan = Plan(
        file=file.name,
        since=since.date(),
        first=first.date(),
        last=last.date(),
        step=length,
        leagues=chosen,
        faults=tuple(fault or ()),
    )
    place = absolute_path(home) if home else get_settings().soccer_home / "season"
    with own_place(place, name_of_file(file)) as clock:
        page = replay(plan, faults, ReplayFeed(backend, chosen), clock, console)
    console.print(f"The report is {page}", highlight=False, markup=False, soft_wrap=True)


def _length(text: str) -> timedelta:
    written = re.fullmatch(r"(\d{1,3})([dh])", text.strip())
    if not written or not int(written[1]):
        raise WrongUse(f"--step {text}: not a number of days or hours such as 1d or 12h")
    return timedelta(**{"days" if written[2] == "d" else "hours": int(written[1])})
