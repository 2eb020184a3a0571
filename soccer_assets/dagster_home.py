"""Where Dagster finds its configuration: in the checkout; where there is none, in ``SOCCER_HOME``."""

from pathlib import Path

from soccer_assets.files import write_atomically
from soccer_assets.settings import get_settings, project_folder

#: What a built package brings along of the checkout's files: see setup.py.
FILES = ("dagster.yaml", "workspace.yaml")
_PACKAGE = Path(__file__).parent


def is_installed() -> bool:
    """Whether this is a built package, without a checkout."""
    return (_PACKAGE / FILES[0]).exists()


def dagster_home() -> Path:
    """The folder for ``DAGSTER_HOME``, which holds ``dagster.yaml`` and ``workspace.yaml``."""
    if not is_installed():
        return project_folder()
    folder = get_settings().home / "dagster"
    folder.mkdir(exist_ok=True)
    for name in FILES:
        shipped, here = (_PACKAGE / name).read_bytes(), folder / name
        if not here.exists() or here.read_bytes() != shipped:
            write_atomically(here, shipped)
    return folder
