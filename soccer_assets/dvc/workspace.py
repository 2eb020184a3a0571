"""The DVC workspace: a git repository of its own, beside the data, that runs ``dvc.yaml``.

It holds copies of ``dvc.yaml`` and of the parameters that the stages read, a version of each stage's
code, and the lake manifest. Every reproduction is pushed to the remote; its revision names the exact
bytes of every out, and git keeps the history of those that were reproduced here.

What the machine and its user configure for git and DVC stays outside; what killed processes left
behind is cleared away by the next one that is alone in it.
"""

import json
import logging
import os
import shutil
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from soccer_assets.dvc.cache import Out, discard_torn, keep_only
from soccer_assets.dvc.command import REMOTE_VARIABLE, WORKSPACE_VARIABLE, DvcError, stream
from soccer_assets.dvc.lock import LOCK_FILE, read_lock
from soccer_assets.dvc.occupancy import alone_in
from soccer_assets.dvc.pipeline import PIPELINE_FILE, picked, read_stages
from soccer_assets.dvc.repository import Repository
from soccer_assets.dvc.revisions import FILES, Revision
from soccer_assets.files import write_atomically
from soccer_assets.params import read_params

#: What git keeps: all but the data.
_COMMITTED = (*FILES, ".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore")
#: Files of AWS's libraries, which may be named relative to the folder of this process.
_AWS_FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE")

#: What writers that were killed leave behind.
UNFINISHED = ".*.tmp"

log = logging.getLogger(__name__)


