"""Debian's RabbitMQ as a plain process, where it is installed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote

from benchmarks.processes import free_port, listens, running

#: What to install where there is none.
PACKAGE = "rabbitmq-server"
#: After which it takes back what a worker has not acknowledged, as docs/deployment.md says.
DAY_MS = 24 * 3600 * 1000
#: Not the commands in the path, which change user.
_PROGRAMS = Path("/usr/lib/rabbitmq/bin")


def is_installed() -> bool:
    return (_PROGRAMS / "rabbitmq-server").exists()


def is_missed_by(benchmark: str) -> bool:
    """Whether a benchmark has to be left out for want of a broker, which is told then."""
    if is_installed():
        return False
    print(
        f"{benchmark} is left out: there is no RabbitMQ (Debian: apt install {PACKAGE})",
        file=sys.stderr,
    )
    return True


@dataclass(frozen=True)
class Broker:
    """One that can be started again where it was, with what it had on disk."""

    url: str
    port: int
    log: Path
    environment: Mapping[str, str]

    @contextmanager
    def up(self, how: int = signal.SIGTERM) -> Iterator[str]:
        """Its URL, as long as the block; then it is ended by this signal."""
        try:
            with running(
                [_PROGRAMS / "rabbitmq-server"], self.log, self._is_up, self.environment, how
            ):
                yield self.url
        finally:
            # What finds nodes by their names stays behind.
            names = self.environment["ERL_EPMD_PORT"]
            subprocess.run(["epmd", "-port", names, "-kill"], capture_output=True, check=False)

    def _is_up(self) -> bool:
        return (
            listens(self.port)
            and not subprocess.run(
                [_PROGRAMS / "rabbitmqctl", "-q", "await_startup", "--timeout", "60"],
                env={**os.environ, **self.environment},
                capture_output=True,
                check=False,
            ).returncode
        )


@contextmanager
def rabbitmq(folder: Path) -> Iterator[str]:
    """URL of a broker: see ``new_broker``."""
    with new_broker(folder).up() as url:
        yield url


def new_broker(folder: Path) -> Broker:
    """A broker with a user and a password that has characters of its own.

    Args:
        folder: of all its files.
    """
    home = folder / "rabbitmq"
    home.mkdir(parents=True)
    port = free_port()
    password = f"{token_hex(8)}@/%"
    (home / "plugins").write_text("[].")
    (home / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\nconsumer_timeout = {DAY_MS}\n"
        f"default_user = soccer\ndefault_pass = {password}\n"
    )
    environment = {
        "HOME": str(home),
        "RABBITMQ_NODENAME": f"soccer{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
    }
    url = f"amqp://soccer:{quote(password, safe='')}@127.0.0.1:{port}//"
    return Broker(url, port, folder / "rabbitmq.log", environment)
