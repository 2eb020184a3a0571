"""Talks to a worker over HTTP."""

from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from soccer_assets.serving.schemas import ModelInfo, PredictionPage, Readiness, ReloadResult

Answer = TypeVar("Answer", bound=BaseModel)


class WorkerError(RuntimeError):
    """A worker did not do what it was asked; the message never holds the token."""

    def __init__(self, worker: str, problem: str) -> None:
        """``worker``: by its URL, or whatever else it is asked by."""
        super().__init__(f"{worker}: {problem}")
        self.worker = worker
        self.problem = problem


class WorkerUnreachable(WorkerError):
    """No answer: the worker is down, or too slow."""


class WorkerRefused(WorkerError):
    """An answer, but not the one wanted."""

    def __init__(self, worker: str, problem: str, status_code: int) -> None:
        super().__init__(worker, problem)
        self.status_code = status_code


class WorkerClient:
    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        timeout: float = 30.0,
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ValueError("the worker's token has characters that no HTTP header can carry")
        self._token = token or None
        self.url = str(httpx.URL(base_url).copy_with(userinfo=b"")).rstrip("/")
        # No proxy and no .netrc: the token goes to the worker and nowhere else.
        self._http = httpx.Client(
            base_url=self.url, timeout=timeout, transport=transport, trust_env=False
        )

    def __repr__(self) -> str:
        return f"WorkerClient({self.url!r})"

    @property
    def name(self) -> str:
        return self.url

    def __enter__(self) -> "WorkerClient":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def reload(self) -> ReloadResult:
        return self._ask(ReloadResult, "POST", "/reload", headers=self._authorised())

    def restore(self) -> ReloadResult:
        """Have it serve the champion before again, which it keeps for a while."""
        return self._ask(ReloadResult, "POST", "/restore", headers=self._authorised())

    def _authorised(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def model(self) -> ModelInfo:
        return self._ask(ModelInfo, "GET", "/model")

    def ready(self) -> Readiness:
        """Not being ready is an answer, not an error."""
        return self._ask(Readiness, "GET", "/readyz", accept=(200, 503))

    def predictions(self, limit: int = 50, *, cursor: str | None = None) -> PredictionPage:
        params: dict[str, str | int] = {"limit": limit}
        if cursor is not None:
            params["cursor"] = cursor
        return self._ask(PredictionPage, "GET", "/predictions", params=params)

    def _ask(
        self,
        answer: type[Answer],
        method: str,
        path: str,
        accept: tuple[int, ...] = (200,),
        **request: Any,
    ) -> Answer:
        response = self._send(method, path, **request)
        status = response.status_code
        if status not in accept:
            raise WorkerRefused(
                self.url, f"{method} {path} answered {status}{self._detail(response)}", status
            )
        try:
            return answer.model_validate_json(response.content)
        except ValidationError:
            problem = f"{method} {path} answered {status} with something unreadable"
        raise WorkerRefused(self.url, problem, status)

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            problem = f"{method} {path} got no answer ({type(error).__name__})"
        # Raised out here so that the new error does not drag the request and its token along.
        raise WorkerUnreachable(self.url, problem)

    def _detail(self, response: httpx.Response) -> str:
        try:
            detail = str(response.json()["detail"])
        except (ValueError, KeyError, TypeError):
            return ""
        if self._token:
            detail = detail.replace(self._token, "***")
        return f": {detail[:300]}"


def serves_another(result: ReloadResult, run_id: str | None) -> bool:
    """Whether a reload has brought in the model of another training, so of another database."""
    return None not in (run_id, result.run_id) and result.run_id != run_id


def stranger(client: WorkerClient, run_id: str | None = None) -> str | None:
    """Why the worker that answers a client is not one of this home's; None if it is, as far as it
    says. It is reloaded on the way.

    Args:
        client: with this home's token.
        run_id: the training whose model this home serves.
    """
    try:
        result = client.reload()
    except WorkerRefused as error:
        return "it does not know the reload token" if error.status_code in (401, 403) else None
    except WorkerUnreachable:
        return None
    if serves_another(result, run_id):
        return f"it serves the model of run {result.run_id}"
    return None
