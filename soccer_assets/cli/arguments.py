"""What several commands take."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soccer_assets.cli.app import WrongUse
from soccer_assets.settings import get_settings

if TYPE_CHECKING:
    from soccer_assets.sources.replay import ReplayBackend

DAY = ["%Y-%m-%d"]
#: Rows that a list may be asked for: more than anybody reads, and a number for PostgreSQL.
MANY = 1_000_000
#: As the registry numbers versions.
Number = Annotated[
    int, typer.Argument(help="Number of a version in the registry.", min=1, max=2**31 - 1)
]
File = Annotated[
    Path,
    typer.Argument(help="Results, parquet or CSV.", exists=True, dir_okay=False, readable=True),
]
DateFormat = Annotated[
    str | None,
    typer.Option(help="How the file writes dates, such as %d/%m/%Y; default: YYYY-MM-DD."),
]


def replayed(file: Path, date_format: str | None) -> "ReplayBackend":
    from soccer_assets.sources.replay import ReplayBackend

    try:
        backend = ReplayBackend(
            file, date_format=date_format or get_settings().livescores_date_format
        )
        _ = backend.days
    except ValueError as error:
        raise WrongUse(" ".join(str(error).split())) from None
    return backend
