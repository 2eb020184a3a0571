"""A server that speaks as much of Slack as an alert takes, and has its faults."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    fields: dict[str, Any]
    raw: str
    taken: bool = True
    """Whether it was answered with ok."""

    @property
    def method(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass
class Slack:
    """What was asked, and what is answered: 200 and ``answer``, or another status."""

    answer: dict[str, Any] = field(default_factory=lambda: {"ok": True})
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    first: list[int] = field(default_factory=list)
    """Statuses of the next answers, before ``status``."""
    seconds: float = 0.0
    """How long an answer takes."""
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    channels: set[str] | None = None
    """Those that there are; None: any."""

    @property
    def texts(self) -> list[str]:
        return [request.fields["text"] for request in self.requests]

    def taken(self, method: str) -> list[dict[str, Any]]:
        """The fields of the requests of a method that were answered with ok."""
        return [r.fields for r in self.requests if r.method == method and r.taken]

    @property
    def posted(self) -> list[str]:
        """The messages that people got, in order; what follows in a thread is one, too."""
        return [fields["text"] for fields in self.taken("chat.postMessage")]

    @property
    def updated(self) -> list[str]:
        """The texts that messages were given later."""
        return [fields["text"] for fields in self.taken("chat.update")]

    def is_down(self, status: int = 503) -> None:
        self.status, self.answer = status, {"ok": False}

    def is_up(self) -> None:
        self.status, self.answer, self.headers, self.seconds = 200, {"ok": True}, {}, 0.0


@contextmanager
def slack_server() -> Iterator[Slack]:
    told, lock = Slack(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self.headers["Content-Type"].startswith("application/json"):
                fields = json.loads(raw)
            else:
                fields = {name: values[0] for name, values in parse_qs(raw).items()}
            with lock:
                request = Request(self.path, dict(self.headers), fields, raw)
                told.requests.append(request)
                answer, number = dict(told.answer), len(told.requests)
                status = told.first.pop(0) if told.first else told.status
            if told.channels is not None and fields["channel"] not in told.channels:
                answer = {"ok": False, "error": "channel_not_found"}
            if status == 200 and answer["ok"]:
                answer |= {"channel": fields.get("channel"), "ts": f"{number}.000100"}
            request.taken = status == 200 and answer["ok"]
            time.sleep(told.seconds)
            body = json.dumps(answer).encode()
            try:
                self.send_response(status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:  # whoever asked has not waited
                request.taken = False

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.url = f"http://127.0.0.1:{server.server_address[1]}/api/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()
