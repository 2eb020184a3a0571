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

from soccer_assets.dvc.command import REMOTE_VARIABLE


def main() -> None:
    """Run ``dvc`` with the arguments of this process."""
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    threading.Thread(target=_end_with_parent, args=(pipe,), daemon=True).start()
    if meant := os.environ.get(REMOTE_VARIABLE):
        _check_remote(meant)
    from dvc.cli import main as dvc

    sys.exit(dvc(sys.argv[1:]))


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
