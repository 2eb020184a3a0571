"""The client of the feed: polite, patient with a failing source, and plain about what failed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import orjson
import pytest

from soccer_assets import __version__
from soccer_assets.feed.faults import FetchFault
from soccer_assets.simulator.server import Fault, FeedServer
from soccer_assets.sources.livescores import LivescoresClient
from soccer_assets.sources.request_policy import RequestPolicy
from soccer_assets_tests.feed_days import DAY, a_match, a_payload


class OneMatchADay:
    def payload(self, day: date, as_of: datetime) -> dict[str, Any]:
        return a_payload(a_match(1, day))


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer(OneMatchADay()) as running:
        yield running


def a_client(url: str, token: str | None = None, **options: Any) -> LivescoresClient:
    known: dict[str, Any] = {"timeout": 5, "attempts": 3, "backoff": 0.01}
    return LivescoresClient(url, token=token, policy=RequestPolicy(**known | options))


@pytest.fixture
def client(server: FeedServer) -> Iterator[LivescoresClient]:
    with a_client(server.url) as made:
        yield made


class CannedServer:
    """Gives every request the same answer and remembers the requests."""

    def __init__(self, status: int = 200, body: bytes = b"{}", **headers: str) -> None:
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.answer = (status, body, headers)
        self.url = ""

    @contextmanager
    def running(self) -> Iterator["CannedServer"]:
        canned = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                canned.paths.append(self.path)
                canned.headers.append(dict(self.headers))
                status, body, headers = canned.answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
            self.url = f"http://127.0.0.1:{http.server_address[1]}"
            thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            yield self
            http.shutdown()
            thread.join()


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds slept, without sleeping."""
    seconds: list[float] = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


def test_a_day_is_fetched_verbatim(client: LivescoresClient) -> None:
    assert client.fetch(DAY) == orjson.dumps(a_payload(a_match(1)))


def test_the_request_names_the_day_and_the_client() -> None:
    with CannedServer().running() as server, a_client(f"{server.url}/site/") as client:
        assert client.fetch(DAY) == b"{}"
    assert server.paths == ["/site/livescores/data?d=20240309&isSummary=true"]
    assert server.headers[0]["User-Agent"].startswith(f"soccer_assets/{__version__} ")
    assert "X-Token" not in server.headers[0]


def test_the_token_goes_into_a_header_and_never_into_the_url() -> None:
    with CannedServer().running() as server, a_client(server.url, token="s3cret") as client:
        client.fetch(DAY)
    assert server.headers[0]["X-Token"] == "s3cret"
    assert "s3cret" not in server.paths[0]


def test_a_source_that_demands_a_token_is_satisfied() -> None:
    with FeedServer(OneMatchADay(), token="s3cret") as server:
        with a_client(server.url, token="s3cret") as client:
            assert client.fetch(DAY)
        with a_client(server.url, token="other") as client, pytest.raises(FetchFault) as caught:
            client.fetch(DAY)
    assert "other" not in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [Fault.http_500(), Fault.http_429(retry_after=0), Fault.timeout(30)],
    ids=lambda fault: fault.kind,
)
def test_a_passing_fault_is_sat_out(server: FeedServer, fault: Fault) -> None:
    server.inject(DAY, fault, times=2)
    with a_client(server.url, timeout=0.1) as client:
        assert orjson.loads(client.fetch(DAY)) == a_payload(a_match(1))
    assert server.requests == 3


@pytest.mark.parametrize(
    ("fault", "text", "body"),
    [
        (Fault.http_500(), "HTTP 500", b'{"error":"injected"}'),
        (Fault.http_429(retry_after=0), "HTTP 429", b'{"error":"injected"}'),
        (Fault.timeout(30), "timeout", None),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_a_lasting_fault_ends_after_the_attempts_and_is_named(
    server: FeedServer, fault: Fault, text: str, body: bytes | None
) -> None:
    server.inject(DAY, fault)
    with a_client(server.url, timeout=0.1) as client, pytest.raises(FetchFault) as caught:
        client.fetch(DAY)
    assert server.requests == 3
    assert str(caught.value).startswith(f"livescores 2024-03-09: {text}")
    assert "3 attempts" in str(caught.value)
    assert caught.value.day == DAY
    assert caught.value.body == body


def test_a_source_that_is_down_is_a_fault(server: FeedServer, client: LivescoresClient) -> None:
    server.stop()
    with pytest.raises(FetchFault, match=r"2024-03-09: no connection.*3 attempts"):
        client.fetch(DAY)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 410])
def test_other_answers_are_not_asked_for_again(status: int) -> None:
    canned = CannedServer(status, b"go away", Location="/elsewhere")
    with (
        canned.running() as server,
        a_client(server.url) as client,
        pytest.raises(FetchFault, match=f"2024-03-09: HTTP {status}") as caught,
    ):
        client.fetch(DAY)
    assert len(server.paths) == 1
    assert caught.value.body == b"go away"


def test_a_body_that_does_not_unpack_is_a_fault() -> None:
    canned = CannedServer(200, b"not gzip at all", Content_Encoding="gzip")
    with (
        canned.running() as server,
        a_client(server.url) as client,
        pytest.raises(FetchFault, match="2024-03-09: unreadable compression"),
    ):
        client.fetch(DAY)
    assert len(server.paths) == 3


def test_retry_after_decides_how_long_to_wait(
    server: FeedServer, client: LivescoresClient, naps: list[float]
) -> None:
    server.inject(DAY, Fault.http_429(retry_after=7), times=2)
    client.fetch(DAY)
    assert naps == [7, 7]


@pytest.mark.parametrize("value", ["Wed, 99 Oct 2026 07:28:00 GMT", "-1", "1.5", "soon", ""])
def test_an_unreadable_retry_after_means_the_usual_backoff(naps: list[float], value: str) -> None:
    canned = CannedServer(503, b"busy", Retry_After=value)
    with canned.running() as server, a_client(server.url) as client, pytest.raises(FetchFault):
        client.fetch(DAY)
    assert len(naps) == 2
    assert all(0 <= nap <= 0.1 for nap in naps)


def test_backoff_grows_from_its_start(server: FeedServer, naps: list[float]) -> None:
    server.inject(DAY, Fault.http_500())
    with a_client(server.url, attempts=12, backoff=1.0) as client, pytest.raises(FetchFault):
        client.fetch(DAY)
    assert len(naps) == 11
    assert all(nap <= min(60, 2**k) for k, nap in enumerate(naps))
    assert max(naps) > 1
