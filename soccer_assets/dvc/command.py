"""Runs the commands of a workspace: their output comes line by line, and they end with us."""

import os
import signal
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

#: In the environment of the commands of a workspace: its folder, and the remote it means DVC to have,
#: where that is not left to DVC's configuration.
WORKSPACE_VARIABLE = "REPRODUCED_WORKSPACE"
REMOTE_VARIABLE = "REPRODUCED_REMOTE"
#: Between two commands that one process of DVC runs, the second when the first has succeeded.
THEN = "--then"
#: What is printed before a push.
PUSHING = "Pushing outs:"
#: Lines of a command's output that its error repeats.
TAIL_LINES = 20


class DvcError(Exception):
    """The workspace cannot be used, or a command failed, and then this ends with what it printed."""


class Occupied(DvcError):
    """Somebody else is at work in the workspace; says who."""


def stream(
    command: Sequence[str],
    *,
    name: str,
    folder: Path,
    environment: Mapping[str, str],
    keep_open: Sequence[int] = (),
) -> Iterator[str]:
    """Run a command in ``folder``; yields its output line by line.

    When the iterator is closed or an exception passes through it, the command and all that it
    started are killed: consume it, or wrap it in ``contextlib.closing``. The command's standard
    input is a pipe that nothing is written to, and whose end says that this process is gone.

    Args:
        name: what the error calls the command.
        keep_open: file descriptors that the command inherits.

    Raises:
        DvcError: it failed, or there is no such command.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            text=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A process group of its own, so that all of it can be killed at once.
            start_new_session=True,
            pass_fds=keep_open,
        )
    except FileNotFoundError:
        raise DvcError(f"{command[0]} is not on the PATH") from None
    assert process.stdin is not None
    assert process.stdout is not None
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    try:
        for line in process.stdout:
            if text := line.rstrip():
                tail.append(text)
                yield text
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        process.wait()
        process.stdin.close()
        process.stdout.close()
    if process.returncode:
        raise DvcError("\n".join((f"{name} exited {process.returncode}:", *tail)))
