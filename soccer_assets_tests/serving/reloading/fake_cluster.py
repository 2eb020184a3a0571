"""As much of Kubernetes as a rollout needs: an API server over TLS, the controller that replaces the pods
of one Deployment, and the Service before them. Strict where a real API server is."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PATH = "/apis/apps/v1/namespaces/football/deployments/soccer-worker"
MERGE, JSON_PATCH = "application/strategic-merge-patch+json", "application/json-patch+json"


@dataclass
class Pod:
    template: str
    version: int
    is_ready: bool = True


@dataclass
class Cluster:
    """One Deployment with maxSurge 1 and maxUnavailable 0. Its controller takes a step each time that
    somebody looks."""

    replicas: int = 2
    published: int = 1
    stuck_after: int | None = None
    """So many pods of another template than the first get ready, and no more."""
    patience: int = 4
    """Steps without progress after which the Deployment says so."""
    token: str = "token-of-the-account"
    verbs: frozenset[str] = frozenset({"get", "patch"})
    failing: list[int] = field(default_factory=list)
    """Statuses that the next questions are answered with."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    annotations: dict[str, str] | None = None
    image: str = "soccer:7"
    is_paused: bool = False
    generation: int = 1
    observed: int = 1
    idle: int = 0
    most_away: int = 0
    """How many pods were missing at once."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.pods = [Pod(self.template, self.published) for _ in range(self.replicas)]
        self._turn, self._first = 0, self.template

    @property
    def template(self) -> str:
        return json.dumps([self.image, self.annotations], sort_keys=True)

    def step(self) -> None:
        self.observed = self.generation
        new = [pod for pod in self.pods if pod.template == self.template]
        old = [pod for pod in self.pods if pod.template != self.template]
        coming = next((pod for pod in new if not pod.is_ready), None)
        ready = sum(pod.is_ready for pod in self.pods)
        broken = next((pod for pod in old if not pod.is_ready), None)
        self.idle += 1
        if broken is not None:
            self.pods.remove(broken)
        elif coming is not None:
            is_stuck = self.stuck_after is not None and len(new) > self.stuck_after
            if is_stuck and self.template != self._first:
                return
            coming.is_ready = True
        elif len(new) < self.replicas and len(self.pods) <= self.replicas:
            self.pods.append(Pod(self.template, self.published, is_ready=False))
        elif old and ready > self.replicas:
            self.pods.remove(old[0])
        else:
            return
        self.idle = 0
        self.most_away = max(self.most_away, self.replicas - sum(p.is_ready for p in self.pods))

    def answer_of_a_pod(self) -> int:
        """The version that the Service's next pod serves."""
        with self.lock:
            ready = [pod for pod in self.pods if pod.is_ready]
            self._turn += 1
            return ready[self._turn % len(ready)].version

    def document(self) -> dict[str, Any]:
        new = [pod for pod in self.pods if pod.template == self.template]
        is_done = len(new) == len(self.pods) and all(pod.is_ready for pod in new)
        is_late = self.idle >= self.patience and not is_done
        progressing = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
        if is_late:
            progressing = {
                "type": "Progressing",
                "status": "False",
                "reason": "ProgressDeadlineExceeded",
                "message": 'ReplicaSet "soccer-worker-5d9" has timed out progressing.',
            }
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "soccer-worker", "generation": self.generation},
            "spec": {
                "replicas": self.replicas,
                "paused": self.is_paused,
                "selector": {"matchLabels": {"app": "worker"}},
                "template": {
                    "metadata": {"labels": {"app": "worker"}, "annotations": self.annotations},
                    "spec": {"containers": [{"name": "worker", "image": self.image}]},
                },
            },
            "status": {
                "observedGeneration": self.observed,
                "replicas": len(self.pods),
                "updatedReplicas": len(new),
                "availableReplicas": sum(pod.is_ready for pod in self.pods),
                "conditions": [progressing],
            },
        }

    def patch(self, body: Any, content_type: str) -> tuple[int, str]:
        """The status, and what is wrong."""
        if content_type == MERGE:
            return self._merge(body)
        if content_type == JSON_PATCH:
            return self._apply(body)
        return 415, f"the body of the request was in an unknown format: {content_type}"

    def _merge(self, body: Any) -> tuple[int, str]:
        try:
            given = body["spec"]["template"]["metadata"]["annotations"]
        except (KeyError, TypeError):
            return 400, "strict decoding error"
        if set(body) != {"spec"} or set(body["spec"]) != {"template"}:
            return 403, "more than the pod template was to be changed"
        merged = {**(self.annotations or {}), **given}
        self._become({name: value for name, value in merged.items() if value is not None})
        return 200, ""

    def _apply(self, body: Any) -> tuple[int, str]:
        annotations = dict(self.annotations or {})
        for operation in body:
            prefix, _, name = operation["path"].rpartition("/")
            name = name.replace("~1", "/").replace("~0", "~")
            if prefix != "/spec/template/metadata/annotations":
                return 403, f"{operation['path']} was to be changed"
            if name not in annotations:
                return 422, f"the server rejected our request: no {name}"
            if operation["op"] == "test" and annotations[name] != operation["value"]:
                return 422, "the server rejected our request due to an error in our request"
            if operation["op"] == "replace":
                annotations[name] = operation["value"]
            if operation["op"] == "remove":
                del annotations[name]
        self._become(annotations or None)
        return 200, ""

    def _become(self, annotations: dict[str, str] | None) -> None:
        if annotations != self.annotations:
            self.annotations = annotations
            self.generation += 1
            self.idle = 0


