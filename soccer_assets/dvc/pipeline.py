"""``dvc.yaml`` read as what its stages need and make."""

import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import yaml

from soccer_assets.dvc.command import DvcError

#: The file that a parameter is in if none is named.
PARAMS_FILE = "params.yaml"
#: Suffixes of files that are code.
CODE = frozenset(
    {".ipynb", ".jl", ".js", ".pl", ".py", ".r", ".rb", ".scala", ".sh", ".sql", ".ts"}
)

Role = Literal["out", "metric", "plot"]


@dataclass(frozen=True)
class StageOut:
    """A file or folder that a stage makes."""

    path: str
    """Relative to the folder of ``dvc.yaml``."""
    role: Role
    description: str
    """Its own, or its stage's."""
    persisted: bool
    """Whether it is left in place, for the stage to go on from."""
    meta: Any
    """What the file says under ``meta``, which DVC leaves to others."""


@dataclass(frozen=True)
class Stage:
    """One stage of a pipeline; one of ``foreach`` or ``matrix`` is a stage for each item."""

    name: str
    command: str
    """One command a line."""
    folder: str
    """Where the command runs, relative to the folder of ``dvc.yaml``."""
    deps: tuple[str, ...]
    """Paths, relative to the folder of ``dvc.yaml``, or URLs."""
    params: Mapping[str, tuple[str, ...]]
    """A file -> names in it, such as ``features`` or ``ingestion.limits``; none: all of the file."""
    outs: tuple[StageOut, ...]
    description: str
    frozen: bool
    always_changed: bool
    meta: Any


@dataclass(frozen=True)
class Pipeline:
    """The stages of a ``dvc.yaml``, in the order of the file."""

    file: Path
    stages: tuple[Stage, ...]

    @classmethod
    def read(cls, file: Path) -> "Pipeline":
        """Templates, ``foreach`` and ``matrix`` are resolved by DVC itself, which takes half a
        second more than a file without.

        Raises:
            DvcError: there is no such file, or it is no pipeline.
        """
        try:
            text = file.read_text("utf-8")
            document = yaml.safe_load(text)
            if "${" in text or any({"foreach", "matrix"} & set(s) for s in _stages(document)):
                document = _resolved(file, document)
            shown = _shown(document)
            return cls(
                file,
                tuple(_stage(name, spec, shown) for name, spec in document["stages"].items()),
            )
        except OSError as error:
            raise DvcError(f"{file}: {error.strerror}") from None
        except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
            raise DvcError(f"{file} is no pipeline: {' '.join(str(error).split())}") from None

    @property
    def folder(self) -> Path:
        return self.file.parent

    def made(self, path: str) -> StageOut | None:
        """The out that a path is, or is in; None where no stage makes it."""
        for place in (PurePosixPath(path), *PurePosixPath(path).parents):
            if out := self._made.get(str(place)):
                return out
        return None

    def code(self, dep: str) -> list[str]:
        """The files of code that a dependency is, or has in it if it is a folder; none where a
        stage makes it."""
        path = self.folder / dep
        files = path.rglob("*") if path.is_dir() else [path]
        found = [file for file in files if file.suffix.lower() in CODE and file.is_file()]
        places = sorted(Path(os.path.relpath(file, self.folder)).as_posix() for file in found)
        return [] if self.made(dep) else places

    def code_version(self, stage: Stage) -> str:
        """A digest (16 hex digits) of the stage's command and of the code among its dependencies."""
        digest = sha256(stage.command.encode())
        for file in sorted({file for dep in stage.deps for file in self.code(dep)}):
            digest.update(f"\0{file}\0".encode() + (self.folder / file).read_bytes())
        return digest.hexdigest()[:16]

    @cached_property
    def _made(self) -> dict[str, StageOut]:
        return {out.path: out for stage in self.stages for out in stage.outs}


def _stages(document: Any) -> Iterator[Mapping[str, Any]]:
    yield from document["stages"].values()


def _resolved(file: Path, document: Any) -> Any:
    """What DVC makes of a file with templates."""
    from dvc.exceptions import DvcException
    from dvc.parsing import DataResolver
    from dvc.repo import Repo

    try:
        with Repo(str(file.parent), config={"core": {"no_scm": True}}) as repo:
            resolver = DataResolver(repo, str(file.parent.absolute()), document)
            return document | resolver.resolve()
    except DvcException as error:
        raise DvcError(f"{file}: {' '.join(str(error).split())}") from None


def _shown(document: Mapping[str, Any]) -> dict[str, Role]:
    """Paths that the file, and not the stage, calls metrics or plots."""
    metrics: dict[str, Role] = dict.fromkeys(document.get("metrics", ()), "metric")
    plots: dict[str, Role] = {}
    for plot in document.get("plots", ()):
        plots |= dict.fromkeys([plot] if isinstance(plot, str) else plot, "plot")
    return metrics | plots


def _stage(name: str, spec: Mapping[str, Any], shown: Mapping[str, Role]) -> Stage:
    folder = spec.get("wdir") or "."
    description = spec.get("desc", "")
    roles: dict[str, Role] = {"outs": "out", "metrics": "metric", "plots": "plot"}
    return Stage(
        name,
        "\n".join([spec["cmd"]] if isinstance(spec["cmd"], str) else spec["cmd"]),
        folder,
        tuple(within(folder, dep) for dep in spec.get("deps") or ()),
        _params(folder, spec.get("params") or ()),
        tuple(
            StageOut(
                path=(place := within(folder, path)),
                role=shown.get(place, role),
                description=given.get("desc", description),
                persisted=given.get("persist", False),
                meta=given.get("meta"),
            )
            for section, role in roles.items()
            for path, given in _with_settings(spec.get(section) or ())
        ),
        description,
        spec.get("frozen", False),
        spec.get("always_changed", False),
        spec.get("meta"),
    )


def within(folder: str, path: str) -> str:
    """A path that a stage in ``folder`` names, relative to the folder of ``dvc.yaml``."""
    return path if "://" in path else posixpath.normpath(posixpath.join(folder, path))


def _with_settings(listed: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """An entry is a path, or a path with settings; those of a plot may be a list."""
    for entry in listed:
        for path, given in entry.items() if isinstance(entry, dict) else [(entry, {})]:
            yield path, given if isinstance(given, dict) else {}


def _params(folder: str, listed: Any) -> dict[str, tuple[str, ...]]:
    """An entry is a name in ``params.yaml``, or another file and names in that."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in listed:
        files = entry if isinstance(entry, dict) else {PARAMS_FILE: [entry]}
        for file, names in files.items():
            place = within(folder, file)
            found[place] = (*found.get(place, ()), *(names or ()))
    return found
