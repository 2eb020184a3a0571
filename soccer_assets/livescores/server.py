"""An HTTP server that speaks the day feed, for the embedded source and for tests.

``GET /livescores/data?d=YYYYMMDD[&isSummary=true]`` answers with the backend's payload,
``GET /healthz`` says that the server is up. Faults can be injected per day, to see what the
client and everything behind it make of a source that misbehaves.
"""

import copy
import gzip
import hmac
import logging
import re
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from soccer_assets.clock import utc_now
from soccer_assets.livescores.backends import FeedBackend
from soccer_assets.livescores.feed import FEED_PATH, MATCH_FIELDS

logger = logging.getLogger(__name__)

HEALTH_PATH = "/healthz"
GZIP_ABOVE = 1024
HTML_ERROR = b"<!DOCTYPE html><html><body><h1>Checking your browser</h1></body></html>"

Clock = Callable[[], datetime]


class FaultKind(StrEnum):
    """What can go wrong with an answer."""

    HTTP_500 = "http_500"
    HTTP_429 = "http_429"
    TIMEOUT = "timeout"
    TRUNCATED_JSON = "truncated_json"
    HTML_PAGE = "html_page"
    MISSING_FIELD = "missing_field"
    UNKNOWN_STATUS = "unknown_status"
    WRONG_TYPE = "wrong_type"
    DUPLICATE_ID = "duplicate_id"


@dataclass(frozen=True)
class Fault:
    """A fault to inject; made by the methods below."""

    kind: FaultKind
    field: str = ""
    status: int = 0
    seconds: float = 0.0

    @classmethod
    def http_500(cls) -> "Fault":
        return cls(FaultKind.HTTP_500)

    @classmethod
    def http_429(cls, retry_after: float = 1) -> "Fault":
        """Too many requests, with a ``Retry-After`` of so many seconds."""
        return cls(FaultKind.HTTP_429, seconds=retry_after)

    @classmethod
    def timeout(cls, seconds: float = 60.0) -> "Fault":
        """Answer only after ``seconds``."""
        return cls(FaultKind.TIMEOUT, seconds=seconds)

    @classmethod
    def truncated_json(cls) -> "Fault":
        return cls(FaultKind.TRUNCATED_JSON)

    @classmethod
    def html_page(cls) -> "Fault":
        """Status 200 with an HTML page, as a wall against robots sends."""
        return cls(FaultKind.HTML_PAGE)

    @classmethod
    def missing_field(cls, name: str) -> "Fault":
        """No match has the field; nor has the header, where the field is the header's only."""
        return cls(FaultKind.MISSING_FIELD, field=name)

    @classmethod
    def unknown_status(cls, code: int = 99) -> "Fault":
        """Every match has this status."""
        return cls(FaultKind.UNKNOWN_STATUS, status=code)

    @classmethod
    def wrong_type(cls, name: str = "homeTeamId") -> "Fault":
        """The field is an object in every match."""
        return cls(FaultKind.WRONG_TYPE, field=name)

    @classmethod
    def duplicate_id(cls) -> "Fault":
        """The first match comes twice, the second time with the teams the other way round."""
        return cls(FaultKind.DUPLICATE_ID)

    def spoil(self, payload: dict[str, Any]) -> None:
        """Apply the fault to the payload, where it is one of content."""
        if self.kind is FaultKind.DUPLICATE_ID:
            _repeat_first_match(payload)
            return
        header_only = self.kind is FaultKind.MISSING_FIELD and self.field not in MATCH_FIELDS
        for tournament in payload["tournaments"]:
            for match in tournament["matches"]:
                if self.kind is FaultKind.MISSING_FIELD:
                    match.pop(self.field, None)
                elif self.kind is FaultKind.UNKNOWN_STATUS:
                    match["status"] = self.status
                elif self.kind is FaultKind.WRONG_TYPE:
                    match[self.field] = {"unexpected": "object"}
            if header_only:
                tournament.pop(self.field, None)


def _repeat_first_match(payload: dict[str, Any]) -> None:
    for tournament in payload["tournaments"]:
        for match in tournament["matches"]:
            sides = ("home", "away")
            names = ("TeamId", "TeamName", "TeamCountryCode", "TeamCountryName")
            swap = {a + n: match.get(b + n) for a, b in (sides, sides[::-1]) for n in names}
            tournament["matches"].append({**match, **swap})
            return


@dataclass(frozen=True)
class Reply:
    """An answer before compression."""

    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"
    retry_after: float | None = None


def _json(status: HTTPStatus, content: Any) -> Reply:
    return Reply(status, orjson.dumps(content))


def _error(status: HTTPStatus, text: str) -> Reply:
    return _json(status, {"error": text})