class _ApiHandler(BaseHTTPRequestHandler):
    cluster: Cluster
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("get")

    def do_PATCH(self) -> None:
        self._answer("patch")

    def do_POST(self) -> None:
        self._answer("create")

    do_PUT = do_DELETE = do_POST

    def _answer(self, verb: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.cluster.lock:
            status, document = self._judge(verb, body)
        answer = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _judge(self, verb: str, body: bytes) -> tuple[int, dict[str, Any]]:
        cluster, path = self.cluster, self.path
        cluster.asked.append((verb, path))
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        if cluster.failing:
            return _status(cluster.failing.pop(0), "the server is not ready")
        if scheme.lower() != "bearer" or token != cluster.token:
            return _status(401, "Unauthorized")
        if verb not in cluster.verbs or path != PATH:
            return _status(
                403,
                'deployments.apps "soccer-worker" is forbidden: User '
                f'"system:serviceaccount:football:code-server" cannot {verb} resource {path}',
            )
        if verb == "patch":
            content_type = self.headers.get("Content-Type") or ""
            status, wrong = cluster.patch(json.loads(body), content_type)
            if wrong:
                return _status(status, wrong)
        document = cluster.document()
        if verb == "get":
            cluster.step()
        return 200, document

    def log_message(self, *_: Any) -> None:
        pass


def _status(code: int, message: str) -> tuple[int, dict[str, Any]]:
    document = {"apiVersion": "v1", "kind": "Status", "status": "Failure", "message": message}
    return code, {**document, "code": code}


class _ServiceHandler(BaseHTTPRequestHandler):
    cluster: Cluster

    def do_GET(self) -> None:
        if self.path != "/model":
            self.send_error(404)
            return
        version = self.cluster.answer_of_a_pod()
        moments = dict.fromkeys(("promoted_at", "refreshed_at", "loaded_at"), "2025-03-01T12:00Z")
        answer = json.dumps(
            {
                "name": "m",
                "version": version,
                "run_id": f"run-{version}",
                "data_revision": "d",
                "metrics": {},
                "n_predictions": 0,
                "age_seconds": 0,
                **moments,
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@dataclass(frozen=True)
class Inside:
    """What a pod of the cluster is given."""

    cluster: Cluster
    account: Path
    environment: dict[str, str]
    service: str

    def renew(self, token: str) -> None:
        """Give the account another token; the one before is good no more."""
        self.cluster.token = token
        (self.account / "token").write_text(token)


@contextmanager
def inside(cluster: Cluster, folder: Path) -> Iterator[Inside]:
    folder.mkdir(parents=True, exist_ok=True)
    _certify(folder)
    api = ThreadingHTTPServer(("127.0.0.1", 0), type("Api", (_ApiHandler,), {"cluster": cluster}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    api.socket = context.wrap_socket(api.socket, server_side=True)
    handler = type("Service", (_ServiceHandler,), {"cluster": cluster})
    service = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    (folder / "token").write_text(cluster.token)
    (folder / "namespace").write_text("football")
    servers = (api, service)
    for one in servers:
        one.daemon_threads = True
        threading.Thread(target=one.serve_forever, args=(0.05,), daemon=True).start()
    where = {
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(api.server_port),
    }
    try:
        yield Inside(cluster, folder, where, f"http://127.0.0.1:{service.server_port}")
    finally:
        for one in servers:
            one.shutdown()
            one.server_close()


def _certify(folder: Path) -> None:
    """A CA, and a server on loopback that it vouches for."""
    now = datetime.now(UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cluster")])
    ca_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())

    def begun(name: x509.Name, of: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(of.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    ca = (
        begun(ca_name, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(ca_id, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    server = (
        begun(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api")]), key)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.crt").write_bytes(ca.public_bytes(pem))
    (folder / "server.crt").write_bytes(server.public_bytes(pem))
    (folder / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
