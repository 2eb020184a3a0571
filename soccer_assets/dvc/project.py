"""A DVC project on this machine: reproduced and pushed by one process at a time.

This module and what it imports know nothing of any particular pipeline.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import takewhile
from pathlib import Path

from soccer_assets.dvc.cache import Out
from soccer_assets.dvc.command import PUSHING, THEN, WORKSPACE_VARIABLE, DvcError, stream
from soccer_assets.dvc.lock import LOCK_FILE, read_lock
from soccer_assets.dvc.occupancy import alone_in
from soccer_assets.dvc.pipeline import Pipeline, Stage

log = logging.getLogger(__name__)


class DvcProject:
    """The folder of a ``dvc.yaml``, in a DVC repository.

    Args:
        folder: of ``dvc.yaml``.
        environment: what DVC and the stages are given beside this process's environment.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder.absolute()
        self._given = dict(environment or {})
        #: The lock, while this is alone: children keep it until they end.
        self._held: list[int] = []

    @property
    def root(self) -> Path:
        """The DVC repository.

        Raises:
            DvcError: there is none.
        """
        for place in (self.folder, *self.folder.parents):
            if (place / ".dvc").is_dir():
                return place
        raise DvcError(f"{self.folder} is in no DVC repository: run 'dvc init' there")

    @property
    def pipeline(self) -> Pipeline:
        """``dvc.yaml`` as it is now."""
        return Pipeline.read(self.folder / "dvc.yaml")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else is at work in the project for the length of the block, and nothing in it is
        left over from a process that was killed: reproducing and pushing belong inside.

        Raises:
            Occupied: somebody is, and does not come to an end.
        """
        with alone_in(self.root, self._lock_file()) as lock:
            self._held.append(lock)
            try:
                for found in self._clear():
                    log.warning("%s: cleared up after a killed process: %s", self.root, found)
                yield
            finally:
                self._held.clear()

    def reproduce(
        self, stages: Sequence[str], *, pull: bool = False, push: bool = False
    ) -> Generator[str, None, None]:
        """Run ``dvc repro`` on the stages and what they need; yields its output line by line.

        It ends when the iterator is closed.

        Args:
            pull: whether outs that are not here are pulled where their stage has nothing new to
                read. Otherwise they are made again.
            push: whether the outs are sent to the default remote then, as by ``push``, but a second
                faster.

        Raises:
            DvcError: a stage failed, and then this ends with what was printed last; or the outs
                could not be sent, in one line.
        """
        then = [THEN, *self._push_command(stages)] if push else []
        yield from self._told(*self._reproduce_command(stages, pull), *then)

    def push(self, stages: Sequence[str] = ()) -> list[str]:
        """Send the outs of these stages, or all, to the default remote; returns what DVC printed.

        Raises:
            DvcError: they could not be sent; in one line.
        """
        return list(self._told(*self._push_command(stages)))

    def default_remote(self) -> str | None:
        """The URL of the remote that outs are pushed to; None where there is none."""
        from dvc.config import Config

        config = Config(str(self.root / ".dvc"))
        name = config["core"].get("remote")
        return config["remote"].get(name, {}).get("url", name)

    def outs(self) -> dict[str, Out]:
        """Path relative to ``folder`` -> out, for all stages that have run.

        Raises:
            DvcError: ``dvc.lock`` is not what DVC writes.
        """
        lock = self.path(LOCK_FILE)
        if not lock.exists():
            return {}
        text = lock.read_text("utf-8", errors="replace")
        return read_lock(text, str(lock), self._known_stages())

    def path(self, out: Path | str) -> Path:
        """The file of an out."""
        return self.folder / out

    def _known_stages(self) -> Sequence[Stage]:
        """Those that the lock is read by."""
        return self.pipeline.stages

    def _lock_file(self) -> Path:
        """Whose lock says that somebody is at work: where nobody commits it."""
        memory = self.root / ".dvc" / "tmp"
        memory.mkdir(exist_ok=True)
        return memory / "reproduction.lock"

    def _clear(self) -> Iterator[str]:
        """Leave nothing that could stop DVC, or that it would wrongly trust; yields what was wrong."""
        rwlock = self.root / ".dvc" / "tmp" / "rwlock"
        if _names_holders(rwlock):
            rwlock.unlink()
            yield ".dvc/tmp/rwlock was left over"
        if not self._is_readable():
            self.path(LOCK_FILE).unlink()
            yield f"dvc.lock was unreadable, {self._restored_lock()}"

    def _restored_lock(self) -> str:
        """Where a lock comes from in place of one that could not be read."""
        return "removed: stages run again, or are found among earlier runs"

    def _is_readable(self) -> bool:
        self._known_stages()  # a pipeline that cannot be read says nothing about its lock
        try:
            self.outs()
        except DvcError:
            return False
        return True

    def _reproduce_command(self, stages: Sequence[str], pull: bool) -> Sequence[str]:
        return ["repro", *(["--pull"] if pull else []), *stages]

    def _push_command(self, stages: Sequence[str]) -> Sequence[str]:
        return ["push", *(["--with-deps", *stages] if stages else [])]

    def _told(self, *command: str) -> Iterator[str]:
        """Output of a command, which may end in a push that fails."""
        is_pushing = False
        try:
            with closing(self._dvc(*command)) as lines:
                for line in lines:
                    is_pushing |= line == PUSHING
                    yield line
        except DvcError as error:
            if not is_pushing:
                raise
            reasons = dict.fromkeys(re.findall("^ERROR: (.*)", str(error), re.MULTILINE))
            told = "; ".join(reasons) or " ".join(str(error).split())
            raise DvcError(f"outs could not be pushed to {self.default_remote()}: {told}") from None

    def _dvc(self, *arguments: str) -> Generator[str, None, None]:
        first = takewhile(lambda word: word != THEN, arguments)
        yield from stream(
            [sys.executable, "-m", __package__, *arguments],
            name=" ".join(("dvc", *(word for word in first if not word.startswith("-")))),
            folder=self.folder,
            environment=self._environment(),
            keep_open=self._held,
        )

    def _environment(self) -> dict[str, str]:
        """Stages run with this interpreter, whatever the caller's PATH."""
        bin_folder = str(Path(sys.executable).parent)
        return {
            **os.environ,
            **self._given,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONUNBUFFERED": "1",
            WORKSPACE_VARIABLE: str(self.root),
        }


def _names_holders(rwlock: Path) -> bool:
    """Whether a table of DVC's locks is anything but the empty one that DVC leaves behind."""
    try:
        return any(json.loads(rwlock.read_text()).values())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, AttributeError):
        return True
