"""The feed through a real browser, driven over the Selenium protocol as a grid would be."""

import base64
import gzip
import logging
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import orjson
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soccer_assets import __version__
from soccer_assets.feed.faults import FetchFault
from soccer_assets.feed.fields import FEED_PATH
from soccer_assets.feed.limits import FeedLimits
from soccer_assets.simulator.challenge import BrowserChallenge
from soccer_assets.simulator.faults import Fault
from soccer_assets.simulator.http import GetServer, Reply
from soccer_assets.simulator.server import FeedServer
from soccer_assets.sources.browser import BrowserClient
from soccer_assets.sources.livescores import LivescoresClient
from soccer_assets.sources.request_policy import RequestPolicy
from soccer_assets_tests.feed_days import DAY, a_match, a_payload

pytestmark = pytest.mark.system

DAYS = [DAY + timedelta(days=k) for k in range(6)]
CHROMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class ThreeMatchesADay:
    def payload(self, day: date, as_of: datetime) -> dict[str, Any]:
        ids = range(day.toordinal(), day.toordinal() + 3)
        return a_payload(*(a_match(k, day, homeTeamName="Ñublense 浦和 🟥") for k in ids))


def sent(day: date) -> bytes:
    return orjson.dumps(ThreeMatchesADay().payload(day, datetime.min))


