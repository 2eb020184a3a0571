"""The image, built from the Dockerfile as it is, and what it is for, done in it as its user.

The base is Debian by debootstrap, under the name of the Dockerfile's: no registry is needed. Built
by buildah and run by podman, in a store of their own.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from soccer_assets.settings import project_folder
from soccer_assets_tests.services.containers import PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(5400)]

BASE = "docker.io/library/python:3.11-slim"
IMAGE = "localhost/soccer_assets:test"
LARGEST_BYTES = 1.5e9
#: Programs in containers of this kernel want limits that are not above the session's.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
#: Where a package index is found, and trusted, from this machine.
FROM_HERE = ("PIP_CERT", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_DEFAULT_TIMEOUT")
CERTIFICATES = Path("/etc/ssl/certs")


@dataclass(frozen=True)
class Store:
    """Images and containers apart from the machine's own."""

    folder: Path
    containers: list[str] = field(default_factory=list)

    def command(self, program: str) -> list[str]:
        places = ["--root", str(self.folder / "root"), "--runroot", str(self.folder / "run")]
        runtime = (
            ["--runtime", "runc", "--cgroup-manager", "cgroupfs"] if program == "podman" else []
        )
        return [program, "--storage-driver", "vfs", *places, *runtime]

    def run(self, *command: str, user: str = "", seconds: float = 1800) -> tuple[int, str]:
        """A command in a new container on the network of this machine, to its end."""
        done = subprocess.run(
            [*self.command("podman"), "run", "--rm", *self._options(user), IMAGE, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )
        return done.returncode, done.stdout

    def start(self, *command: str) -> str:
        """A command in a container that stays, whose name this is."""
        name = f"soccer-test-{uuid4().hex[:8]}"
        options = ["--detach", "--name", name, *self._options("")]
        subprocess.run([*self.command("podman"), "run", *options, IMAGE, *command], check=True)
        self.containers.append(name)
        return name

    def execute(self, name: str, *command: str, seconds: float = 1800) -> tuple[int, str]:
        done = subprocess.run(
            [*self.command("podman"), "exec", name, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )
        return done.returncode, done.stdout

    def _options(self, user: str) -> list[str]:
        return ["--network", "host", *LIMITS, *(["--user", user] if user else [])]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    for program in ("podman", "buildah", "runc", "debootstrap"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} (apt-get install {program})")
    if os.geteuid() != 0:
        pytest.skip("debootstrap and a build without a registry need root")
    with tempfile.TemporaryDirectory(prefix="soccer-image-", ignore_cleanup_errors=True) as name:
        opened = Store(Path(name))
        try:
            yield opened
        finally:
            for container in opened.containers:
                subprocess.run(
                    [*opened.command("podman"), "rm", "--force", "--time", "5", container],
                    check=False,
                )


@pytest.fixture(scope="module")
def image(store: Store) -> Store:
    """Built once."""
    root = Path(os.environ.get("SOCCER_TEST_BASE") or store.folder / "base")
    if not root.exists():
        packages = "python3,python3-pip,python3-venv,ca-certificates"
        made = ["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(root)]
        done = subprocess.run(made, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"Debian cannot be fetched: {done.stdout[-300:]}")
    (root / "usr/bin/python").unlink(missing_ok=True)
    (root / "usr/bin/python").symlink_to("python3")
    for file in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        file.unlink()
    packed = store.folder / "base.tar"
    subprocess.run(["tar", "-C", root, "-c", "-f", packed, "."], check=True)
    subprocess.run([*store.command("podman"), "import", "-q", packed, BASE], check=True)
    packed.unlink()
    mounts = ["-v", f"{CERTIFICATES}:{CERTIFICATES}:ro"] if CERTIFICATES.is_dir() else []
    given = [f"--env={name}={os.environ[name]}" for name in FROM_HERE if name in os.environ]
    built = subprocess.run(
        [
            *store.command("buildah"),
            *("bud", "--isolation", "chroot", "--network", "host", "--pull-never"),
            *("--format", "docker", *mounts, *given, "-t", IMAGE, "."),
        ],
        cwd=project_folder(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert built.returncode == 0, built.stdout[-6000:]
    return store


def test_what_the_image_is(image: Store) -> None:
    shown = subprocess.run(
        [*image.command("podman"), "image", "inspect", IMAGE],
        check=True,
        capture_output=True,
        text=True,
    )
    config = json.loads(shown.stdout)[0]
    assert config["Config"]["User"] == "1000"
    environment = dict(pair.split("=", 1) for pair in config["Config"]["Env"])
    assert environment["DAGSTER_HOME"] == "/app"
    health = config.get("Healthcheck") or config["Config"]["Healthcheck"]
    assert health["Test"] == ["CMD", "python", "-m", "soccer_assets.health"]


def test_packages_are_those_that_run_and_small_enough(image: Store) -> None:
    """By what is installed, compiled modules among it."""
    script = (
        "import importlib.metadata as m, json, soccer_assets\n"
        "found = {d.name.lower(): sum(p.stat().st_size for f in d.files or ()"
        " if (p := d.locate_file(f)).is_file()) for d in m.distributions()}\n"
        "print(json.dumps({'at': soccer_assets.__file__, 'found': found}))"
    )
    code, printed = image.run("python", "-c", script)
    assert code == 0, printed
    told = json.loads(printed.splitlines()[-1])
    print(f"{sum(told['found'].values()) / 1e6:.0f} MB of packages")
    assert sum(told["found"].values()) < LARGEST_BYTES
    assert "soccer-assets" in {name.replace("_", "-") for name in told["found"]}
    assert not {"pytest", "moto", "ruff", "mypy", "uv", "selenium"} & told["found"].keys()
    assert "-packages/soccer_assets/" in told["at"]


def test_the_loop_runs_in_it_as_its_user_and_so_do_worker_and_dagster(image: Store) -> None:
    name = image.start("sleep", "3600")
    assert image.execute(name, "id", "-u") == (0, "1000\n")
    code, printed = image.execute(name, "soccer", "demo", seconds=3000)
    assert code == 0, printed[-6000:]
    assert "Coming matches" in printed
    for command, told in (
        (("dagster", "asset", "list"), "champion_model"),
        (("dagster", "definitions", "validate"), "successful"),
        (("dagster", "job", "execute", "-j", "refresh"), "Data and pipelines are up to date"),
    ):
        code, printed = image.execute(name, *command)
        assert code == 0, printed[-6000:]
        assert told in printed, printed[-3000:]


def test_a_worker_and_the_servers_answer_in_it(image: Store) -> None:
    name = image.start("dagster", "dev", "--host", "127.0.0.1", "--port", "33087")
    page = "http://127.0.0.1:33087/server_info"
    check = ("python", "-m", "soccer_assets.health", page)
    wait_until(lambda: image.execute(name, *check)[0] == 0, lambda: image.execute(name, *check)[1])
    serve = "soccer serve --port 33088 > /tmp/worker.log 2>&1 & echo $! > /tmp/worker.pid"
    assert image.execute(name, "sh", "-c", serve)[0] == 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            health = httpx.get("http://127.0.0.1:33088/healthz", trust_env=False).json()
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline, image.execute(name, "cat", "/tmp/worker.log")[1]
            time.sleep(1)
    assert health["status"] == "ok"
