"""The DVC workspace: a git repository of its own, beside the data, that runs ``dvc.yaml``.

It holds copies of ``dvc.yaml`` and ``params.yaml``, a version of each stage's code, and the lake
manifest that the stages read. Every reproduction is pushed to the remote and saved as a git commit
of ``dvc.lock``: its revision names the exact bytes of every out.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from soccer_assets.dvc.code_version import code_version
from soccer_assets.params import Params

PIPELINE_FILE = Path(__file__).with_name("dvc.yaml")
STAGE_MODULES = "soccer_assets.dvc.stages"
_IDENTITY = ("-c", "user.name=soccer_assets", "-c", "user.email=soccer_assets@localhost")


class DvcError(Exception):
    """A dvc or git command failed; the message ends with what it printed."""


@dataclass(frozen=True)
class Out:
    """One out of a stage, as ``dvc.lock`` records it."""

    path: str
    md5: str
    size: int


@dataclass(frozen=True)
class Stage:
    """One stage of ``dvc.yaml``; ``outs`` maps the path of each out to its description."""

    name: str
    command: str
    deps: tuple[str, ...]
    outs: dict[str, str]

    @property
    def code_version(self) -> str:
        return code_version(f"{STAGE_MODULES}.{self.name}")


def read_stages(pipeline_file: Path = PIPELINE_FILE) -> list[Stage]:
    """The stages in the order of the file."""
    stages = yaml.safe_load(pipeline_file.read_text())["stages"]
    return [
        Stage(name, spec["cmd"], tuple(spec["deps"]), _described_outs(spec))
        for name, spec in stages.items()
    ]


def _described_outs(spec: dict[str, Any]) -> dict[str, str]:
    """An out is a path, or a path with settings; without a ``desc`` it has that of its stage."""
    settings = [out if isinstance(out, dict) else {out: {}} for out in spec["outs"]]
    return {
        path: given.get("desc", spec.get("desc", ""))
        for out in settings
        for path, given in out.items()
    }


class DvcWorkspace:
    """Runs the pipeline in ``root``.

    Args:
        root: the workspace, created on first use.
        remote: where outs are pushed, a path or ``s3://bucket/prefix``.
        params_file: copied in as ``params.yaml``.
        endpoint_url: of the S3 service, when it is not AWS.
    """

    def __init__(
        self, root: Path, remote: str, params_file: Path, endpoint_url: str | None = None
    ) -> None:
        self.root = root
        self._remote = remote
        self._params_file = params_file
        self._endpoint_url = endpoint_url

    def prepare(self, lake_manifest: bytes | None = None) -> None:
        """Bring the workspace up to date with the project and, if given, the lake."""
        self.root.mkdir(parents=True, exist_ok=True)
        if not (self.root / ".git").exists():
            self._git("init", "--quiet", "--initial-branch=main")
        if not (self.root / ".dvc").exists():
            self._run("dvc", "init", "--quiet")
        self._configure_remote()
        (self.root / "data").mkdir(exist_ok=True)
        (self.root / ".gitignore").write_text("/data/\n")
        shutil.copyfile(PIPELINE_FILE, self.root / "dvc.yaml")
        # With the defaults of what a partial file leaves out: DVC misses sections that are absent.
        given = yaml.safe_load(self._params_file.read_text()) or {}
        effective = Params.model_validate(given).model_dump(mode="json")
        (self.root / "params.yaml").write_text(yaml.safe_dump(effective, sort_keys=False))
        versions = {stage.name: stage.code_version for stage in read_stages()}
        (self.root / "code.json").write_text(json.dumps(versions, indent=2) + "\n")
        if lake_manifest is not None:
            (self.root / "lake.json").write_bytes(lake_manifest)

    def reproduce(self, stages: Sequence[str]) -> Iterator[str]:
        """Run ``dvc repro`` on the stages and what they need; yields its output line by line.

        Raises:
            DvcError: a stage failed.
        """
        yield from self._stream("dvc", "repro", *stages)

    def push(self) -> None:
        """Send the outs to the remote."""
        self._run("dvc", "push", "--quiet")

    def save_point(self, message: str) -> str:
        """Commit ``dvc.lock`` and what determines it; returns the revision (40 hex digits)."""
        self._git("add", "--all")
        if self._git("status", "--porcelain"):
            self._git(*_IDENTITY, "commit", "--quiet", "--message", message)
        return self.revision

    @property
    def revision(self) -> str:
        return self._git("rev-parse", "HEAD")

    def outs(self) -> dict[str, Out]:
        """Path -> out, for all stages that have run."""
        lock = self.root / "dvc.lock"
        if not lock.exists():
            return {}
        stages = yaml.safe_load(lock.read_text()).get("stages", {})
        return {
            out["path"]: Out(out["path"], out["md5"], out["size"])
            for stage in stages.values()
            for out in stage.get("outs", ())
        }

    def path(self, out: str) -> Path:
        """The file of an out. Raises FileNotFoundError before its stage has run."""
        path = self.root / out
        if not path.exists():
            raise FileNotFoundError(f"{path}: run the DVC stages first")
        return path

    def _configure_remote(self) -> None:
        config = ConfigParser()
        config["core"] = {"remote": "store", "analytics": "false", "autostage": "true"}
        remote = {"url": self._remote}
        if self._remote.startswith("s3://") and self._endpoint_url:
            remote["endpointurl"] = self._endpoint_url
        config["'remote \"store\"'"] = remote
        with (self.root / ".dvc" / "config").open("w") as file:
            config.write(file)

    @cached_property
    def _environment(self) -> dict[str, str]:
        """Stages run with this interpreter, whatever the caller's PATH."""
        bin_folder = str(Path(sys.executable).parent)
        return {
            **os.environ,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}",
            "DVC_NO_ANALYTICS": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def _stream(self, tool: str, *arguments: str) -> Iterator[str]:
        command = [sys.executable, "-m", tool, *arguments] if tool == "dvc" else [tool, *arguments]
        tail: list[str] = []
        with subprocess.Popen(
            command,
            cwd=self.root,
            env=self._environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if text := line.rstrip():
                    tail = [*tail[-19:], text]
                    yield text
        if process.returncode:
            shown = "\n".join(tail)
            raise DvcError(f"{tool} {' '.join(arguments)} exited {process.returncode}:\n{shown}")

    def _run(self, tool: str, *arguments: str) -> str:
        return "\n".join(self._stream(tool, *arguments))

    def _git(self, *arguments: str) -> str:
        return self._run("git", *arguments)
