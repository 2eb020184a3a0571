"""The HTTP under the embedded feed server: GET, keep-alive, gzip, and an end when told."""

import gzip
import logging
import re
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

logger = logging.getLogger(__name__)

GZIP_ABOVE = 1024


@dataclass(frozen=True)
class Reply:
    """An answer before compression."""

    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"
    retry_after: float | None = None


#: Answers a GET of a target (path and query) that came with these headers.
Respond = Callable[[str, Message], Reply]


def json_reply(status: HTTPStatus, content: Any) -> Reply:
    return Reply(status, orjson.dumps(content))


def error_reply(status: HTTPStatus, text: str) -> Reply:
    return json_reply(status, {"error": text})


class GetServer(ThreadingHTTPServer):
    """Answers GET requests; knows its open connections so that stopping ends them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], respond: Respond) -> None:
        self.respond = respond
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

    server: GetServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    timeout = 300  # idle connections

    def do_GET(self) -> None:
        reply = self.server.respond(self.path, self.headers)
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
