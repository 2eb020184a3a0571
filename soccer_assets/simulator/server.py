"""An HTTP server that speaks the day feed, for the embedded source and for tests.

``GET /livescores/data?d=YYYYMMDD[&isSummary=true]`` answers with the backend's payload,
``GET /healthz`` says that the server is up. Faults can be injected per day, to see what the
client and everything behind it make of a source that misbehaves; and the feed can be shown to
browsers alone.
"""

import copy
import hmac
import logging
import re
import threading
from collections.abc import Callable
from datetime import date, datetime
from email.message import Message
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from soccer_assets.clock import utc_now
from soccer_assets.feed.fields import FEED_PATH
from soccer_assets.feed.payload import FeedBackend
from soccer_assets.simulator.challenge import BrowserChallenge
from soccer_assets.simulator.faults import Fault, FaultKind, FaultPlan
from soccer_assets.simulator.http import GetServer, Reply, error_reply, json_reply

logger = logging.getLogger(__name__)

HEALTH_PATH = "/healthz"
HTML_ERROR = b"<!DOCTYPE html><html><body><h1>Checking your browser</h1></body></html>"

Clock = Callable[[], datetime]


class FeedServer:
    """Serves a backend from a daemon thread; a context manager.

    Args:
        backend: where the payloads come from.
        port: 0 for any free one; it is kept when the server is stopped and started again.
        clock: the moment the payloads are shown as of.
        token: when set, requests must carry it in ``X-Token``.
        browser_only: answer the feed's path with a page (HTTP 403) until the page's script has
            run and left its cookie.

    Attributes:
        challenge: what a browser has to meet, None when the feed is open to all. Another one put
            in its place makes every proof handed in so far worthless, as if its time had run out.
    """

    def __init__(
        self,
        backend: FeedBackend,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock = utc_now,
        token: str | None = None,
        browser_only: bool = False,
    ) -> None:
        self.backend = backend
        self.clock = clock
        self.challenge = BrowserChallenge() if browser_only else None
        self._address = (host, port)
        self._token = token
        self._requests = 0
        self._faults = FaultPlan()
        self._overrides: dict[date, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server: GetServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The base address, without a trailing slash."""
        if self._server is None:
            raise RuntimeError("the feed server is not running")
        host, port = self._address
        return f"http://{host}:{port}"

    @property
    def requests(self) -> int:
        """How often the feed was asked for, with or without success."""
        return self._requests

    def start(self) -> Self:
        """Bind and serve; does nothing when already running."""
        if self._server is None:
            self._stopping.clear()
            self._server = GetServer(self._address, self.reply)
            self._address = (self._address[0], self._server.server_address[1])
            self._thread = threading.Thread(
                target=self._server.serve_forever,
                kwargs={"poll_interval": 0.05},
                name="livescores-feed",
                daemon=True,
            )
            self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving and close every connection; does nothing when not running."""
        if self._server is None or self._thread is None:
            return
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.close_connections()
        self._server = self._thread = None

    def inject(self, day: date | None, fault: Fault, times: int | None = None) -> None:
        """Answer for ``day`` (None: every day without a fault of its own) with a fault.

        It lasts until cleared, or for so many ``times``.
        """
        self._faults.add(day, fault, times)

    def override(self, day: date, payload: dict[str, Any]) -> None:
        """Answer for ``day`` with exactly this payload; faults still apply to it."""
        with self._lock:
            self._overrides[day] = copy.deepcopy(payload)

    def clear(self, day: date | None = None) -> None:
        """Forget the faults and the payload set for ``day``; all of them when None."""
        self._faults.remove(day)
        with self._lock:
            if day is None:
                self._overrides.clear()
            else:
                self._overrides.pop(day, None)

    def reply(self, target: str, headers: Message) -> Reply:
        """Answer a GET of ``target`` (path and query) sent with ``headers``."""
        parts = urlsplit(target)
        if parts.path == HEALTH_PATH:
            return json_reply(HTTPStatus.OK, {"status": "ok"})
        if parts.path != FEED_PATH:
            return error_reply(HTTPStatus.NOT_FOUND, f"no such path: {parts.path}")
        with self._lock:
            self._requests += 1
        if self.challenge and not self.challenge.is_met(headers.get("Cookie")):
            return self.challenge.page()
        if not self._allowed(headers.get("X-Token")):
            return error_reply(HTTPStatus.UNAUTHORIZED, "missing or wrong X-Token")
        try:
            day = _day(parse_qs(parts.query).get("d", []))
        except ValueError as error:
            return error_reply(HTTPStatus.BAD_REQUEST, str(error))
        try:
            return self._feed(day)
        except Exception:
            logger.exception("the feed of %s failed", day)
            return error_reply(HTTPStatus.INTERNAL_SERVER_ERROR, "the backend failed")

    def _allowed(self, token: str | None) -> bool:
        if self._token is None:
            return True
        return hmac.compare_digest((token or "").encode(), self._token.encode())

    def _feed(self, day: date) -> Reply:
        fault = self._faults.take(day)
        if fault is None:
            return json_reply(HTTPStatus.OK, self._payload(day))
        match fault.kind:
            case FaultKind.HTTP_500:
                return error_reply(HTTPStatus.INTERNAL_SERVER_ERROR, "injected")
            case FaultKind.HTTP_429:
                reply = error_reply(HTTPStatus.TOO_MANY_REQUESTS, "injected")
                return Reply(reply.status, reply.body, retry_after=fault.seconds)
            case FaultKind.HTML_PAGE:
                return Reply(HTTPStatus.OK, HTML_ERROR, "text/html; charset=utf-8")
            case FaultKind.TIMEOUT:
                self._stopping.wait(fault.seconds)
        payload = copy.deepcopy(self._payload(day))
        fault.spoil(payload)
        reply = json_reply(HTTPStatus.OK, payload)
        if fault.kind is FaultKind.TRUNCATED_JSON:
            return Reply(reply.status, reply.body[: len(reply.body) // 2])
        return reply

    def _payload(self, day: date) -> dict[str, Any]:
        with self._lock:
            override = self._overrides.get(day)
        return self.backend.payload(day, self.clock()) if override is None else override


def _day(values: list[str]) -> date:
    if len(values) != 1 or not re.fullmatch(r"[0-9]{8}", values[0]):
        raise ValueError("d must be given once, as YYYYMMDD")
    try:
        return datetime.strptime(values[0], "%Y%m%d").date()
    except ValueError:
        raise ValueError(f"d is not a day: {values[0]}") from None


def serve_forever(
    backend: FeedBackend,
    host: str = "127.0.0.1",
    port: int = 8800,
    *,
    clock: Clock = utc_now,
    token: str | None = None,
    browser_only: bool = False,
) -> None:
    """Serve until interrupted (Ctrl-C), then close down and return."""
    with FeedServer(
        backend, host=host, port=port, clock=clock, token=token, browser_only=browser_only
    ) as server:
        logger.info("the livescores feed is at %s%s", server.url, FEED_PATH)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            logger.info("stopping the livescores feed")
