"""``dvc`` as a workspace runs it: it and its stages end when the process that started it does.

The standard input is a pipe that only the parent holds open (see ``command``): it ends when the
parent ends, however it was killed. Unlike a death signal this needs nothing that only Linux has,
does not hang on the thread that started the child, and reaches the stages, which are in the same
process group.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from soccer_assets.dvc.command import PUSHING, REMOTE_VARIABLE, THEN
from soccer_assets.dvc.forks import FORKS_VARIABLE, StageServer, modules_of, take_over


def main() -> None:
    """Run ``dvc`` with the arguments of this process: one command, or several with ``THEN``
    between them, which load DVC once."""
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    commands = list(_commands(sys.argv[1:]))
    stages = None
    if FORKS_VARIABLE in os.environ and any(command[0] == "repro" for command in commands):
        stages = StageServer.start(modules_of(Path("dvc.yaml")))  # a fork: before there are threads
    threading.Thread(target=_end_with_parent, args=(pipe,), daemon=True).start()
    remote = os.environ.get(REMOTE_VARIABLE)
    if remote:
        _check_remote(remote)
    from dvc.cli import main as dvc

    if stages:
        take_over(stages)
    for command in commands:
        if command[0] == "push":
            print(PUSHING, flush=True)
            if remote and "://" not in remote:
                _discard_torn(Path(remote))
        if status := dvc(command):
            sys.exit(status)


def _commands(words: list[str]) -> Iterator[list[str]]:
    while THEN in words:
        end = words.index(THEN)
        yield words[:end]
        words = words[end + 1 :]
    yield words


def _discard_torn(remote: Path) -> None:
    from soccer_assets.dvc.cache import discard_torn
    from soccer_assets.dvc.lock import LOCK_FILE, read_lock

    lock = Path(LOCK_FILE)
    outs = read_lock(lock.read_text("utf-8"), str(lock)) if lock.exists() else {}
    discard_torn(remote, Path(".dvc") / "cache", outs.values())


def _end_with_parent(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def _check_remote(meant: str) -> None:
    """DVC's configuration is text that is parsed: what it reads must be what was written."""
    from configobj import InterpolationError
    from dvc.config import Config, ConfigError

    try:
        found = Config.from_cwd()["remote"]["store"]["url"]
    except (ConfigError, InterpolationError) as error:
        found = str(error)
    if found != meant:
        sys.exit(f"DVC reads {found!r} as its remote, not {meant!r}: choose another path")


if __name__ == "__main__":
    main()
