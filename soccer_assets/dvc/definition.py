"""This project's own pipeline: where it is, and what determines what its stages make."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from soccer_assets.dvc.code_version import code_version

PIPELINE_FILE = Path(__file__).with_name("dvc.yaml")
STAGE_MODULES = "soccer_assets.dvc.stages"


def stage_code_version(stage: str) -> str:
    """The version of the code that a stage runs: of all that its module imports of this project."""
    return code_version(f"{STAGE_MODULES}.{stage}")


def picked(document: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """What of a document of parameters has one of the dotted names."""
    found: dict[str, Any] = {}
    for name in names:
        *above, last = name.split(".")
        source, target = document, found
        for section in above:
            source, target = source[section], target.setdefault(section, {})
        target[last] = source[last]
    return found
