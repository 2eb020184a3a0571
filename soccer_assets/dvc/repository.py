"""The workspace's git repository, which is the product's own, on whosever machine it is."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from soccer_assets.dvc.command import DvcError, stream
from soccer_assets.files import write_atomically

BRANCH = "refs/heads/main"
_HEAD = f"ref: {BRANCH}\n"

#: In place of what the user, the system or the repository's own configuration says.
_SETTINGS = {
    "user.name": "soccer_assets",
    "user.email": "soccer_assets@localhost",
    "init.defaultBranch": "main",
    "commit.gpgSign": "false",
    "core.hooksPath": os.devnull,
    "core.excludesFile": os.devnull,
    "core.attributesFile": os.devnull,
    "core.autocrlf": "false",
    "core.safecrlf": "false",
    "core.fsmonitor": "false",
    # What a save point says has survived a power cut, has.
    "core.fsync": "all",
    # Nothing goes on in the background.
    "gc.autoDetach": "false",
    "maintenance.autoDetach": "false",
}


class Repository:
    """Git in ``root``. The folder of the repository is named to git and never searched for: an
    unusable one must not lead to the repository that ``root`` may lie in, and is ours even if
    another user owns its files.

    Args:
        keep_open: file descriptors that git inherits.
    """

    def __init__(self, root: Path, keep_open: Sequence[int] = ()) -> None:
        self._root = root
        self._keep_open = keep_open
        self._folder = root / ".git"

    def make(self) -> None:
        """Create the repository, or complete what there is of it."""
        self._git("init", "--quiet", "--template=")

    def heal(self) -> Iterator[str]:
        """Undo what a killed process or a power cut did to the repository, where nobody is using
        it; yields what was wrong."""
        if not self._folder.exists():
            return
        yield from self._clear_locks()
        if not self._folder.is_dir():
            yield self._set_aside()
            return
        if not any(self._folder.iterdir()):
            yield ".git was empty"
        head = self._folder / "HEAD"
        if not head.is_file() or head.read_bytes() != _HEAD.encode():
            write_atomically(head, _HEAD)
        with suppress(DvcError):
            self.make()
        if not self._works("config", "--local", "--list"):
            (self._folder / "config").unlink(missing_ok=True)
            with suppress(DvcError):
                self.make()
            yield ".git/config was unreadable"
        self._remake_index()
        if self._is_sound():
            return
        commit = self._newest_whole_commit()
        if commit:
            (self._folder / BRANCH).unlink(missing_ok=True)
            self._works("update-ref", BRANCH, commit)
            self._remake_index()
        if self._is_sound():
            yield f"the repository was damaged, and goes on from {commit or 'no commit'}"
        else:
            yield self._set_aside()

    def save(self, files: Sequence[str], message: str) -> None:
        """Commit those of the files that are there."""
        there = [file for file in files if (self._root / file).exists()]
        self._git("add", "--force", "--", *there)
        if self._git("diff", "--cached", "--name-only"):
            self._git("commit", "--quiet", "--no-verify", "--message", message)

    def restore(self, file: str) -> bool:
        """Bring a file back from the newest commit; False if it is in none."""
        return self._works("checkout", BRANCH, "--", file)

    def _clear_locks(self) -> Iterator[str]:
        for lock in sorted(self._folder.rglob("*.lock")):
            lock.unlink(missing_ok=True)
            yield f"{lock.relative_to(self._root)} was left over"

    def _remake_index(self) -> None:
        """It says nothing that the branch does not, and git notices late that it is torn."""
        (self._folder / "index").unlink(missing_ok=True)
        self._works("read-tree", BRANCH)

    def _is_sound(self) -> bool:
        """Whether its state can be read, and its branch leads somewhere if it ever did."""
        if not self._works("status", "--porcelain", "--untracked-files=no"):
            return False
        return self._is_whole(BRANCH) or not self._past_commits()

    def _is_whole(self, commit: str) -> bool:
        return self._works("ls-tree", "-r", f"{commit}^{{tree}}")

    def _newest_whole_commit(self) -> str | None:
        return next(filter(self._is_whole, self._past_commits()), None)

    def _past_commits(self) -> list[str]:
        """Where the branch has pointed to, newest first."""
        try:
            log = (self._folder / "logs" / BRANCH).read_text(errors="replace")
        except OSError:
            return []
        return re.findall(r"^[0-9a-f]{40} ([0-9a-f]{40}) ", log, re.MULTILINE)[::-1]

    def _set_aside(self) -> str:
        """Begin a new repository; the old one stays, for whoever wants to search it."""
        number = 1
        while (aside := self._root / f".git.broken-{number}").exists():
            number += 1
        self._folder.rename(aside)
        self.make()
        return f"the repository was beyond repair: begun anew, the old one is {aside}"

    def _works(self, *arguments: str) -> bool:
        try:
            self._git(*arguments)
        except DvcError:
            return False
        return True

    def _git(self, *arguments: str) -> str:
        settings = [part for pair in _SETTINGS.items() for part in ("-c", "=".join(pair))]
        lines = stream(
            ["git", *settings, *arguments],
            name=f"git {' '.join(arguments)}",
            folder=self._root,
            environment=self._environment(),
            keep_open=self._keep_open,
        )
        return "\n".join(lines)

    def _environment(self) -> dict[str, str]:
        inherited = {name: v for name, v in os.environ.items() if not name.startswith("GIT_")}
        return {
            **inherited,
            "GIT_DIR": str(self._folder),
            "GIT_WORK_TREE": str(self._root),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            # For a git that does not know the last one: it finds no configuration there.
            "HOME": str(self._folder),
            "XDG_CONFIG_HOME": str(self._folder),
            "GIT_DEFAULT_HASH": "sha1",
            "GIT_DEFAULT_REF_FORMAT": "files",
            # Who only reads takes no lock.
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
        }
