"""Debian's RabbitMQ as a plain process, where it is installed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote

from benchmarks.processes import free_port, listens, running

#: What to install where there is none.
PACKAGE = "rabbitmq-server"
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


@contextmanager
def rabbitmq(folder: Path, consumer_timeout: int = 24 * 3600 * 1000) -> Iterator[str]:
    """URL of a broker, with a user and a password that has characters of its own.

    Args:
        folder: of all its files.
        consumer_timeout: milliseconds after which it takes back what a worker has not acknowledged.
    """
    home = folder / "rabbitmq"
    home.mkdir(parents=True)
    port, epmd = free_port(), free_port()
    password = f"{token_hex(8)}@/%"
    (home / "plugins").write_text("[].")
    (home / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\nconsumer_timeout = {consumer_timeout}\n"
        f"default_user = soccer\ndefault_pass = {password}\n"
    )
    environment = {
        "HOME": str(home),
        "RABBITMQ_NODENAME": f"soccer{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
    }

    def is_up() -> bool:
        return (
            listens(port)
            and not subprocess.run(
                [_PROGRAMS / "rabbitmqctl", "-q", "await_startup", "--timeout", "60"],
                env={**os.environ, **environment},
                capture_output=True,
                check=False,
            ).returncode
        )

    try:
        with running([_PROGRAMS / "rabbitmq-server"], folder / "rabbitmq.log", is_up, environment):
            yield f"amqp://soccer:{quote(password, safe='')}@127.0.0.1:{port}//"
    finally:
        # What finds nodes by their names stays behind.
        subprocess.run(["epmd", "-port", str(epmd), "-kill"], capture_output=True, check=False)
