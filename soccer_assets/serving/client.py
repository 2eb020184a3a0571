"""Talks to workers: one at a time, or all of them in turn when a new champion is served."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from soccer_assets.serving.schemas import ModelInfo, PredictionPage, Readiness, ReloadResult

POLL_SECONDS = 0.2
Answer = TypeVar("Answer", bound=BaseModel)


class WorkerError(RuntimeError):
    """A worker did not do what it was asked; the message never holds the token."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"{url}: {problem}")
        self.url = url
        self.problem = problem


class WorkerUnreachable(WorkerError):
    """No answer: the worker is down, or too slow."""


class WorkerRefused(WorkerError):
    """An answer, but not the one wanted."""

    def __init__(self, url: str, problem: str, status_code: int) -> None:
        super().__init__(url, problem)
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


@dataclass(frozen=True, slots=True)
class WorkerReport:
    url: str
    version_before: int | None
    version_after: int | None
    ready: bool
    seconds: float
    error: str | None
    cause: WorkerError | None = None
    """What the worker did when it was told to reload."""
    restored: bool | None = None
    """Whether it serves the champion before again, as a later worker has failed; None: it need not."""
    run_before: str | None = None
    run_after: str | None = None

    @property
    def ok(self) -> bool:
        return self.error is None


def reload_workers(
    clients: Sequence[WorkerClient],
    expected_version: int,
    timeout: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    *,
    expected_run: str | None = None,
) -> list[WorkerReport]:
    """Reload one worker after the other, each given ``timeout`` seconds to serve the version, and
    the one of ``expected_run`` if that is given: versions are counted anew in every registry.

    Stops at the first that fails, so the last report may be a failure and the workers after it
    have no report and were not touched. Those that had a new champion by then, the failed one too if
    it has, serve the one before again: no two workers answer by different models. Newer predictions of
    the same champion stay.
    """
    reports: list[WorkerReport] = []
    for client in clients:
        reports.append(
            _reload_worker(client, expected_version, expected_run, timeout, sleep, clock)
        )
        if not reports[-1].ok:
            return [
                _restored(*pair, expected_version) for pair in zip(clients, reports, strict=False)
            ]
    return reports


def _restored(client: WorkerClient, report: WorkerReport, expected_version: int) -> WorkerReport:
    """The report, after its worker was restored if it had got the new champion. What has loaded yet
    another is ahead of this roll, and left to the next."""
    if report.version_after != expected_version or report.cause is not None:
        return report
    same_run = None in (report.run_before, report.run_after) or (
        report.run_before == report.run_after
    )
    if report.version_before is None or (
        report.version_before == report.version_after and same_run
    ):
        return report
    try:
        result = client.restore()
    except WorkerError:
        return replace(report, restored=False)
    return replace(report, restored=result.version_after == report.version_before)


def _reload_worker(
    client: WorkerClient,
    expected_version: int,
    expected_run: str | None,
    timeout: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> WorkerReport:
    started = clock()

    def report(
        result: ReloadResult | None,
        ready: bool = False,
        error: str | None = None,
        cause: WorkerError | None = None,
    ) -> WorkerReport:
        return WorkerReport(
            url=client.url,
            version_before=result.version_before if result else None,
            version_after=result.version_after if result else None,
            ready=ready,
            seconds=clock() - started,
            error=error,
            cause=cause,
            run_before=result.run_id_before if result else None,
            run_after=result.run_id if result else None,
        )

    try:
        result = client.reload()
    except WorkerError as error:
        return report(None, error=str(error), cause=error)
    if result.version_after != expected_version:  # waiting would not change it
        problem = f"loaded version {result.version_after}, not {expected_version}"
        return report(result, error=f"{client.url}: {problem}")
    if serves_another(result, expected_run):
        problem = f"loaded the model of run {result.run_id}, not of {expected_run}"
        return report(result, error=f"{client.url}: {problem}")
    while True:
        problem_now = _unmet(client, expected_version)
        if problem_now is None:
            return report(result, ready=True)
        if clock() - started >= timeout:
            return report(result, error=f"{problem_now} (after {timeout:g} s)")
        sleep(POLL_SECONDS)


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


def _unmet(client: WorkerClient, expected_version: int) -> str | None:
    """What keeps the worker from serving the version; ``None`` when it does."""
    try:
        readiness = client.ready()
        if not readiness.ready:
            return f"{client.url}: not ready: {readiness.reason}"
        version = client.model().version
    except WorkerError as error:
        return str(error)
    if version != expected_version:
        return f"{client.url}: serves version {version}, not {expected_version}"
    return None
