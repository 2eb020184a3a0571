"""Commands about the ledger of predictions."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soccer_assets.cli.app import WrongUse, app, console
from soccer_assets.cli.arguments import DAY
from soccer_assets.settings import get_settings

if TYPE_CHECKING:
    import sqlalchemy as sa

    from soccer_assets.storage.store import ObjectStore

ledger = typer.Typer(help="The ledger of predictions that were made before kick-off.")
app.add_typer(ledger, name="ledger")

From = Annotated[
    datetime | None,
    typer.Option("--from", help="First day; default: from the beginning.", formats=DAY),
]


@ledger.command()
def verify(since: From = None) -> None:
    """Check every prediction against its hash, the days' manifests, and the chain between these.

    Fails with one line that names the first day, and the match, that is not what it was.
    """
    from soccer_assets.lake.ledger import verify
    from soccer_assets.ledger_check import LedgerBroken

    engine, store = _opened()
    try:
        holds = verify(engine, store, _day(since))
    except LedgerBroken as broken:
        raise WrongUse(f"the ledger is broken: {broken}") from None
    console.print(str(holds), highlight=False, markup=False, soft_wrap=True)


@ledger.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where to, made if need be.", file_okay=False)],
    since: From = None,
) -> None:
    """Write predictions and manifests to a folder, a file a day, with what checks them.

    `python verify.py` in that folder needs nothing but Python.
    """
    from soccer_assets.lake.ledger import export
    from soccer_assets.ledger_check import LedgerBroken

    engine, store = _opened()
    try:
        rows = export(engine, store, folder, _day(since))
    except LedgerBroken as broken:
        raise WrongUse(f"the ledger is broken: {broken}") from None
    line = f"{rows} predictions are in {folder}; to check them: python {folder / 'verify.py'}"
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _opened() -> "tuple[sa.Engine, ObjectStore]":
    from soccer_assets.storage.opening import open_lake
    from soccer_assets.warehouse.connection import get_engine

    settings = get_settings()
    lake = open_lake(settings.lake, settings.s3_endpoint_url, settings.aws_region)
    return get_engine(settings), lake


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None
