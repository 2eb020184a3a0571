"""The tests' S3 server behind a front that breaks what it is told to break."""

import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

ERROR = """<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code>\
<Message>{code}</Message><RequestId>1</RequestId></Error>"""
STATUSES = {
    "InternalError": "500 Internal Server Error",
    "SlowDown": "503 Slow Down",
    "AccessDenied": "403 Forbidden",
}
#: What can go wrong on the way: an answer of the server's, or of the network's.
FAULTS = ("InternalError", "SlowDown", "reset", "truncated")


@dataclass
class FaultyS3:
    """Requests meet the faults planned for their method, one each, in order; then none.

    Objects are those of the tests' other S3 server: both are fronts of one memory.
    """

    url: str = ""
    always: str | None = None
    planned: dict[str, list[str]] = field(default_factory=dict)
    #: Method and fault, if any, of every request.
    seen: list[tuple[str, str | None]] = field(default_factory=list)

    def plan(self, method: str, *faults: str) -> None:
        self.planned.setdefault(method, []).extend(faults)

    def wrap(self, application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        def front(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            method = environ["REQUEST_METHOD"]
            waiting = self.planned.get(method)
            fault = waiting.pop(0) if waiting else self.always
            self.seen.append((method, fault))
            if fault is None:
                return application(environ, start_response)
            if fault == "truncated":
                return truncated(application, environ, start_response)
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            if fault == "reset":
                reset(environ)
            body = ERROR.format(code=fault).encode()
            headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))]
            start_response(STATUSES[fault], headers)
            return [] if method == "HEAD" else [body]

        return front


def truncated(
    application: Callable[..., Iterable[bytes]],
    environ: dict[str, Any],
    start_response: Callable[..., Any],
) -> Iterable[bytes]:
    """The true headers and half of the body."""
    body = b"".join(application(environ, start_response))
    return [body[: len(body) // 2]]


class _Reset(Exception):
    pass


def reset(environ: dict[str, Any]) -> NoReturn:
    """No answer: the connection is closed with RST, when its handler has given up."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise _Reset


@contextmanager
def faulty_s3() -> Iterator[FaultyS3]:
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    faults = FaultyS3()
    application = faults.wrap(DomainDispatcherApplication(create_backend_app))
    server = make_server(
        "127.0.0.1",
        0,
        application,
        threaded=True,
        request_handler=MotoRequestHandler,
        passthrough_errors=True,
    )
    server.shutdown_request = server.close_request  # not with FIN first
    server.handle_error = lambda *_: None
    faults.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield faults
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
