"""What Dagster's commands know of this project in its folder: ``dagster``, ``dg``,
``dagster-daemon`` and ``dagster-webserver``.

A few of them read neither ``pyproject.toml`` nor ``workspace.yaml``, and others refuse to run
without ``DAGSTER_HOME``. In the project's folder none of them needs a flag or an exported variable;
nor, where the package is installed without a checkout, in a folder with a home that ``soccer`` has
made. Elsewhere nothing changes.

The commands are Dagster's own. ``soccer_assets.pth`` lies beside the package; Python reads it when it
starts, and calls ``prepare`` if it starts one of them. So no file of Dagster's is replaced, and what
is installed, upgraded or removed first does not matter.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import distribution
from pathlib import Path
from types import TracebackType
from typing import Any

from soccer_assets.dagster_home import dagster_home, is_installed
from soccer_assets.dagster_warnings import without_beta_warnings
from soccer_assets.process import end_soon_when_asked
from soccer_assets.settings import SettingsError, get_settings, project_folder
from soccer_assets.text import terminal

DEFINITIONS = "soccer_assets.definitions"
#: Commands that execute a run in their own process.
EXECUTE = {"dagster asset materialize", "dagster job execute", "dg launch"}
#: Commands that take a module and look for it nowhere else.
NEED_MODULE = {
    "dagster asset list",
    "dagster asset materialize",
    "dagster job execute",
    "dagster job scaffold_config",
}
#: Commands that start code servers.
DEVELOP = {"dagster dev", "dg dev"}
_CODE_OPTIONS = ("-m", "--module-name", "-f", "--python-file", "--package-name", "-w")


def prepare() -> None:
    """Prepare this process, which has yet to import Dagster, for the command that it was given.

    Settings that are not usable end it here: Python would say nothing to the point.
    """
    program, *arguments = sys.argv
    program = Path(program).name
    try:
        if is_installed():
            _enter_home()
        elif Path.cwd() == project_folder():
            get_settings().look_at_home()
    except SettingsError as error:
        print(f"{program}: {terminal(str(error))}", file=sys.stderr, flush=True)
        os._exit(1)  # what is raised while Python starts, it shows with its stack
    command = {" ".join([program, *arguments[:words]]) for words in (1, 2)}
    if Path.cwd() == project_folder() and Path("dagster.yaml").is_file():
        os.environ.setdefault("DAGSTER_HOME", str(Path.cwd()))
        if command & NEED_MODULE and not set(arguments) & set(_CODE_OPTIONS):
            os.environ.setdefault("DAGSTER_MODULE_NAME", DEFINITIONS)
    if command & EXECUTE:
        end_soon_when_asked()
    if command & DEVELOP:
        from soccer_assets.code_servers import look_after_code_servers

        look_after_code_servers()
    without_beta_warnings()
    sys.excepthook = partial(_end, program, sys.excepthook)


def main() -> None:
    """The script ``dagster`` of an environment from before ``soccer_assets.pth``."""
    prepare()
    scripts = distribution("dagster").entry_points.select(group="console_scripts")
    scripts["dagster"].load()()


def _end(
    program: str,
    otherwise: Callable[..., Any],
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    """What ends a command for a reason that is known is told in one line, as ``soccer`` does."""
    # Here, for most commands end otherwise: Python starts with this module.
    from sqlalchemy.exc import OperationalError

    from soccer_assets.warehouse.session import no_answer

    if isinstance(error, OperationalError):
        reason = no_answer(error)
    elif isinstance(error, SettingsError):
        reason = str(error)
    else:
        otherwise(kind, error, trace)
        return
    print(f"{program}: {terminal(reason)}", file=sys.stderr, flush=True)


def _enter_home() -> None:
    """Go to where ``dagster.yaml`` and ``workspace.yaml`` are, and keep what settings mean here."""
    if any(Path(name).exists() for name in ("dagster.yaml", "workspace.yaml", "pyproject.toml")):
        return  # somebody else's project
    settings = get_settings()
    if settings.soccer_home.exists():
        settings.look_at_home()
        os.environ |= settings.environment()
        os.chdir(dagster_home())