class FeedServer:
    """Serves a backend from a daemon thread; a context manager.

    Args:
        backend: where the payloads come from.
        port: 0 for any free one; it is kept when the server is stopped and started again.
        clock: the moment the payloads are shown as of.
        token: when set, requests must carry it in ``X-Token``.
    """

    def __init__(
        self,
        backend: FeedBackend,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock = utc_now,
        token: str | None = None,
    ) -> None:
        self.backend = backend
        self.clock = clock
        self._address = (host, port)
        self._token = token
        self._requests = 0
        self._faults: dict[date | None, tuple[Fault, int | None]] = {}
        self._overrides: dict[date, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "FeedServer":
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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

    def start(self) -> "FeedServer":
        """Bind and serve; does nothing when already running."""
        if self._server is None:
            self._stopping.clear()
            self._server = _Server(self._address, self)
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
        with self._lock:
            self._faults[day] = (fault, times)

    def override(self, day: date, payload: dict[str, Any]) -> None:
        """Answer for ``day`` with exactly this payload; faults still apply to it."""
        with self._lock:
            self._overrides[day] = copy.deepcopy(payload)

    def clear(self, day: date | None = None) -> None:
        """Forget the faults and the payload set for ``day``; all of them when None."""
        with self._lock:
            if day is None:
                self._faults.clear()
                self._overrides.clear()
            else:
                self._faults.pop(day, None)
                self._overrides.pop(day, None)

    def reply(self, target: str, token: str | None) -> Reply:
        """Answer a GET of ``target`` (path and query)."""
        parts = urlsplit(target)
        if parts.path == HEALTH_PATH:
            return _json(HTTPStatus.OK, {"status": "ok"})
        if parts.path != FEED_PATH:
            return _error(HTTPStatus.NOT_FOUND, f"no such path: {parts.path}")
        with self._lock:
            self._requests += 1
        if not self._allowed(token):
            return _error(HTTPStatus.UNAUTHORIZED, "missing or wrong X-Token")
        try:
            day = _day(parse_qs(parts.query).get("d", []))
        except ValueError as error:
            return _error(HTTPStatus.BAD_REQUEST, str(error))
        try:
            return self._feed(day)
        except Exception:
            logger.exception("the feed of %s failed", day)
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "the backend failed")

    def _allowed(self, token: str | None) -> bool:
        if self._token is None:
            return True
        return hmac.compare_digest((token or "").encode(), self._token.encode())

    def _feed(self, day: date) -> Reply:
        fault = self._next_fault(day)
        if fault is None:
            return _json(HTTPStatus.OK, self._payload(day))
        match fault.kind:
            case FaultKind.HTTP_500:
                return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "injected")
            case FaultKind.HTTP_429:
                reply = _error(HTTPStatus.TOO_MANY_REQUESTS, "injected")
                return Reply(reply.status, reply.body, retry_after=fault.seconds)
            case FaultKind.HTML_PAGE:
                return Reply(HTTPStatus.OK, HTML_ERROR, "text/html; charset=utf-8")
            case FaultKind.TIMEOUT:
                self._stopping.wait(fault.seconds)
        payload = copy.deepcopy(self._payload(day))
        fault.spoil(payload)
        reply = _json(HTTPStatus.OK, payload)
        if fault.kind is FaultKind.TRUNCATED_JSON:
            return Reply(reply.status, reply.body[: len(reply.body) // 2])
        return reply

    def _payload(self, day: date) -> dict[str, Any]:
        with self._lock:
            override = self._overrides.get(day)
        return self.backend.payload(day, self.clock()) if override is None else override

    def _next_fault(self, day: date) -> Fault | None:
        with self._lock:
            key = day if day in self._faults else None
            fault, times = self._faults.get(key, (None, None))
            if fault is not None and times is not None:
                if times > 1:
                    self._faults[key] = (fault, times - 1)
                else:
                    del self._faults[key]
            return fault


def _day(values: list[str]) -> date:
    if len(values) != 1 or not re.fullmatch(r"[0-9]{8}", values[0]):
        raise ValueError("d must be given once, as YYYYMMDD")
    try:
        return datetime.strptime(values[0], "%Y%m%d").date()
    except ValueError:
        raise ValueError(f"d is not a day: {values[0]}") from None


class _Server(ThreadingHTTPServer):
    """Knows its feed, and its open connections so that stopping ends them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], feed: FeedServer) -> None:
        self.feed = feed
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                logger.debug("a connection was closed already")

    def handle_error(self, request: Any, client_address: Any) -> None:
        if isinstance(sys.exception(), ConnectionError):
            logger.debug("the client %s went away", client_address)
        else:
            logger.exception("a request of %s failed", client_address)


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive; one write per answer."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    timeout = 300  # idle connections

    def do_GET(self) -> None:
        reply = self.server.feed.reply(self.path, self.headers.get("X-Token"))
        body, headers = reply.body, {"Content-Type": reply.content_type}
        if len(body) > GZIP_ABOVE and _accepts_gzip(self.headers.get("Accept-Encoding", "")):
            body = gzip.compress(body, compresslevel=1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        if reply.retry_after is not None:
            headers["Retry-After"] = f"{reply.retry_after:g}"
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Vary", "Accept-Encoding")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug("%s %s", self.address_string(), format % args)


def _accepts_gzip(header: str) -> bool:
    for part in header.lower().split(","):
        coding, _, parameters = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", parameters)
    return False


def serve_forever(
    backend: FeedBackend,
    host: str = "127.0.0.1",
    port: int = 8800,
    *,
    clock: Clock = utc_now,
    token: str | None = None,
) -> None:
    """Serve until interrupted (Ctrl-C), then close down and return."""
    with FeedServer(backend, host=host, port=port, clock=clock, token=token) as server:
        logger.info("the livescores feed is at %s%s", server.url, FEED_PATH)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            logger.info("stopping the livescores feed")
