"""``dvc.yaml`` as this project reads it: its stages, and the files that each of them makes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from soccer_assets.dvc.code_version import code_version

PIPELINE_FILE = Path(__file__).with_name("dvc.yaml")
STAGE_MODULES = "soccer_assets.dvc.stages"


@dataclass(frozen=True)
class Stage:
    """One stage of ``dvc.yaml``."""

    name: str
    command: str
    deps: tuple[str, ...]
    params: tuple[str, ...]
    """Names in ``params.yaml``, such as ``features`` or ``ingestion.limits``."""
    outs: dict[str, str]
    """The path of each out -> its description."""
    persisted: tuple[str, ...]
    """Paths of those that are left in place, for the stage to go on from."""

    @property
    def code_version(self) -> str:
        return code_version(f"{STAGE_MODULES}.{self.name}")


def read_stages(pipeline_file: Path = PIPELINE_FILE) -> list[Stage]:
    """The stages in the order of the file."""
    stages = yaml.safe_load(pipeline_file.read_text())["stages"]
    return [
        Stage(
            name,
            spec["cmd"],
            tuple(spec["deps"]),
            _own_params(spec),
            {path: given.get("desc", spec.get("desc", "")) for path, given in _outs(spec)},
            tuple(path for path, given in _outs(spec) if given.get("persist")),
        )
        for name, spec in stages.items()
    ]


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


def _own_params(spec: dict[str, Any]) -> tuple[str, ...]:
    """Those of ``params.yaml``: of another file they are listed under its name."""
    return tuple(name for name in spec.get("params", ()) if isinstance(name, str))


def _outs(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """An out is a path, or a path with settings."""
    for out in spec["outs"]:
        yield from out.items() if isinstance(out, dict) else [(out, {})]
