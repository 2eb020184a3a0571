"""The HTTP face of the feed, and its faults."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import httpx
import orjson
import pytest

from soccer_assets.feed.fields import FEED_PATH
from soccer_assets.feed.payload import day_feed, header_row, match_row
from soccer_assets.simulator.faults import Fault
from soccer_assets.simulator.server import FeedServer

NOW = datetime(2024, 3, 9, 18, tzinfo=UTC)
DAY = date(2024, 3, 9)
EMPTY_DAY = date(2024, 3, 10)


class StubBackend:
    """Three matches on any day but the empty one; remembers the moments asked for."""

    def __init__(self) -> None:
        self.moments: list[datetime] = []

    def payload(self, day: date, as_of: datetime) -> dict[str, Any]:
        self.moments.append(as_of)
        if day == date(1999, 1, 1):
            raise RuntimeError("broken")
        if day == EMPTY_DAY:
            return day_feed([])
        names = {"homeTeamName": "Elminham", "awayTeamName": "Drayford"}
        rows = [
            match_row({"id": k, "status": 1, "homeTeamId": k + 10, "awayTeamId": k + 20}, names)
            for k in range(3)
        ]
        return day_feed([(header_row({"tournamentId": 11, "sex": 0}), rows)])


@pytest.fixture
def backend() -> StubBackend:
    return StubBackend()


@pytest.fixture
def server(backend: StubBackend) -> Iterator[FeedServer]:
    with FeedServer(backend, clock=lambda: NOW) as running:
        yield running


@pytest.fixture
def client(server: FeedServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=10) as made:
        yield made


def get(client: httpx.Client, day: date | str = DAY, **options: Any) -> httpx.Response:
    text = day if isinstance(day, str) else f"{day:%Y%m%d}"
    return client.get(FEED_PATH, params={"d": text, "isSummary": "true"}, **options)


def first_match(response: httpx.Response) -> dict[str, Any]:
    return response.json()["tournaments"][0]["matches"][0]


def test_the_payload_of_a_day(client: httpx.Client, backend: StubBackend) -> None:
    response = get(client)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == backend.payload(DAY, NOW)


def test_the_clock_says_as_of_when(client: httpx.Client, backend: StubBackend) -> None:
    get(client)
    assert backend.moments == [NOW]


@pytest.mark.parametrize("query", ["", "?d=", "?d=2024-03-09", "?d=20240231", "?d=20240309&d=1"])
def test_a_bad_day_is_refused(client: httpx.Client, query: str) -> None:
    response = client.get(FEED_PATH + query)
    assert response.status_code == 400
    assert "d " in response.json()["error"]


def test_other_paths(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/elsewhere").status_code == 404


def test_requests_are_counted(client: httpx.Client, server: FeedServer) -> None:
    get(client)
    get(client, "nonsense")
    client.get("/healthz")
    assert server.requests == 2


def test_a_failing_backend_is_a_500(client: httpx.Client) -> None:
    assert get(client, date(1999, 1, 1)).status_code == 500
    assert get(client).status_code == 200


def test_large_answers_are_compressed_on_request(client: httpx.Client) -> None:
    zipped = get(client, headers={"Accept-Encoding": "deflate, gzip;q=0.5"})
    plain = get(client, headers={"Accept-Encoding": "gzip;q=0"})
    small = get(client, EMPTY_DAY, headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) < int(plain.headers["content-length"])
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in small.headers
    assert zipped.json() == plain.json()


def test_a_token_is_demanded_of_the_feed_only(backend: StubBackend) -> None:
    with (
        FeedServer(backend, token="s3cret") as server,
        httpx.Client(base_url=server.url) as client,
    ):
        assert get(client).status_code == 401
        assert get(client, headers={"X-Token": "other"}).status_code == 401
        assert get(client, headers={"X-Token": "s3cret"}).status_code == 200
        assert client.get("/healthz").status_code == 200


def test_connections_are_kept_alive(server: FeedServer) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    request = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for _ in range(3):
            connection.sendall(request)
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200")


def test_parallel_requests(server: FeedServer) -> None:
    def status(_: int) -> int:
        return httpx.get(f"{server.url}{FEED_PATH}?d=20240309").status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(status, range(40))) == {200}
    assert server.requests == 40


def test_stopping_closes_connections_and_starting_takes_the_same_port(
    backend: StubBackend,
) -> None:
    server = FeedServer(backend).start()
    url = server.url
    with httpx.Client(base_url=url) as client:
        assert get(client).status_code == 200
        server.stop()
        server.stop()
        with pytest.raises(httpx.TransportError):
            get(client)
        with pytest.raises(RuntimeError, match="not running"):
            _ = server.url
        server.start()
        assert server.url == url
        assert get(client).status_code == 200
        server.stop()


# Faults


def test_http_500(client: httpx.Client, server: FeedServer) -> None:
    server.inject(DAY, Fault.http_500())
    assert get(client).status_code == 500
    assert get(client, EMPTY_DAY).status_code == 200
    server.clear(DAY)
    assert get(client).status_code == 200


def test_http_429_says_when_to_retry(client: httpx.Client, server: FeedServer) -> None:
    server.inject(DAY, Fault.http_429(retry_after=7))
    response = get(client)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"


def test_a_fault_can_pass(client: httpx.Client, server: FeedServer) -> None:
    server.inject(DAY, Fault.http_500(), times=2)
    assert [get(client).status_code for _ in range(3)] == [500, 500, 200]


def test_a_fault_of_every_day_yields_to_a_days_own(
    client: httpx.Client, server: FeedServer
) -> None:
    server.inject(None, Fault.http_500())
    server.inject(DAY, Fault.http_429())
    assert get(client).status_code == 429
    assert get(client, EMPTY_DAY).status_code == 500
    server.clear()
    assert get(client, EMPTY_DAY).status_code == 200


def test_timeout(client: httpx.Client, server: FeedServer) -> None:
    server.inject(DAY, Fault.timeout(seconds=60))
    with pytest.raises(httpx.ReadTimeout):
        get(client, timeout=0.2)
    server.inject(DAY, Fault.timeout(seconds=0.01))
    assert get(client).status_code == 200


def test_truncated_json(client: httpx.Client, server: FeedServer) -> None:
    for day in (DAY, EMPTY_DAY):
        server.inject(day, Fault.truncated_json())
        response = get(client, day)
        assert response.status_code == 200
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(response.content)


def test_html_page(client: httpx.Client, server: FeedServer) -> None:
    server.inject(DAY, Fault.html_page())
    response = get(client)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert response.text.lstrip().startswith("<")


def test_missing_field(client: httpx.Client, server: FeedServer) -> None:
    server.inject(DAY, Fault.missing_field("homeTeamId"))
    assert "homeTeamId" not in first_match(get(client))
    server.inject(DAY, Fault.missing_field("stageId"))
    assert "stageId" not in first_match(get(client))
    assert "stageId" in get(client).json()["tournaments"][0]


@pytest.mark.parametrize("name", ["seasonId", "matches"])
def test_missing_field_of_the_header(client: httpx.Client, server: FeedServer, name: str) -> None:
    server.inject(DAY, Fault.missing_field(name))
    assert name not in get(client).json()["tournaments"][0]


def test_unknown_status(client: httpx.Client, server: FeedServer) -> None:
    server.inject(DAY, Fault.unknown_status(42))
    assert first_match(get(client))["status"] == 42


def test_wrong_type(client: httpx.Client, server: FeedServer) -> None:
    server.inject(DAY, Fault.wrong_type("homeScore"))
    assert isinstance(first_match(get(client))["homeScore"], dict)


def test_duplicate_id(client: httpx.Client, server: FeedServer) -> None:
    server.inject(DAY, Fault.duplicate_id())
    first, *_, again = get(client).json()["tournaments"][0]["matches"]
    assert first["id"] == again["id"]
    assert first["homeTeamId"] == again["awayTeamId"] != again["homeTeamId"]


def test_faults_leave_an_overriding_payload_as_it_was(
    client: httpx.Client, server: FeedServer, backend: StubBackend
) -> None:
    payload = backend.payload(DAY, NOW)
    payload["tournaments"][0]["tournamentName"] = "Overridden"
    server.override(EMPTY_DAY, payload)
    server.inject(EMPTY_DAY, Fault.missing_field("id"), times=1)
    assert "id" not in first_match(get(client, EMPTY_DAY))
    assert get(client, EMPTY_DAY).json() == payload
    server.clear(EMPTY_DAY)
    assert get(client, EMPTY_DAY).json() == {"tournaments": []}


def test_serve_forever_ends_cleanly_on_interrupt() -> None:
    script = (
        "import logging, sys\n"
        "from soccer_assets.simulator.server import serve_forever\n"
        "from soccer_assets.simulator.leagues import LeagueSimulator\n"
        "logging.basicConfig(level='INFO', stream=sys.stdout, format='%(message)s')\n"
        "serve_forever(LeagueSimulator(), port=0)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-u", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert httpx.get(url, params={"d": "20240309"}).json()["tournaments"]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "stopping" in out
    assert not err
