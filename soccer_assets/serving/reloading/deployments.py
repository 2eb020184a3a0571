"""One Deployment of Kubernetes, read and restarted through the API server.

As the pod's service account, which needs to ``get`` and ``patch`` this one Deployment and nothing else.
Its token is read from its file, which Kubernetes renews, and is shown nowhere.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from kubernetes.client import ApiClient, ApiException, AppsV1Api, Configuration, V1Deployment
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.incluster_config import InClusterConfigLoader

from soccer_assets.serving.client import WorkerError, WorkerRefused, WorkerUnreachable

#: Where Kubernetes leaves a pod the token, the CA and the namespace of its service account.
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
#: What ``kubectl rollout restart`` writes: another pod template, and so other pods.
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_POINTER = "/spec/template/metadata/annotations/" + RESTARTED_AT.replace("/", "~1")
_LATE = "ProgressDeadlineExceeded"
_UNAUTHORISED, _TOO_MANY_REQUESTS = 401, 429
_REQUEST_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """What the API server says of a Deployment."""

    template: str
    """Of its pods: other text, another template."""
    restarted_at: str | None
    generation: int
    observed: int
    """The generation that the figures are about."""
    wanted: int
    updated: int
    total: int
    available: int
    late: str | None
    """What it says if no progress was made for as long as the Deployment allows."""
    is_paused: bool

    @property
    def is_known(self) -> bool:
        """Whether the figures are about the Deployment as it was asked for last."""
        return self.observed >= self.generation

    @property
    def is_done(self) -> bool:
        """Whether all pods are of the newest template, and count: as ``kubectl rollout status`` has
        it."""
        return self.updated >= self.wanted and self.total <= self.updated <= self.available

    def __str__(self) -> str:
        return f"{self.updated} of {self.wanted} pods are new, {self.available} available"


class Deployment:
    """Each question raises WorkerUnreachable or WorkerRefused."""

    def __init__(
        self,
        name: str,
        *,
        account: Path = SERVICE_ACCOUNT,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Args:
        name: its own, or its namespace's and its own: ``namespace/name``. Else it is in the pod's.
        account: where the token, the CA and the namespace of the service account are.
        environment: where Kubernetes tells a pod its API server.

        Raises:
            WorkerError: this is no pod, or one that has no service account.
        """
        self._account, self._environment = account, environment
        namespace, _, self._name = name.rpartition("/")
        self.name = f"deployment {name}"
        self._api = self._connect()
        self._namespace = namespace or self._own_namespace()
        self.name = f"deployment {self._namespace}/{self._name}"

    def read(self) -> Rollout:
        return self._ask(
            "get",
            lambda: self._api.read_namespaced_deployment(
                self._name, self._namespace, _request_timeout=_REQUEST_SECONDS
            ),
        )

    def restart(self, at: str) -> Rollout:
        """Have all pods replaced; the same again changes nothing."""
        annotations = {RESTARTED_AT: at}
        body = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        return self._patch("restart", body, "application/strategic-merge-patch+json")

    def undo(self, at: str, before: str | None) -> Rollout:
        """Put the pod template back, for whose pods Kubernetes has kept a ReplicaSet; not if it is
        another than the restart ``at`` has made, which is refused."""
        put_back: dict[str, str] = {"op": "remove", "path": _POINTER}
        if before is not None:
            put_back = {"op": "replace", "path": _POINTER, "value": before}
        body = [{"op": "test", "path": _POINTER, "value": at}, put_back]
        return self._patch("undo the restart of", body, "application/json-patch+json")

    def _patch(self, what: str, body: Any, content_type: str) -> Rollout:
        return self._ask(
            what,
            lambda: self._api.patch_namespaced_deployment(
                self._name,
                self._namespace,
                body,
                _content_type=content_type,
                _request_timeout=_REQUEST_SECONDS,
            ),
        )

    def _ask(self, what: str, question: Callable[[], V1Deployment]) -> Rollout:
        try:
            try:
                return _seen(question())
            except ApiException as error:
                if error.status != _UNAUTHORISED:
                    raise
            # The token was renewed, and the library reads it once a minute.
            self._api = self._connect()
            return _seen(question())
        except ApiException as error:
            status = error.status
            problem = f"the API server answered {status} to {what} it{_message(error)}"
        except (urllib3.exceptions.HTTPError, OSError) as error:
            status, problem = 0, f"no answer from the API server ({type(error).__name__})"
        except AttributeError as error:  # of the library, which expects an answer to every error
            if not isinstance(error.__context__, ApiException):
                raise
            status, problem = 0, "no answer from the API server (SSLError)"
        except ValueError:  # whose message has it
            status, problem = _UNAUTHORISED, "the token cannot be sent, or the answer not be read"
        # Raised out here so that the new error does not drag the request and its token along.
        if not status or status >= 500 or status == _TOO_MANY_REQUESTS:
            raise WorkerUnreachable(self.name, problem)
        raise WorkerRefused(self.name, problem, status)

    def _connect(self) -> AppsV1Api:
        configuration = Configuration()
        # No proxy: the token goes to the API server and nowhere else.
        configuration.proxy = None
        # Whoever asks knows what may be asked again.
        configuration.retries = False
        try:
            InClusterConfigLoader(
                token_filename=str(self._account / "token"),
                cert_filename=str(self._account / "ca.crt"),
                environ=self._environment,
            ).load_and_set(configuration)
        except (ConfigException, OSError) as error:
            problem = f"this is no pod that may use the API server: {error}"
        else:
            return AppsV1Api(ApiClient(configuration))
        raise WorkerError(self.name, problem)

    def _own_namespace(self) -> str:
        try:
            return (self._account / "namespace").read_text().strip()
        except OSError as error:
            problem = f"the pod's namespace cannot be read: {error.strerror}"
        raise WorkerError(self.name, problem)


def _seen(deployment: V1Deployment) -> Rollout:
    spec, status = deployment.spec, deployment.status
    annotations = spec.template.metadata.annotations if spec.template.metadata else None
    late = [
        condition.message or condition.reason
        for condition in status.conditions or []
        if condition.type == "Progressing" and condition.reason == _LATE
    ]
    return Rollout(
        template=json.dumps(_solid(spec.template.to_dict()), sort_keys=True, default=str),
        restarted_at=(annotations or {}).get(RESTARTED_AT),
        generation=deployment.metadata.generation or 0,
        observed=status.observed_generation or 0,
        wanted=1 if spec.replicas is None else spec.replicas,
        updated=status.updated_replicas or 0,
        total=status.replicas or 0,
        available=status.available_replicas or 0,
        late=late[0] if late else None,
        is_paused=bool(spec.paused),
    )


def _solid(value: Any) -> Any:
    """Without what is empty: no annotations are the same as none."""
    if isinstance(value, dict):
        whole = {key: _solid(one) for key, one in value.items()}
        return {key: one for key, one in whole.items() if one not in (None, {}, [])}
    return [_solid(one) for one in value] if isinstance(value, list) else value


def _message(error: ApiException) -> str:
    """What the API server says in words, which names the service account and not its token."""
    try:
        said = str(json.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {said[:300]}"
