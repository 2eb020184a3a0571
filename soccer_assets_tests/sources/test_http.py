"""Manners over HTTP: one connection, a pace, and pauses as long as the host asks for."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets import __version__
from soccer_assets.sources.http import HttpFault, PoliteHttp
from soccer_assets.sources.request_policy import RateLimiter, RequestPolicy, retry_after


class KeepAliveServer:
    """Answers from a list (the last answer for ever) and counts connections."""

    def __init__(self, *answers: tuple[int, dict[str, str]]) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.requests: list[dict[str, str]] = []
        self.url = ""

    @contextmanager
    def running(self) -> Iterator["KeepAliveServer"]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = 1 << 16

            def setup(self) -> None:
                server.connections += 1
                super().setup()

            def do_GET(self) -> None:
                server.requests.append(dict(self.headers))
                status, headers = (
                    server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                )
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "4")
                self.end_headers()
                self.wfile.write(b"body")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
            http.daemon_threads = True
            self.url = f"http://127.0.0.1:{http.server_address[1]}"
            thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            yield self
            http.shutdown()
            thread.join()


def polite(url: str, **options: Any) -> PoliteHttp:
    known: dict[str, Any] = {"timeout": 5, "attempts": 3, "backoff": 0.01}
    return PoliteHttp(url, policy=RequestPolicy(**known | options))


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds slept, without sleeping."""
    seconds: list[float] = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


def test_requests_share_one_connection_and_name_the_client() -> None:
    with KeepAliveServer((200, {})).running() as server, polite(server.url) as http:
        for path in ("/a", "/b", "/c"):
            assert http.get(path).content == b"body"
    assert server.connections == 1
    agents = {request["User-Agent"] for request in server.requests}
    assert len(agents) == 1
    assert agents.pop().startswith(f"soccer_assets/{__version__} ")


def test_a_user_and_a_password_are_a_header_and_never_told() -> None:
    with KeepAliveServer((200, {}), (500, {})).running() as server:
        url = server.url.replace("http://", "http://someone:h%40sh@")
        with polite(url, attempts=1) as http:
            answer = http.get("/a")
            with pytest.raises(HttpFault) as fault:
                http.get("/b")
    assert server.requests[0]["Authorization"] == "Basic c29tZW9uZTpoQHNo"
    assert str(answer.url) == f"{server.url}/a"
    assert "someone" not in str(fault.value)


@pytest.mark.parametrize("status", [429, 500, 501, 502, 503, 504, 520, 599])
def test_429_and_5xx_are_tried_again(status: int) -> None:
    server = KeepAliveServer((status, {"Retry-After": "0"}), (200, {}))
    with server.running(), polite(server.url) as http:
        assert http.get("/").status_code == 200
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [204, 300, 301, 304, 400, 401, 403, 404, 410, 418])
def test_any_other_answer_is_handed_over_at_once(status: int) -> None:
    server = KeepAliveServer((status, {"Location": "/elsewhere"}))
    with server.running(), polite(server.url) as http:
        assert http.get("/").status_code == status
    assert len(server.requests) == 1


def test_retry_after_as_a_date_is_waited_for(naps: list[float]) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=100)
    server = KeepAliveServer(
        (503, {"Retry-After": format_datetime(moment, usegmt=True)}), (200, {})
    )
    with server.running(), polite(server.url) as http:
        assert http.get("/").status_code == 200
    assert naps == [pytest.approx(100, abs=30)]


def test_a_retry_after_that_has_passed_means_no_wait(naps: list[float]) -> None:
    server = KeepAliveServer((503, {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}), (200, {}))
    with server.running(), polite(server.url) as http:
        assert http.get("/").status_code == 200
    assert naps == [0]


def test_a_host_that_asks_for_a_long_pause_is_left_alone(naps: list[float]) -> None:
    server = KeepAliveServer((429, {"Retry-After": "86400"}))
    with (
        server.running(),
        polite(server.url) as http,
        pytest.raises(HttpFault, match=r"HTTP 429.*86400 s") as caught,
    ):
        http.get("/")
    assert caught.value.body == b"body"
    assert len(server.requests) == 1
    assert naps == []


@given(st.integers(0, 10**9))
def test_seconds_are_read_as_they_are(seconds: int) -> None:
    assert retry_after(str(seconds)) == seconds


dates = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Mon", "Sun", ""]),
    st.integers(-1, 32),
    st.sampled_from(["Jan", "Dec", "Foo"]),
    st.one_of(st.integers(0, 10000), st.integers()),
    *[st.integers(-1, 60)] * 3,
    st.one_of(st.sampled_from(["GMT", "-0000", "+2400", ""]), st.integers(-99999, 99999)),
)


@given(st.text(max_size=40) | dates)
def test_no_retry_after_breaks_the_reader(value: str) -> None:
    pause = retry_after(value)
    assert pause is None or pause >= 0


@pytest.mark.parametrize(
    "value",
    [
        *("", "-1", "1.5", "soon", "٣", "Wed, 99 Oct 2026 07:28:00 GMT", "Wed, 21 Oct"),
        *("Fri, 31 Dec 9999 23:59:59 -9999", "Wed, 21 Oct 99999 07:28:00 GMT"),
        f"Wed, 21 Oct {10**20} 07:28:00 GMT",
    ],
)
def test_an_unreadable_retry_after_is_none(value: str) -> None:
    assert retry_after(value) is None


# Rate


def test_calls_are_spaced_across_threads() -> None:
    limiter = RateLimiter(0.05)

    def moment(_: int) -> float:
        limiter.wait()
        return time.monotonic()

    with ThreadPoolExecutor(4) as pool:
        moments = sorted(pool.map(moment, range(5)))
    assert moments[-1] - moments[0] >= 0.19


def test_the_first_call_does_not_wait(naps: list[float]) -> None:
    limiter = RateLimiter(3.0)
    limiter.wait()
    limiter.wait()
    assert naps[0] == 0
    assert naps[1] == pytest.approx(3.0, abs=0.5)


def test_no_interval_means_no_wait(naps: list[float]) -> None:
    limiter = RateLimiter(0)
    for _ in range(3):
        limiter.wait()
    assert naps == []


def test_retries_keep_the_interval_too() -> None:
    server = KeepAliveServer(*[(429, {"Retry-After": "0"})] * 2, (200, {}))
    start = time.monotonic()
    with server.running(), polite(server.url, min_interval=0.1) as http:
        http.get("/")
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize(
    ("url", "interval"),
    [
        ("http://127.0.0.1:8800", 0),
        ("http://localhost:8800", 0),
        ("http://[::1]:8800", 0),
        ("https://livescores.example", 2),
        ("http://192.168.1.20", 2),
        ("http://127.0.0.1.example", 2),
    ],
)
def test_only_this_machine_is_asked_without_a_pause(
    url: str, interval: float, naps: list[float]
) -> None:
    with PoliteHttp(url) as http:
        http.limiter.wait()
        http.limiter.wait()
    assert naps[1:] == ([pytest.approx(interval, abs=0.5)] if interval else [])


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "socks5://127.0.0.1:1"])
def test_this_machine_is_not_asked_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy)
    with KeepAliveServer((200, {})).running() as server, PoliteHttp(server.url) as http:
        assert http.get("/").content == b"body"