class DvcWorkspace:
    """Runs the pipeline in ``root``.

    Args:
        root: the workspace, created on first use.
        remote: where outs are pushed, a path or ``s3://bucket/prefix``.
        params_file: copied in as ``params.yaml``.
        endpoint_url, region: of the S3 service.
        environment: what the stages are given beside this process's environment.
    """

    def __init__(
        self,
        root: Path,
        remote: str,
        params_file: Path,
        endpoint_url: str | None = None,
        region: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.root = root
        self._remote = remote
        self._params_file = params_file
        self._endpoint_url = endpoint_url
        self._region = region
        self._given = dict(environment or {})
        self._memory = root / ".dvc" / "tmp"
        #: The lock, while this is alone: children keep it until they end.
        self._held: list[int] = []
        self._repository = Repository(root, self._held)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else is at work in the workspace for the length of the block, and nothing in it is
        left over from a process that was killed: preparing, reproducing, pushing and saving belong
        inside.

        Raises:
            Occupied: somebody is, and does not come to an end.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with alone_in(self.root) as lock:
            self._held.append(lock)
            try:
                for found in self._clear():
                    log.warning("%s: cleared up after a killed process: %s", self.root, found)
                yield
            finally:
                self._held.clear()

    def prepare(self, lake_manifest: bytes | None = None) -> None:
        """Bring the workspace up to date with the project and, if given, the lake."""
        for folder in (self.root, self.root / ".dvc", self.root / "data"):
            folder.mkdir(parents=True, exist_ok=True)
        self._repository.make()
        stages = read_stages()
        # With the defaults of what a partial file leaves out: DVC misses sections that are absent.
        params = read_params(self._params_file).model_dump(mode="json")
        params = picked(params, sorted({name for stage in stages for name in stage.params}))
        versions = {stage.name: stage.code_version for stage in stages}
        files = {
            ".dvc/config": self._configuration(),
            ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
            # This repository is committed to from here, and not by DVC.
            ".dvc/config.local": _as_text({"core": {"no_scm": "true"}}),
            ".gitignore": "/data/\n/.lock\n/.git.broken-*\n.*.tmp\n",
            "dvc.yaml": PIPELINE_FILE.read_text(),
            "params.yaml": yaml.safe_dump(params, sort_keys=False),
            "code.json": json.dumps(versions, indent=2) + "\n",
        }
        for name, text in files.items():
            write_atomically(self.root / name, text)
        if lake_manifest is not None:
            write_atomically(self.root / "lake.json", lake_manifest)

    def go_on_from(self, revision: Revision) -> None:
        """Have what a workspace has that made this revision, but for the outs, which can be pulled.
        For one that has made nothing yet."""
        revision.restore(self.root)

    def reproduce(self, stages: Sequence[str], *, pull: bool = False) -> Generator[str, None, None]:
        """Run ``dvc repro`` on the stages and what they need; yields its output line by line.

        It ends when the iterator is closed.

        Args:
            pull: whether outs that are not here are pulled where their stage has nothing new to
                read, or goes on from them. Otherwise they are made again.

        Raises:
            DvcError: a stage failed.
        """
        if pull:
            yield from self._pull_persisted()
        # What earlier runs made from equal inputs is not looked for: stages make it again.
        yield from self._dvc("repro", "--no-run-cache", *(["--pull"] if pull else []), *stages)

    def push(self) -> None:
        """Send the outs to the remote."""
        if not self._remote.startswith("s3://"):
            discard_torn(Path(self._remote), self.cache, self.outs().values())
        for line in list(self._dvc("push", "--quiet")):
            log.info(line)

    def save_point(self, message: str) -> None:
        """Commit ``dvc.lock`` and what determines it."""
        self._repository.save(_COMMITTED, message)

    @property
    def revision(self) -> Revision:
        """Names the bytes of every out that was reproduced last."""
        return Revision.of(self.root)

    def outs(self) -> dict[str, Out]:
        """Path -> out, for all stages that have run.

        Raises:
            DvcError: ``dvc.lock`` is not what DVC writes.
        """
        lock = self.root / LOCK_FILE
        if not lock.exists():
            return {}
        return read_lock(lock.read_text("utf-8", errors="replace"), str(lock))

    @property
    def cache(self) -> Path:
        """Where DVC keeps outs by their hashes."""
        return self.root / ".dvc" / "cache"

    def path(self, out: Path | str) -> Path:
        """The file of an out."""
        return self.root / out

    def _clear(self) -> Iterator[str]:
        """Leave nothing that could stop DVC or git, or that they would wrongly trust; yields what
        was wrong."""
        yield from self._repository.heal()
        if _names_holders(self._memory / "rwlock"):
            yield ".dvc/tmp/rwlock was left over"
        # Its locks, and what it remembers of files: their hashes, and what the remote holds.
        shutil.rmtree(self._memory, ignore_errors=True)
        lock = self.root / LOCK_FILE
        if not self._is_readable():
            lock.unlink()
            self._repository.restore(LOCK_FILE)
            if not self._is_readable():
                lock.unlink()
            now = "back from the save point" if lock.exists() else "removed"
            yield f"dvc.lock was unreadable, {now}"
        for unfinished in (
            *self.root.glob(UNFINISHED),
            *(self.root / ".dvc").glob(UNFINISHED),
            # In a directory, it would be part of the out.
            *(self.root / "data").rglob(UNFINISHED),
        ):
            unfinished.unlink()
        yield from keep_only(self.cache, self.outs().values())

    def _pull_persisted(self) -> Iterator[str]:
        """Bring what stages go on from; those whose outs cannot be had begin anew."""
        made = self.outs()
        stages = read_stages(self.root / "dvc.yaml")
        if persisted := [out for stage in stages for out in stage.persisted if out in made]:
            try:
                yield from self._dvc("pull", *persisted)
            except DvcError as error:
                log.warning("%s: stages begin anew: %s", self.root, error)

    def _is_readable(self) -> bool:
        try:
            self.outs()
        except DvcError:
            return False
        return True

    def _configuration(self) -> str:
        """For whoever clones a revision, too: with it, ``dvc pull`` finds the outs."""
        for place in (str(self.root), self._remote):
            if "{" in place or "}" in place:  # it formats texts that have them in
                raise DvcError(f"{place}: DVC cannot use a path with braces: choose another")
        remote = {"url": self._remote}
        if self._remote.startswith("s3://"):
            given = {"endpointurl": self._endpoint_url, "region": self._region}
            remote |= {name: value for name, value in given.items() if value}
        core = {"remote": "store", "analytics": "false", "check_update": "false"}
        return _as_text({"core": core, 'remote "store"': remote})

    def _dvc(self, *arguments: str) -> Iterator[str]:
        yield from stream(
            [sys.executable, "-m", "soccer_assets.dvc", *arguments],
            name=" ".join(("dvc", *(word for word in arguments if not word.startswith("-")))),
            folder=self.root,
            environment=self._environment(),
            keep_open=self._held,
        )

    def _environment(self) -> dict[str, str]:
        """Stages run with this interpreter and the settings of this process, whatever the caller's
        PATH, shell and configuration of DVC."""
        inherited = {
            name: _absolute(value) if value and name in _AWS_FILES else value
            for name, value in os.environ.items()
            if not name.startswith(("DVC_", "GIT_"))
        }
        bin_folder = str(Path(sys.executable).parent)
        return {
            **inherited,
            **self._given,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}",
            "SHELL": "/bin/sh",
            "PYTHONUTF8": "1",
            "PYTHONUNBUFFERED": "1",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SYSTEM_CONFIG_DIR": str(self._memory / "none"),
            "DVC_GLOBAL_CONFIG_DIR": str(self._memory / "none"),
            # Relative, for what keeps files there expands ``$NAME`` and ``~``.
            "DVC_SITE_CACHE_DIR": str((self._memory / "site").relative_to(self.root)),
            REMOTE_VARIABLE: self._remote,
            WORKSPACE_VARIABLE: str(self.root),
        }


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _as_text(sections: Mapping[str, Mapping[str, str]]) -> str:
    """A configuration in the words of the parser that DVC reads it with."""
    from configobj import ConfigObj, ConfigObjError

    try:
        return "\n".join(ConfigObj(sections, interpolation=False).write()) + "\n"
    except ConfigObjError as error:
        raise DvcError(f"DVC's configuration cannot say {sections}: {error}") from None


def _names_holders(rwlock: Path) -> bool:
    """Whether a table of DVC's locks is anything but the empty one that DVC leaves behind."""
    try:
        return any(json.loads(rwlock.read_text()).values())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, AttributeError):
        return True
