"""What a process of ours makes of the environment that it would be started with."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import soccer_assets
from soccer_assets_tests.services.compose import image_environment

_READ = """
from pathlib import Path
from soccer_assets import settings

settings.project_folder = Path.cwd  # and not a checkout with a file .env
try:
    print(settings.get_settings().model_dump_json())
except settings.SettingsError as error:
    raise SystemExit(f"refused: {error}")
"""


def settings_of(environment: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """The settings, secrets hidden, as a process of the image reads them that is told nothing else.

    Raises:
        AssertionError: they are refused; says why.
    """
    code = {"PYTHONPATH": str(Path(soccer_assets.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", _READ],
        env={**image_environment(), **code, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))
