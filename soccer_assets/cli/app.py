"""The command itself: how it ends, and what it says when it fails."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import typer
import typer.core
from rich.console import Console

from soccer_assets.dagster_warnings import without_beta_warnings
from soccer_assets.settings import SettingsError


def _open_what_is_closed() -> None:
    """Whoever starts a command with its output closed (``>&-``) does not want to read it. Otherwise the
    next file or socket that is opened would take the place, and be written to."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115


_open_what_is_closed()
#: Wide enough for the tables when the output is a file.
console = Console(width=None if sys.stdout.isatty() else 120)

#: What typer raises for arguments that cannot be; it does not export the name.
UsageError: Any = typer.BadParameter.__mro__[1]


class WrongUse(Exception):
    """The command cannot do what it was asked to; says in one line why, and what to do."""


class Commands(typer.core.TyperGroup):
    """Commands that end in one line when they fail for a reason that is known."""

    def main(self, *args: Any, **extra: Any) -> Any:
        without_beta_warnings()
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
    from soccer_assets.replay.plan import ReplayError
    from soccer_assets.runner import JobFailed
    from soccer_assets.storage.store import StoreUnavailable
    from soccer_assets.warehouse.session import no_answer

    outside = SettingsError | StoreUnavailable | MlflowUnavailable
    if isinstance(error, outside | WrongUse | JobFailed | OtherSource | Unusable | ReplayError):
        return str(error)
    if isinstance(error, OperationalError):
        return no_answer(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return None


app = typer.Typer(cls=Commands, add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def soccer(context: typer.Context) -> None:
    """From scraped livescores to served 1X2 predictions."""
    if context.invoked_subcommand is None:
        console.print(context.get_help(), markup=False, highlight=False)
