"""A Slack on loopback, which keeps what is said to it and when."""

import json
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

from soccer_assets.clock import stamped_now


class SlackServer:
    """Answers Slack's API as far as alerts need it; a context manager.

    Args:
        file: a line of JSON for every message, with the time on the virtual clock.

    Attributes:
        is_down: answers nothing but HTTP 503.
    """

    def __init__(self, file: Path) -> None:
        self.is_down = False
        self._file = file
        self._number = count(1)
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                status, answer = outer._answer(self.path, _fields(body))
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def url(self) -> str:
        """For ``SLACK_API_URL``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/api"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, path: str, fields: dict[str, Any]) -> tuple[HTTPStatus, dict[str, Any]]:
        if self.is_down:
            return HTTPStatus.SERVICE_UNAVAILABLE, {"ok": False, "error": "service_unavailable"}
        with self._lock:
            now = stamped_now()
            stamp = f"{now.timestamp():.0f}.{next(self._number):06}"
            said = {
                "at": now.isoformat(),
                "method": path.rpartition("/")[2],
                "channel": fields.get("channel", ""),
                "text": fields.get("text", ""),
            }
            with self._file.open("a") as file:
                file.write(json.dumps(said) + "\n")
        return HTTPStatus.OK, {"ok": True, "ts": stamp, "channel": fields.get("channel", "")}


def _fields(body: str) -> dict[str, Any]:
    with suppress(ValueError):
        return dict(json.loads(body))
    return {name: values[0] for name, values in parse_qs(body).items()}


def messages(file: Path) -> list[dict[str, str]]:
    """``at, method, channel, text`` of everything that was said, in its order."""
    if not file.exists():
        return []
    found = []
    for line in file.read_text().splitlines():
        with suppress(ValueError):  # cut off by a kill
            found.append(json.loads(line))
    return found
