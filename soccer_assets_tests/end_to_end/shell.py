"""The project used as people use it: its commands, typed in its folder, on a state of their own."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
import sqlalchemy as sa

from soccer_assets.settings import project_folder
from soccer_assets.warehouse.embedded import leave_embedded_postgres, start_embedded_postgres

BIN = Path(sys.executable).parent
#: All that the commands see of this process's environment.
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")
#: For a machine that does ten things at once.
PATIENCE_SECONDS = 500

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Shell:
    """A shell in the checkout, or another ``folder``, with a ``SOCCER_HOME`` of its own, and
    ``variables`` exported."""

    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: Path = field(default_factory=project_folder)
    patience_seconds: float = PATIENCE_SECONDS

    def run(self, command: str, *arguments: str | Path) -> str:
        """Run a command of this environment to its end; returns all that it printed.

        A command that fails fails the test, with what it printed.
        """
        code, printed = self.attempt(command, *arguments)
        typed = " ".join(map(str, [command, *arguments]))
        assert code == 0, f"`{typed}` exited {code}:\n{printed[-8000:]}"
        return printed

    def fails(self, command: str, *arguments: str | Path) -> str:
        """Run a command that has to fail by itself; returns all that it printed."""
        code, printed = self.attempt(command, *arguments)
        assert code > 0, f"{command} exited {code}:\n{printed[-8000:]}"
        return printed

    def attempt(self, command: str, *arguments: str | Path) -> tuple[int, str]:
        """Run a command to its end; returns its exit code and all that it printed."""
        done = subprocess.run(
            [BIN / command, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=self.patience_seconds,
        )
        return done.returncode, _COLOURS.sub("", done.stdout)

    @contextmanager
    def running(
        self, command: str, *arguments: str, answers_at: str | Callable[[], bool]
    ) -> Iterator[None]:
        """A command that runs until Ctrl-C, from when it answers GET ``answers_at`` with 200, or
        says so in another way."""
        is_up = answers_at if callable(answers_at) else partial(_answers, answers_at)
        output = self.home / f"{command}.log"
        with output.open("wb") as log:
            process = subprocess.Popen(
                [BIN / command, *arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until(lambda: process.poll() is not None or is_up())
            assert process.poll() is None, f"`{command}` ended:\n{output.read_text()[-8000:]}"
            yield
        finally:
            _interrupt(process)

    @contextmanager
    def warehouse(self) -> Iterator[sa.Engine]:
        """The embedded PostgreSQL, which stops afterwards unless some other process uses it."""
        folder = self.home / "postgres"
        engine = sa.create_engine(start_embedded_postgres(folder), poolclass=sa.NullPool)
        try:
            yield engine
        finally:
            leave_embedded_postgres(folder)

    @property
    def postgres_runs(self) -> bool:
        return (self.home / "postgres" / "postmaster.pid").exists()

    @property
    def environment(self) -> dict[str, str]:
        """All that a command in this shell sees of the outside."""
        if (project_folder() / ".env").exists():
            pytest.skip("the checkout has an .env, and these commands would use its services")
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {**inherited, "SOCCER_HOME": str(self.home), **self.variables}


@contextmanager
def open_shell(variables: Mapping[str, str] | None = None) -> Iterator[Shell]:
    """A shell on an empty home, of which nothing is left behind, whatever became of its commands.

    The home is not in pytest's folder: every session of pytest closes that to other users, and the
    PostgreSQL server runs as one of them where the tests run as root.
    """
    with tempfile.TemporaryDirectory(prefix="soccer-home-", ignore_cleanup_errors=True) as home:
        shell = Shell(Path(home), variables or {})
        try:
            yield shell
        finally:
            if shell.postgres_runs:
                with shell.warehouse():
                    pass


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Poll until the condition holds; fails the test if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """What Ctrl-C does, to the command and all that it started; what stays is killed."""
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(True)]
        os.killpg(process.pid, signal.SIGINT)
        _, alive = psutil.wait_procs(family, timeout=60)
        for straggler in alive:
            straggler.kill()
        psutil.wait_procs(alive, timeout=10)
    process.wait()
