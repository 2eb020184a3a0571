"""The DVC workspace: a git repository of its own, beside the data, that runs ``dvc.yaml``.

It holds copies of ``dvc.yaml`` and of the parameters that the stages read, a version of each stage's
code, and the lake manifest. Every reproduction is pushed to the remote; its revision names the exact
bytes of every out, and git keeps the history of those that were reproduced here.

What the machine and its user configure for git and DVC stays outside; what killed processes left
behind is cleared away by the next one that is alone in it.
"""

import json
import logging
import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from soccer_assets.dvc.boot import boot
from soccer_assets.dvc.cache import keep_only
from soccer_assets.dvc.command import REMOTE_VARIABLE, DvcError
from soccer_assets.dvc.definition import PIPELINE_FILE, picked, stage_code_version
from soccer_assets.dvc.forks import FORKS_VARIABLE
from soccer_assets.dvc.lock import LOCK_FILE
from soccer_assets.dvc.pipeline import PARAMS_FILE, Pipeline, Stage
from soccer_assets.dvc.project import DvcProject
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


class DvcWorkspace(DvcProject):
    """Runs this project's pipeline in ``root``.

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
        super().__init__(root, environment)
        self._remote = remote
        self._params_file = params_file
        self._endpoint_url = endpoint_url
        self._region = region
        self._memory = self.folder / ".dvc" / "tmp"
        self._left_whole = self._memory / "left-whole"
        self._repository = Repository(self.folder, self._held)

    @property
    def root(self) -> Path:
        return self.folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Preparing and saving belong inside, too."""
        self.root.mkdir(parents=True, exist_ok=True)
        with super().alone():
            yield
            if self._memory.exists():
                self._left_whole.write_text(boot())

    def prepare(self, lake_manifest: bytes | None = None) -> None:
        """Bring the workspace up to date with the project and, if given, the lake."""
        for folder in (self.root, self.root / ".dvc", self.root / "data"):
            folder.mkdir(parents=True, exist_ok=True)
        self._repository.make()
        stages = Pipeline.read(PIPELINE_FILE).stages
        # With the defaults of what a partial file leaves out: DVC misses sections that are absent.
        params = read_params(self._params_file).model_dump(mode="json")
        named = {name for stage in stages for name in stage.params.get(PARAMS_FILE, ())}
        params = picked(params, sorted(named))
        versions = {stage.name: stage_code_version(stage.name) for stage in stages}
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

    def reproduce(
        self, stages: Sequence[str], *, pull: bool = False, push: bool = False
    ) -> Generator[str, None, None]:
        """What stages go on from is pulled, too."""
        if pull:
            yield from self._pull_persisted()
        yield from super().reproduce(stages, pull=pull, push=push)

    def default_remote(self) -> str:
        return self._remote

    def save_point(self, message: str) -> None:
        """Commit ``dvc.lock`` and what determines it."""
        self._repository.save(_COMMITTED, message)

    @property
    def revision(self) -> Revision:
        """Names the bytes of every out that was reproduced last."""
        return Revision.of(self.root)

    @property
    def cache(self) -> Path:
        """Where DVC keeps outs by their hashes."""
        return self.root / ".dvc" / "cache"

    def _known_stages(self) -> Sequence[Stage]:
        """Any that ran here: ``dvc.yaml`` may be of another version, or torn."""
        return ()

    def _lock_file(self) -> Path:
        return self.root / ".lock"

    def _clear(self) -> Iterator[str]:
        """Nor anything that could stop git."""
        yield from self._repository.heal()
        yield from super()._clear()
        if not self._was_left_whole():
            # DVC's locks, and what it remembers of files: their hashes, and what the remote holds.
            shutil.rmtree(self._memory, ignore_errors=True)
        self._left_whole.unlink(missing_ok=True)
        for unfinished in (
            *self.root.glob(UNFINISHED),
            *(self.root / ".dvc").glob(UNFINISHED),
            # In a directory, it would be part of the out.
            *(self.root / "data").rglob(UNFINISHED),
        ):
            unfinished.unlink()
        yield from keep_only(self.cache, self.outs().values())

    def _was_left_whole(self) -> bool:
        """Whether the last to be alone here came to a good end, since the machine was started."""
        try:
            return self._left_whole.read_text() == boot()
        except (OSError, ValueError):
            return False

    def _restored_lock(self) -> str:
        self._repository.restore(LOCK_FILE)
        if self._is_readable():
            return "back from the save point"
        self.path(LOCK_FILE).unlink(missing_ok=True)
        return "removed"

    def _pull_persisted(self) -> Iterator[str]:
        """Bring what stages go on from; those whose outs cannot be had begin anew."""
        made = self.outs()
        outs = [out for stage in self.pipeline.stages for out in stage.outs]
        if persisted := [out.path for out in outs if out.persisted and out.path in made]:
            try:
                yield from self._dvc("pull", *persisted)
            except DvcError as error:
                log.warning("%s: stages begin anew: %s", self.root, error)

    def _reproduce_command(self, stages: Sequence[str], pull: bool) -> Sequence[str]:
        """What earlier runs made from equal inputs is not looked for: stages make it again."""
        return [*super()._reproduce_command(stages, pull), "--no-run-cache"]

    def _push_command(self, stages: Sequence[str]) -> Sequence[str]:
        """Whatever was reproduced before, too."""
        return super()._push_command(())

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

    def _environment(self) -> dict[str, str]:
        """Whatever the caller's shell and configuration of DVC."""
        inherited = {
            name: _absolute(value) if value and name in _AWS_FILES else value
            for name, value in super()._environment().items()
            if not name.startswith(("DVC_", "GIT_"))
        }
        return {
            **inherited,
            "SHELL": "/bin/sh",
            "PYTHONUTF8": "1",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SYSTEM_CONFIG_DIR": str(self._memory / "none"),
            "DVC_GLOBAL_CONFIG_DIR": str(self._memory / "none"),
            # Relative, for what keeps files there expands ``$NAME`` and ``~``.
            "DVC_SITE_CACHE_DIR": str((self._memory / "site").relative_to(self.root)),
            REMOTE_VARIABLE: self._remote,
            FORKS_VARIABLE: "1",
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