class RecordingServer(FeedServer):
    """Remembers what it was asked for, and with which headers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(ThreeMatchesADay(), browser_only=True, **options)
        self.asked: list[tuple[str, Message]] = []

    def reply(self, target: str, headers: Message) -> Reply:
        self.asked.append((target, headers))
        return super().reply(target, headers)


# The grid


@dataclass(frozen=True)
class Grid:
    """A chromedriver, which is a Selenium Remote of one machine."""

    url: str
    process: psutil.Process

    def sessions(self) -> list[str]:
        return [each["id"] for each in httpx.get(f"{self.url}/sessions").json()["value"]]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.skip("no chromedriver on the path (Debian: apt-get install chromium-driver)")
    if not any(shutil.which(name) for name in CHROMES):
        pytest.skip("no Chromium on the path (Debian: apt-get install chromium)")
    with subprocess.Popen(
        [driver, "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path_factory.mktemp("chromium"))},
    ) as process:
        assert process.stdout is not None
        ports = (re.search(r"started successfully on port (\d+)", line) for line in process.stdout)
        port = next(found[1] for found in ports if found)
        family = psutil.Process(process.pid)
        try:
            yield Grid(f"http://127.0.0.1:{port}", family)
        finally:
            browsers = family.children(recursive=True)
            process.terminate()
            for browser in browsers:
                with suppress(psutil.NoSuchProcess):
                    browser.kill()
            psutil.wait_procs(browsers, timeout=10)


def a_client(grid: Grid, url: str, token: str | None = None, **options: Any) -> BrowserClient:
    policy = RequestPolicy(**{"attempts": 3, "backoff": 0.01} | options)
    return BrowserClient(url, grid.url, token=token, policy=policy)


@dataclass(frozen=True)
class Site:
    """A feed for browsers only, and a client that is through its check."""

    server: RecordingServer
    client: BrowserClient


@pytest.fixture(scope="module")
def open_site(grid: Grid) -> Iterator[Site]:
    with RecordingServer() as server, a_client(grid, server.url) as client:
        client.fetch(DAY)
        yield Site(server, client)


@pytest.fixture
def site(open_site: Site) -> Site:
    open_site.server.clear()
    open_site.server.asked.clear()
    return open_site


@contextmanager
def canned(*answers: Reply) -> Iterator[tuple[str, list[Reply]]]:
    """A site that gives one of ``answers`` after the other and then the last for ever.

    It knows nothing but the feed. The answers left may be changed.
    """
    replies = list(answers)

    def respond(target: str, headers: Message) -> Reply:
        if not target.startswith(FEED_PATH):
            return Reply(HTTPStatus.NOT_FOUND, b"")
        return replies.pop(0) if len(replies) > 1 else replies[0]

    server = GetServer(("127.0.0.1", 0), respond)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(server.serve_forever, 0.02)
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", replies
        finally:
            server.shutdown()
            server.server_close()
            server.close_connections()


@contextmanager
def handled(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server for what ``canned`` cannot say."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.serve_forever, 0.02)
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# Getting the feed


def test_a_client_that_is_no_browser_is_refused(site: Site) -> None:
    with (
        LivescoresClient(site.server.url) as client,
        pytest.raises(FetchFault, match="2024-03-09: HTTP 403") as caught,
    ):
        client.fetch(DAY)
    assert caught.value.body is not None
    assert b"<script>" in caught.value.body


def test_a_browser_gets_each_day_verbatim_with_one_request(site: Site) -> None:
    assert [site.client.fetch(day) for day in DAYS] == [sent(day) for day in DAYS]
    assert [target for target, _ in site.server.asked] == [
        f"/livescores/data?d={day:%Y%m%d}&isSummary=true" for day in DAYS
    ]


def test_the_client_says_who_it_is(site: Site) -> None:
    site.client.fetch(DAY)
    ((_, headers),) = site.server.asked
    assert headers["User-Agent"].startswith(f"soccer_assets/{__version__} ")


def test_the_token_goes_into_a_header_of_feed_requests_and_nowhere_else(
    grid: Grid, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with RecordingServer(token="s3cret") as server:
        with a_client(grid, f"{server.url}/", token="s3cret") as client:
            assert client.fetch(DAY) == sent(DAY)
        with (
            a_client(grid, server.url, token="other") as client,
            pytest.raises(FetchFault, match="2024-03-09: HTTP 401") as caught,
        ):
            client.fetch(DAY)
    assert {headers["X-Token"] for _, headers in server.asked} == {None, "s3cret", "other"}
    assert not any("s3cret" in target for target, _ in server.asked)
    assert "s3cret" not in caplog.text
    assert "other" not in str(caught.value)


def test_cookies_that_ran_out_are_made_anew(site: Site) -> None:
    for day in DAYS:
        site.server.challenge = BrowserChallenge()
        assert site.client.fetch(day) == sent(day)


def test_any_bytes_arrive_as_they_were_sent(grid: Grid) -> None:
    with canned(Reply(HTTPStatus.OK, b"")) as (url, replies), a_client(grid, url) as client:
        assert client.fetch(DAY) == b""

        @settings(max_examples=30, deadline=None)
        @given(st.binary(max_size=5000))
        def arrives(body: bytes) -> None:
            replies[0] = Reply(HTTPStatus.OK, b"\xef\xbb\xbf" + body)
            assert client.fetch(DAY) == b"\xef\xbb\xbf" + body

        arrives()


def test_a_truncated_payload_is_for_the_parser_to_refuse(site: Site) -> None:
    site.server.inject(DAY, Fault.truncated_json())
    body = site.client.fetch(DAY)
    assert body == sent(DAY)[: len(sent(DAY)) // 2]


def test_threads_take_turns_in_one_browser(grid: Grid) -> None:
    before = grid.sessions()
    with (
        RecordingServer() as server,
        a_client(grid, server.url) as client,
        ThreadPoolExecutor(3) as pool,
    ):
        assert list(pool.map(client.fetch, DAYS)) == [sent(day) for day in DAYS]
        assert len(grid.sessions()) == len(before) + 1


def test_requests_keep_their_distance(grid: Grid) -> None:
    with RecordingServer() as server, a_client(grid, server.url, min_interval=0.2) as client:
        client.fetch(DAYS[0])
        start = time.monotonic()
        for day in DAYS[1:4]:
            client.fetch(day)
    assert time.monotonic() - start >= 0.4


# A source that misbehaves


@pytest.mark.parametrize(
    "fault", [Fault.http_500(), Fault.http_429(retry_after=0)], ids=lambda fault: fault.kind
)
def test_a_passing_fault_is_sat_out(site: Site, fault: Fault) -> None:
    site.server.inject(DAY, fault, times=2)
    assert site.client.fetch(DAY) == sent(DAY)
    assert len(site.server.asked) == 3


def test_a_lasting_fault_ends_after_the_attempts_and_is_named(site: Site) -> None:
    site.server.inject(DAY, Fault.http_500())
    with pytest.raises(FetchFault, match=r"2024-03-09: HTTP 500 \(3 attempts\)") as caught:
        site.client.fetch(DAY)
    assert len(site.server.asked) == 3
    assert caught.value.day == DAY
    assert caught.value.body == b'{"error":"injected"}'


def test_a_fault_on_the_first_day_is_no_fault_of_the_next(grid: Grid) -> None:
    with RecordingServer() as server, a_client(grid, server.url, attempts=1) as client:
        server.inject(DAYS[0], Fault.http_500())
        with pytest.raises(FetchFault, match="HTTP 500"):
            client.fetch(DAYS[0])
        assert client.fetch(DAYS[1]) == sent(DAYS[1])


def test_retry_after_decides_how_long_to_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    site.server.inject(DAY, Fault.http_429(retry_after=7), times=2)
    assert site.client.fetch(DAY) == sent(DAY)
    assert naps == [7, 7]


def test_a_site_that_asks_for_a_long_pause_is_left_alone(site: Site) -> None:
    site.server.inject(DAY, Fault.http_429(retry_after=86400))
    with pytest.raises(FetchFault, match=r"2024-03-09: HTTP 429.*86400 s"):
        site.client.fetch(DAY)
    assert len(site.server.asked) == 1


def test_a_slow_answer_is_a_timeout_and_the_next_day_is_fetched(grid: Grid) -> None:
    with RecordingServer() as server:
        server.inject(DAYS[1], Fault.timeout(60))
        with a_client(grid, server.url, timeout=4, attempts=1) as client:
            client.fetch(DAYS[0])
            with pytest.raises(FetchFault, match=r"2024-03-10: timeout.*1 attempts"):
                client.fetch(DAYS[1])
            assert client.fetch(DAYS[2]) == sent(DAYS[2])


def test_a_page_that_does_not_load_is_a_timeout(grid: Grid) -> None:
    with FeedServer(ThreeMatchesADay()) as server:
        server.inject(DAY, Fault.timeout(60))
        with (
            a_client(grid, server.url, timeout=1, attempts=1) as client,
            pytest.raises(FetchFault, match="2024-03-09: timeout"),
        ):
            client.fetch(DAY)


def test_a_site_that_is_down_is_a_fault(grid: Grid) -> None:
    with (
        a_client(grid, f"http://127.0.0.1:{unused_port()}", attempts=2) as client,
        pytest.raises(FetchFault, match=r"2024-03-09: no connection.*2 attempts"),
    ):
        client.fetch(DAY)


def test_a_site_that_goes_down_and_comes_back_is_fetched_from(grid: Grid) -> None:
    with RecordingServer() as server, a_client(grid, server.url, attempts=2) as client:
        client.fetch(DAYS[0])
        server.stop()
        with pytest.raises(FetchFault, match="2024-03-10: no connection"):
            client.fetch(DAYS[1])
        server.start()
        assert client.fetch(DAYS[1]) == sent(DAYS[1])


def test_a_check_that_no_script_passes_is_a_fault(grid: Grid) -> None:
    page = b"<html>Prove that you are human</html>"
    wall = Reply(HTTPStatus.FORBIDDEN, page, "text/html")
    with canned(wall) as (url, replies), a_client(grid, url, timeout=1) as client:
        with pytest.raises(FetchFault, match=r"2024-03-09: HTTP 403$") as caught:
            client.fetch(DAY)
        assert caught.value.body == page
        replies[0] = Reply(HTTPStatus.OK, page, "text/html; charset=utf-8")
        with pytest.raises(
            FetchFault, match=r"2024-03-09: a page .* instead of the feed$"
        ) as caught:
            client.fetch(DAY)
        assert caught.value.body == page


def test_other_answers_are_not_asked_for_again(grid: Grid) -> None:
    with canned(Reply(HTTPStatus.OK, b"{}")) as (url, replies), a_client(grid, url) as client:
        client.fetch(DAY)
        for status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            replies[:] = [Reply(status, b"<p>No</p>", "text/html"), Reply(HTTPStatus.OK, b"{}")]
            with pytest.raises(FetchFault, match=f"2024-03-09: HTTP {status}$") as caught:
                client.fetch(DAY)
            assert caught.value.body == b"<p>No</p>"
            assert len(replies) == 1


def test_a_redirect_is_not_followed_with_the_token(grid: Grid) -> None:
    tokens: list[str | None] = []

    class Redirecting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            elsewhere = self.path.startswith("/elsewhere")
            tokens.append(self.headers["X-Token"] if elsewhere else None)
            self.send_response(200 if elsewhere else 302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with (
        handled(Redirecting) as url,
        a_client(grid, url, token="s3cret") as client,
        pytest.raises(FetchFault, match="2024-03-09: a redirect"),
    ):
        client.fetch(DAY)
    assert set(tokens) == {None}


def test_an_answer_of_too_many_bytes_is_a_fault_however_well_it_was_packed(grid: Grid) -> None:
    class Packed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (
                gzip.compress(b"[" + b" " * 5_000_000 + b"]") if "20240310" in self.path else b"{}"
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if len(body) > 2:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(body)

    limits = FeedLimits(max_bytes=1_000_000)
    with handled(Packed) as url, a_client(grid, url, limits=limits) as client:
        assert client.fetch(DAYS[0]) == b"{}"
        with pytest.raises(FetchFault, match="2024-03-10: an answer of more than 1,000,000 bytes"):
            client.fetch(DAYS[1])
        assert client.fetch(DAYS[2]) == b"{}"


def test_a_byte_now_and_then_ends_with_the_time_of_a_request(grid: Grid) -> None:
    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            with suppress(OSError):
                while "20240310" in self.path:
                    self.wfile.write(b" ")
                    time.sleep(0.1)
                self.wfile.write(b"{}")

    with handled(Dripping) as url, a_client(grid, url, timeout=3, attempts=1) as client:
        assert client.fetch(DAYS[0]) == b"{}"
        with pytest.raises(FetchFault, match="2024-03-10: timeout"):
            client.fetch(DAYS[1])
        assert client.fetch(DAYS[2]) == b"{}"


# A grid that misbehaves


def test_a_grid_that_is_down_is_a_fault_of_the_day() -> None:
    nobody = f"http://127.0.0.1:{unused_port()}/wd/hub"
    with (
        BrowserClient(
            "http://127.0.0.1:9", nobody, policy=RequestPolicy(attempts=2, backoff=0.01)
        ) as client,
        pytest.raises(FetchFault, match=r"2024-03-09: .*grid at 127.*unreachable.*2 attempts"),
    ):
        client.fetch(DAY)


def test_credentials_of_the_grid_go_into_a_header_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    asked: list[tuple[str, str | None, bytes]] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, self.headers["Authorization"], body))
            self.send_error(401)

    with handled(Refusing) as url:
        remote = url.replace("//", "//user:s3cret%21@") + "/wd/hub"
        with (
            BrowserClient("http://127.0.0.1:9", remote, policy=RequestPolicy(attempts=1)) as client,
            pytest.raises(FetchFault, match=r"2024-03-09: the grid at 127.*Required") as caught,
        ):
            client.fetch(DAY)
    ((path, authorization, body),) = asked
    assert path == "/wd/hub/session"
    assert authorization == "Basic " + base64.b64encode(b"user:s3cret!").decode()
    assert b"s3cret" not in body
    assert "s3cret" not in caplog.text + str(caught.value)


def test_a_grid_that_is_none_is_a_fault_of_the_day() -> None:
    with (
        canned(Reply(HTTPStatus.OK, b"")) as (url, _),
        BrowserClient("http://127.0.0.1:9", url, policy=RequestPolicy(attempts=1)) as client,
        pytest.raises(FetchFault, match=r"2024-03-09: the grid at 127.*gives no browser"),
    ):
        client.fetch(DAY)


def test_the_browser_is_given_back(grid: Grid) -> None:
    before = grid.sessions()
    with RecordingServer() as server:
        with a_client(grid, server.url) as client:
            assert grid.sessions() == before  # none is taken before it is needed
            client.fetch(DAY)
            assert len(grid.sessions()) == len(before) + 1
        assert grid.sessions() == before


def test_the_browser_is_given_back_after_a_fault_too(grid: Grid) -> None:
    before = grid.sessions()
    page = Reply(HTTPStatus.NOT_FOUND, b"")
    with canned(page) as (url, _), pytest.raises(FetchFault), a_client(grid, url) as client:
        client.fetch(DAY)
    assert grid.sessions() == before


def browser_of(grid: Grid, session: str) -> psutil.Process:
    taken = {each["id"]: each for each in httpx.get(f"{grid.url}/sessions").json()["value"]}
    folder = taken[session]["capabilities"]["chrome"]["userDataDir"]
    return next(
        child
        for child in grid.process.children()
        if any(folder in argument for argument in child.cmdline())
    )


def kill(browser: psutil.Process) -> None:
    browser.kill()
    while is_running(browser):
        time.sleep(0.01)


def is_running(process: psutil.Process) -> bool:
    # chromedriver takes note of a browser's end only when it is next asked for something.
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def kill_the_browser(grid: Grid, session: str) -> None:
    kill(browser_of(grid, session))


def end_the_session(grid: Grid, session: str) -> None:
    """As a grid does with one that was idle for too long."""
    httpx.delete(f"{grid.url}/session/{session}", timeout=30)


@pytest.mark.parametrize("lose", [kill_the_browser, end_the_session])
def test_a_browser_that_was_lost_between_days_is_replaced(
    grid: Grid, lose: Callable[[Grid, str], None]
) -> None:
    before = grid.sessions()
    with (
        RecordingServer() as server,
        a_client(grid, server.url, attempts=1) as client,
    ):
        client.fetch(DAYS[0])
        (session,) = set(grid.sessions()) - set(before)
        lose(grid, session)
        assert client.fetch(DAYS[1]) == sent(DAYS[1])
        assert session not in grid.sessions()
    assert grid.sessions() == before


class Assassin(RecordingServer):
    """Kills the browser that asks, once it has a ``victim``."""

    victim: psutil.Process | None = None

    def reply(self, target: str, headers: Message) -> Reply:
        if self.victim is not None:
            kill(self.victim)
            self.victim = None
        return super().reply(target, headers)


def test_a_browser_that_is_lost_while_it_fetches_costs_an_attempt(grid: Grid) -> None:
    before = grid.sessions()
    with Assassin() as server, a_client(grid, server.url, attempts=2) as client:
        client.fetch(DAYS[0])
        (session,) = set(grid.sessions()) - set(before)
        server.victim = browser_of(grid, session)
        assert client.fetch(DAYS[1]) == sent(DAYS[1])
        assert server.victim is None
        assert session not in grid.sessions()
    assert grid.sessions() == before
