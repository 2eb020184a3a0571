"""Commands about the champion's office: what people decide of it, and what is on record."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from soccer_assets.cli.app import WrongUse, app, console
from soccer_assets.cli.arguments import MANY, Number
from soccer_assets.settings import get_settings

if TYPE_CHECKING:
    from soccer_assets.modelling.office import Office

Who = Annotated[
    str | None, typer.Option(help="Who decides; default: the user of the operating system.")
]


@app.command()
def approve(
    version: Number,
    why: Annotated[str | None, typer.Option(help="On record.")] = None,
    who: Who = None,
) -> None:
    """Sign a version off that has passed every gate and waits: it becomes the champion.

    With REQUIRE_SIGN_OFF=1 none becomes it otherwise.
    """
    from soccer_assets.modelling.office import By, NotPossible

    try:
        approved = _office().approve(version, why, By(_name(who)))
    except NotPossible as error:
        raise WrongUse(str(error)) from None
    _say(f"{approved} is the champion; predictions and workers follow while the daemon runs")


@app.command()
def reject(
    version: Number,
    why: Annotated[str, typer.Option(help="On record.")],
    who: Who = None,
) -> None:
    """Refuse a version that waits for a sign-off; it does not come again."""
    from soccer_assets.modelling.office import By, NotPossible

    try:
        rejected = _office().reject(version, why, By(_name(who)))
    except NotPossible as error:
        raise WrongUse(str(error)) from None
    _say(f"{rejected} is rejected")


@app.command()
def rollback(
    why: Annotated[str, typer.Option(help="On record.")],
    to: Annotated[
        int | None,
        typer.Option(help="Number of a version; default: the one before.", min=1, max=2**31 - 1),
    ] = None,
    who: Who = None,
) -> None:
    """Put the champion's predecessor, or the version named, back into office.

    The champion that is replaced does not come again, nor does another that has learnt no more.
    """
    from soccer_assets.modelling.office import By, NotPossible

    try:
        version = _office().roll_back(to, why, By(_name(who)))
    except NotPossible as error:
        raise WrongUse(str(error)) from None
    _say(f"{version} is the champion; predictions and workers follow while the daemon runs")


@app.command()
def promotions(
    limit: Annotated[int, typer.Option(help="So many, the newest.", min=1, max=MANY)] = 20,
) -> None:
    """Show who came into office and who did not, when and why."""
    from rich.table import Table

    from soccer_assets.resources import make_resources
    from soccer_assets.text import terminal
    from soccer_assets.warehouse.promotions import decisions

    table = Table("when", "what", "champion before", "version", "who", "why")
    for one in decisions(make_resources(get_settings())["warehouse"].engine, limit):
        before, about = (str(v.version) if v else "none" for v in (one.before, one.about))
        when = f"{one.decided_at:%Y-%m-%d %H:%M}"
        table.add_row(when, one.kind, before, about, terminal(one.who), terminal(one.reason))
    console.print(table, markup=False, highlight=False)


def _office() -> "Office":
    from soccer_assets.modelling.office import Office
    from soccer_assets.resources import make_resources

    resources = make_resources(get_settings())
    return Office(resources["registry"].registry, resources["warehouse"].engine)


def _name(who: str | None) -> str:
    try:
        return getpass.getuser() if who is None else who
    except (KeyError, OSError):  # a container's user may have no name
        raise WrongUse("this user has no name here: say --who") from None


def _say(line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
