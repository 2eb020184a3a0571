"""The ``dagster`` command of this environment, which knows the project it is used in.

Installed over Dagster's own script of that name, because a few of Dagster's commands read neither
``pyproject.toml`` nor ``workspace.yaml``, and others refuse to run without ``DAGSTER_HOME``. In the
project's folder none of them needs a flag or an exported variable; nor, where the package is
installed without a checkout, in a folder with a home that ``soccer`` has made. Elsewhere nothing
changes.
"""

import os
import sys
import warnings
from pathlib import Path

from soccer_assets.dagster_home import dagster_home, is_installed
from soccer_assets.process import end_soon_when_asked
from soccer_assets.settings import SettingsError, get_settings, project_folder

DEFINITIONS = "soccer_assets.definitions"
#: Commands that execute a run in their own process.
EXECUTE = {("asset", "materialize"), ("job", "execute")}
#: Commands that take a module and look for it nowhere else.
NEED_MODULE = {
    ("asset", "list"),
    ("asset", "materialize"),
    ("job", "execute"),
    ("job", "scaffold_config"),
}
_CODE_OPTIONS = ("-m", "--module-name", "-f", "--python-file", "--package-name", "-w")


def main() -> None:
    """Run ``dagster`` with the arguments of this process."""
    try:
        if is_installed():
            _enter_home()
        elif Path.cwd() == project_folder():
            get_settings()
    except SettingsError as error:
        sys.exit(f"dagster: {error}")
    if Path.cwd() == project_folder() and Path("dagster.yaml").is_file():
        os.environ.setdefault("DAGSTER_HOME", str(Path.cwd()))
        arguments = sys.argv[1:]
        if tuple(arguments[:2]) in NEED_MODULE and not set(arguments) & set(_CODE_OPTIONS):
            os.environ.setdefault("DAGSTER_MODULE_NAME", DEFINITIONS)
    if tuple(sys.argv[1:3]) in EXECUTE:
        end_soon_when_asked()
    if sys.argv[1:2] == ["dev"]:
        from soccer_assets.code_servers import look_after_code_servers

        look_after_code_servers()
    from dagster._cli import main as dagster
    from dagster._utils.warnings import BetaWarning, SupersessionWarning

    # What Dagster thinks of its own commands and features is for its maintainers to read.
    for category in (SupersessionWarning, BetaWarning):
        warnings.simplefilter("ignore", category)
    dagster()


def _enter_home() -> None:
    """Go to where ``dagster.yaml`` and ``workspace.yaml`` are, and keep what settings mean here."""
    if any(Path(name).exists() for name in ("dagster.yaml", "workspace.yaml", "pyproject.toml")):
        return  # somebody else's project
    settings = get_settings()
    if settings.soccer_home.is_dir():
        os.environ |= settings.environment()
        os.chdir(dagster_home())
