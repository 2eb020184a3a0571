"""The HTTP service. It needs PostgreSQL to load a snapshot, and nothing to answer from one."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_offline import FastAPIOffline
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soccer_assets.clock import utc_now
from soccer_assets.params import ServingParams
from soccer_assets.serving.freshness import Freshness, freshness, marks
from soccer_assets.serving.kept import KeptSnapshot, database_name
from soccer_assets.serving.list_query import ListQuery, refuse_repeated
from soccer_assets.serving.loading import load_snapshot
from soccer_assets.serving.metrics import NO_ROUTE, Served, WorkerMetrics
from soccer_assets.serving.schemas import (
    Health,
    ModelInfo,
    OnePrediction,
    PredictionPage,
    Problem,
    Readiness,
    ReloadResult,
)
from soccer_assets.serving.snapshot import Origin, Snapshot
from soccer_assets.serving.state import LoadFailed, NothingToRestore, SnapshotStore
from soccer_assets.warehouse.session import open_engine

VERSION_HEADER = "X-Model-Version"
#: Where nobody says otherwise.
DEFAULTS = ServingParams()

_SCOPE_KEY = "soccer_assets.snapshot"
_ONE_MATCH = "/predictions/"
_ONE_MATCH_ROUTE = "/predictions/{match_id}"
_RAW_VERSION_HEADER = VERSION_HEADER.lower().encode()
_LATER = {"Retry-After": "5"}
_NOT_LOADED: dict[int | str, dict[str, Any]] = {
    503: {
        "model": Problem,
        "description": "No predictions are loaded yet, or they are too old and this worker refuses.",
    }
}
_bearer = HTTPBearer(auto_error=False, description="The worker's reload token.")
log = logging.getLogger(__name__)

Clock = Callable[[], datetime]


def serving_engine(url: str) -> sa.Engine:
    """An engine for rare reads: a connection per load, and no wait without an end."""
    return open_engine(url, "soccer_serving", poolclass=sa.NullPool)


def create_app(
    engine_or_url: sa.Engine | str,
    *,
    token: str | None,
    clock: Clock = utc_now,
    params: ServingParams = DEFAULTS,
    retry_seconds: float = 3.0,
    startup_seconds: float = 10.0,
    load_seconds: float = 60.0,
    kept_in: Path | None = None,
    instance: str | None = None,
) -> FastAPI:
    """The service over one database.

    Args:
        token: what POST /reload and /restore must present; ``None`` or empty switches both off.
        params: how long predictions outlive their match, and the age from which on they make the
            worker not ready, as do those that a clock dated as far ahead, and are marked or refused.
        retry_seconds: pause between attempts to load the first snapshot.
        startup_seconds: how long start-up waits for the first attempt before it goes on.
        load_seconds: how long an attempt may take; a database may accept and never answer.
        kept_in: folder of the last good snapshot, to start from while the database is away.
        instance: tells this process from any other that may answer at its address.
    """
    engine = serving_engine(engine_or_url) if isinstance(engine_or_url, str) else engine_or_url
    kept = KeptSnapshot(kept_in, database_name(engine.url)) if kept_in else None
    store = SnapshotStore(
        lambda: load_snapshot(engine, clock(), recent_days=params.recent_days), load_seconds, kept
    )
    answers = Answers(clock, params)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tried = asyncio.Event()
        loading = asyncio.create_task(store.load_first(retry_seconds, tried))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(startup_seconds):
                await tried.wait()
        await store.recall()  # nothing, unless the database neither answers nor refuses
        yield
        loading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loading

    app = FastAPIOffline(  # its pages bring their scripts along
        title="Soccer 1X2 predictions",
        description="Home, draw and away probabilities of coming matches from the champion model. "
        f"Every response names the model version it was answered from in `{VERSION_HEADER}`.",
        version="1",
        lifespan=lifespan,
        swagger_ui_parameters={"validatorUrl": "none"},  # by default a public server
    )
    metrics = WorkerMetrics(lambda: _served(store, answers), store.loads)
    app.add_middleware(_PinSnapshot, store=store, answers=answers, metrics=metrics)
    _add_prediction_routes(app, answers)
    _add_worker_routes(app, store, token, answers, instance)
    _add_metrics_route(app, metrics)
    return app


class Answers:
    """What of a snapshot is sent, and with which marks of its age."""

    def __init__(self, clock: Clock, params: ServingParams) -> None:
        self.clock = clock
        self._max_age = params.max_age
        self._refuses = params.when_stale == "refuse"
        self._marked: tuple[Snapshot, float, Freshness, bytes] | None = None

    def fresh(self, snapshot: Snapshot, now: datetime) -> Freshness:
        return freshness(snapshot, now, self._max_age)

    def marks(self, snapshot: Snapshot, now: datetime) -> bytes | None:
        """JSON members; None if what is stale is refused."""
        second = now.timestamp() // 1
        marked = self._marked
        if marked is None or marked[0] is not snapshot or marked[1] != second:
            fresh = self.fresh(snapshot, now)
            marked = self._marked = snapshot, second, fresh, marks(fresh, snapshot)
        return None if self._refuses and marked[2].stale else marked[3]

    def one(self, snapshot: Snapshot, match_id: int) -> bytes | None:
        """The JSON of a match; None if there is none, or it is refused."""
        body = snapshot.body(match_id)
        marked = self.marks(snapshot, self.clock())
        if body is None or marked is None:
            return None
        return b"%b,%b}" % (body[:-1], marked)

    def demand(self, snapshot: Snapshot, now: datetime) -> bytes:
        """The marks of what may be served.

        Raises:
            HTTPException: 503, it is too old.
        """
        marked = self.marks(snapshot, now)
        if marked is None:
            reason = self.fresh(snapshot, now).reason
            raise HTTPException(503, f"{reason}, and this worker refuses", headers=_LATER)
        return marked


def _add_prediction_routes(app: FastAPI, answers: Answers) -> None:
    @app.get(
        "/predictions",
        dependencies=[Depends(refuse_repeated)],
        response_model=PredictionPage,
        responses=_NOT_LOADED,
        summary="Coming matches",
        tags=["predictions"],
    )
    async def list_predictions(
        request: Request,
        query: Annotated[ListQuery, Query()],
    ) -> Response:
        """Scheduled matches that have not kicked off, by kick-off, then match id."""
        snapshot = _pinned(request)
        now = answers.clock()
        marked = answers.demand(snapshot, now)
        page = snapshot.coming(
            now,
            limit=query.limit,
            after=query.after,
            first_day=query.first_day,
            last_day=query.last_day,
            tournament_id=query.tournament_id,
            team_id=query.team_id,
        )
        return _json(
            b'{"model_version":%d,%b,"predictions":[%b],"next":%b}'
            % (
                snapshot.model.version,
                marked,
                b",".join(entry.body for entry in page.entries),
                orjson.dumps(page.next_cursor),
            )
        )

    @app.get(
        _ONE_MATCH_ROUTE,
        response_model=OnePrediction,
        responses={404: {"model": Problem, "description": "No prediction."}, **_NOT_LOADED},
        summary="One match",
        tags=["predictions"],
    )
    async def get_prediction(request: Request, match_id: int) -> Response:
        """A coming match, or one that kicked off in the last days."""
        snapshot = _pinned(request)
        answers.demand(snapshot, answers.clock())
        body = answers.one(snapshot, match_id)
        if body is None:
            raise HTTPException(404, f"no prediction for match {match_id}")
        return _json(body)

    @app.get(
        "/model",
        response_model=ModelInfo,
        responses=_NOT_LOADED,
        summary="The served model",
        tags=["model"],
    )
    async def get_model(request: Request) -> ModelInfo:
        snapshot = _pinned(request)
        model, fresh = snapshot.model, answers.fresh(snapshot, answers.clock())
        return ModelInfo(
            name=model.name,
            version=model.version,
            run_id=model.run_id,
            data_revision=model.data_revision,
            promoted_at=model.promoted_at,
            metrics=dict(model.metrics),
            refreshed_at=snapshot.refreshed_at,
            loaded_at=snapshot.loaded_at,
            n_predictions=snapshot.size,
            age_seconds=fresh.age.total_seconds(),
            stale=fresh.stale,
            source=snapshot.origin.value,
        )


def _add_worker_routes(
    app: FastAPI, store: SnapshotStore, token: str | None, answers: Answers, instance: str | None
) -> None:
    @app.get("/healthz", summary="Is the process alive?", tags=["worker"])
    async def healthz(request: Request) -> Health:
        snapshot = _snapshot(request)
        if snapshot is None:
            return Health(status="ok", instance=instance)
        fresh = answers.fresh(snapshot, answers.clock())
        return Health(
            status="ok",
            instance=instance,
            as_of=fresh.as_of,
            age_seconds=int(fresh.age.total_seconds()),
            stale=fresh.stale,
            source=snapshot.origin.value,
        )

    @app.get(
        "/readyz",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "Not ready; `reason` says why."}},
        summary="Should requests come here?",
        tags=["worker"],
    )
    async def readyz(request: Request, response: Response) -> Readiness:
        readiness = _readiness(_snapshot(request), store.last_error, answers)
        response.status_code = 200 if readiness.ready else 503
        return readiness

    @app.post(
        "/reload",
        response_model=ReloadResult,
        responses={
            401: {"model": Problem, "description": "Missing or wrong token."},
            403: {"model": Problem, "description": "This worker has no token, so no reloads."},
            503: {"model": Problem, "description": "Nothing new was loaded; the old one serves."},
        },
        summary="Read the predictions again",
        tags=["worker"],
    )
    async def reload(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> ReloadResult:
        """Swap in the champion of the database, at once for all requests. Who asks while another
        reload runs shares the next with all others who do."""
        _authorise(credentials, token)
        try:
            before, after = await store.reload()
        except LoadFailed as error:
            raise HTTPException(503, f"reload failed: {error}") from error
        request.scope[_SCOPE_KEY] = after
        return _result(before, after)

    @app.post(
        "/restore",
        response_model=ReloadResult,
        responses={
            401: {"model": Problem, "description": "Missing or wrong token."},
            403: {"model": Problem, "description": "This worker has no token, so no reloads."},
            409: {"model": Problem, "description": "No other champion was served here lately."},
        },
        summary="Serve the champion before again",
        tags=["worker"],
    )
    async def restore(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> ReloadResult:
        """For a roll over several workers that was broken off: all of them serve the same."""
        _authorise(credentials, token)
        try:
            before, after = await store.restore()
        except NothingToRestore as error:
            raise HTTPException(409, str(error)) from error
        request.scope[_SCOPE_KEY] = after
        return _result(before, after)


def _add_metrics_route(app: FastAPI, metrics: WorkerMetrics) -> None:
    @app.get(
        "/metrics",
        response_class=PlainTextResponse,
        summary="What Prometheus reads",
        tags=["worker"],
    )
    async def read_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _result(before: Snapshot | None, after: Snapshot) -> ReloadResult:
    return ReloadResult(
        version_before=before.model.version if before else None,
        version_after=after.model.version,
        run_id=after.model.run_id,
        n_predictions=after.size,
        loaded_at=after.loaded_at,
        run_id_before=before.model.run_id if before else None,
    )


class _PinSnapshot:
    """Gives a request one snapshot for its whole life, and the response that snapshot's version.

    The most frequent request, for one match that there is, is answered here: routing, validation
    and the making of a response object would take four times as long as the answer.

    HEAD is GET without the body, wherever there is a GET: load balancers ask so.
    """

    def __init__(
        self, app: ASGIApp, store: SnapshotStore, answers: Answers, metrics: WorkerMetrics
    ) -> None:
        self.app = app
        self.store = store
        self.answers = answers
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        if scope["method"] == "HEAD":
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        pinned = scope[_SCOPE_KEY] = self.store.snapshot
        status = 0

        async def send_with_version(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                snapshot: Snapshot | None = scope[_SCOPE_KEY]
                version = str(snapshot.model.version) if snapshot else "none"
                MutableHeaders(scope=message)[VERSION_HEADER] = version
            await send(message)

        try:
            body = self._one_match(pinned, scope) if pinned else None
            if pinned is None or body is None:
                await self.app(scope, receive, send_with_version)
                return
            status = 200
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [
                        (b"content-length", b"%d" % len(body)),
                        (b"content-type", b"application/json"),
                        (_RAW_VERSION_HEADER, b"%d" % pinned.model.version),
                    ],
                }
            )
            await send({"type": "http.response.body", "body": body})
        except Exception:
            if status:
                raise
            log.exception("unexpected error on %s %s", scope["method"], scope["path"])
            failure = _json(b'{"detail":"internal error"}', status_code=500)
            await failure(scope, receive, send_with_version)
        finally:
            if status:  # else who asked went away before there was an answer
                self.metrics.answered(_route(scope), status, time.perf_counter() - began)

    def _one_match(self, snapshot: Snapshot, scope: Scope) -> bytes | None:
        """The answer to ``GET /predictions/{match_id}`` if it is one; None: the route decides."""
        path: str = scope["path"]
        if scope["method"] != "GET" or not path.startswith(_ONE_MATCH):
            return None
        text = path[len(_ONE_MATCH) :]
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            return None
        return self.answers.one(snapshot, int(text))


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


def _route(scope: Scope) -> str:
    """The path of the route that a request went to, without what stands in it."""
    if scope["path"].startswith(_ONE_MATCH):  # may not have come to the routes
        return _ONE_MATCH_ROUTE
    return getattr(scope.get("route"), "path", NO_ROUTE)


def _snapshot(request: Request) -> Snapshot | None:
    return request.scope[_SCOPE_KEY]


def _pinned(request: Request) -> Snapshot:
    snapshot = _snapshot(request)
    if snapshot is None:
        raise HTTPException(503, "no predictions are loaded yet", headers=_LATER)
    return snapshot


def _served(store: SnapshotStore, answers: Answers) -> Served:
    snapshot = store.snapshot
    if snapshot is None:
        return Served(ready=False, stale=False)
    fresh = answers.fresh(snapshot, answers.clock())
    return Served(
        ready=not fresh.stale,
        stale=fresh.stale,
        version=snapshot.model.version,
        predictions=snapshot.size,
        age_seconds=fresh.age.total_seconds(),
        from_disk=snapshot.origin is Origin.DISK,
    )


def _readiness(snapshot: Snapshot | None, last_error: str | None, answers: Answers) -> Readiness:
    if snapshot is None:
        return Readiness(ready=False, reason=last_error or "still loading", last_error=last_error)
    fresh = answers.fresh(snapshot, answers.clock())
    return Readiness(
        ready=not fresh.stale,
        version=snapshot.model.version,
        age_seconds=fresh.age.total_seconds(),
        as_of=fresh.as_of,
        source=snapshot.origin.value,
        reason=fresh.reason,
        last_error=last_error,
    )


def _authorise(credentials: HTTPAuthorizationCredentials | None, token: str | None) -> None:
    if not token:
        raise HTTPException(403, "this worker has no reload token, so reloading is switched off")
    given = credentials.credentials if credentials else ""
    if not secrets.compare_digest(given.encode(), token.encode()):
        raise HTTPException(
            401, "missing or wrong bearer token", headers={"WWW-Authenticate": "Bearer"}
        )


def _json(body: bytes, status_code: int = 200) -> Response:
    return Response(body, status_code=status_code, media_type="application/json")
