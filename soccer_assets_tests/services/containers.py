"""Containers without images: each service has a network, a file system, a host name and processes of
its own, made by the kernel's namespaces, on this machine's programs.

So what a compose file says of addresses, ports, mounts and secrets holds as it is written, and
nothing has to be translated. What is written inside is lost at the end, but for mounts.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from soccer_assets.settings import project_folder

#: For a machine that does ten things at once.
PATIENCE_SECONDS = 900.0
STOP_SECONDS = 15.0
#: Gives a process its own root: this machine's, of which what is changed stays in memory.
_ENTER = """
set -e
hostname "$NAME"
mount -t tmpfs tmpfs "$WORK"
mkdir "$WORK/upper" "$WORK/work" "$WORK/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$WORK/upper,workdir=$WORK/work" "$WORK/root"
cd "$WORK/root"
mount --rbind /dev dev
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
while read -r source target; do
  if [ -d "$source" ]; then mkdir -p ".$target"
  else mkdir -p "$(dirname ".$target")"; : >> ".$target"; fi
  mount --rbind "$source" ".$target"
done < "$MOUNTS"
mkdir -p ".$CWD"
cd /
exec chroot "$WORK/root" /usr/bin/env -i sh -c 'set -a; . /environment; set +a; cd "$CWD"; exec "$@"' sh "$@"
"""


@dataclass
class Container:
    """One service that runs."""

    name: str
    address: str
    log: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def exit_code(self) -> int | None:
        return self.process.poll()

    def execute(self, *command: str, seconds: float = 60.0) -> tuple[int, str]:
        """Run a command inside, as ``docker compose exec`` does; its exit code and what it printed."""
        try:
            first = self._first.pid
        except (psutil.Error, IndexError):
            return -1, "it has not begun, or has ended"
        entered = ["nsenter", "--target", str(first)]
        entered += ["--mount", "--net", "--uts", "--pid", "--root"]
        inside = 'set -a; . /environment; set +a; cd "$CWD"; exec "$@"'
        try:
            done = subprocess.run(
                [*entered, "/usr/bin/env", "-i", "sh", "-c", inside, "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            return -1, f"no answer in {seconds:g} s"
        return done.returncode, done.stdout

    def processes(self) -> list[psutil.Process]:
        return [self._first, *self._first.children(recursive=True)]

    def kill(self) -> None:
        with suppress(psutil.Error, IndexError):
            self._first.kill()
        self.process.wait()

    def stop(self) -> None:
        with suppress(psutil.Error, IndexError):
            self._first.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    @property
    def _first(self) -> psutil.Process:
        """The first process of its namespace: with it, all others end."""
        return psutil.Process(self.process.pid).children()[0]


class Host:
    """A network, and the containers on it. Names of all are known to all."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._id = f"{os.getpid() % 100000}"
        self._subnet = f"10.{100 + os.getpid() % 100}.{os.getpid() // 100 % 250}"
        self.addresses = {name: f"{self._subnet}.{n}" for n, name in enumerate(names, 2)}
        self._stack = ExitStack()

    def __enter__(self) -> "Host":
        bridge = f"sb{self._id}"
        _run("ip", "link", "add", bridge, "type", "bridge")
        self._stack.callback(_run, "ip", "link", "del", bridge)
        _run("ip", "address", "add", f"{self._subnet}.1/24", "dev", bridge)
        _run("ip", "link", "set", bridge, "up")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        mounts: Mapping[str, Path],
        folder: str = "/",
    ) -> Container:
        """Start a command.

        Args:
            environment: all of it.
            mounts: path inside -> file or folder of this machine.
            folder: where it starts, inside.
        """
        of_container = self._folder / name
        of_container.mkdir(exist_ok=True)
        (work := of_container / "work").mkdir(exist_ok=True)
        hosts = "".join(f"{address} {host}\n" for host, address in self.addresses.items())
        (of_container / "hosts").write_text(f"127.0.0.1 localhost\n{hosts}")
        quoted = (f"{key}={shlex.quote(value)}\n" for key, value in environment.items())
        (of_container / "environment").write_text(
            "".join([*quoted, f"CWD={shlex.quote(folder)}\n"])
        )
        mounted = {
            **{str(path): path for path in {project_folder(), Path(sys.prefix)}},
            "/etc/hosts": of_container / "hosts",
            "/environment": of_container / "environment",
            **mounts,
        }
        lines = (f"{source} {target}\n" for target, source in mounted.items())
        (of_container / "mounts").write_text("".join(lines))
        log = of_container / "log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [
                    *("ip", "netns", "exec", self._network(name)),
                    *("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child"),
                    *("--propagation", "private", "sh", "-c", _ENTER, "sh", *command),
                ],
                env={
                    "PATH": os.environ["PATH"],
                    "NAME": name,
                    "WORK": str(work),
                    "MOUNTS": str(of_container / "mounts"),
                    "CWD": folder,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        container = Container(name, self.addresses[name], log, environment, process)
        self._stack.callback(container.stop)
        return container

    def _network(self, name: str) -> str:
        """A network namespace with the container's address, made once."""
        number = self.addresses[name].rpartition(".")[2]
        network, here, there = (f"{kind}{self._id}-{number}" for kind in ("sn", "sv", "sw"))
        if Path("/run/netns", network).exists():
            return network
        _run("ip", "netns", "add", network)
        self._stack.callback(_run, "ip", "netns", "del", network)
        _run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", network)
        _run("ip", "link", "set", here, "master", f"sb{self._id}", "up")
        inside = ("ip", "-n", network)
        _run(*inside, "address", "add", f"{self.addresses[name]}/24", "dev", there)
        _run(*inside, "link", "set", there, "up")
        _run(*inside, "link", "set", "lo", "up")
        return network


@contextmanager
def host(folder: Path, names: Sequence[str]) -> Iterator[Host]:
    """A host; the test is skipped where the kernel or the user's rights give no namespaces."""
    for program in ("ip", "unshare", "nsenter"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} (Debian's iproute2 and util-linux)")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    opened = Host(folder, names)
    try:
        opened.__enter__()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    try:
        yield opened
    finally:
        opened.__exit__()


def wait_until(
    holds: Callable[[], bool], what: Callable[[], str], seconds: float = PATIENCE_SECONDS
) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.5)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
