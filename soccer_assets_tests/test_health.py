"""The health checks of containers."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import grpc
import pytest
from grpc_health.v1.health import HealthServicer
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from soccer_assets.health import complaint, main


@pytest.fixture
def site() -> Iterator[str]:
    """Answers each path with the status that it names."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(int(self.path.strip("/")))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def code_server() -> Iterator[tuple[str, HealthServicer]]:
    server = grpc.server(ThreadPoolExecutor(1))
    servicer = HealthServicer()
    add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"grpc://127.0.0.1:{port}", servicer
    server.stop(None).wait()


def test_a_page_that_answers_is_well_whatever_proxy_is_set(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert complaint(f"{site}/200") is None


def test_a_page_that_says_otherwise_is_not(site: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{site}/503"]) == 1
    assert capsys.readouterr().err == f"{site}/503: status 503\n"
    assert main([f"{site}/200"]) == 0


def test_a_server_that_is_not_there_is_not() -> None:
    assert "refused" in (complaint("http://127.0.0.1:1/healthz") or "")
    assert complaint("grpc://127.0.0.1:1") == "grpc://127.0.0.1:1: UNAVAILABLE"


def test_a_code_server_is_well_while_it_serves(code_server: tuple[str, HealthServicer]) -> None:
    url, servicer = code_server
    servicer.set("DagsterApi", HealthCheckResponse.SERVING)
    assert complaint(url) is None
    servicer.set("DagsterApi", HealthCheckResponse.NOT_SERVING)
    assert complaint(url) == f"{url}: NOT_SERVING"


def test_the_command_imports_nothing_of_the_project(site: str) -> None:
    """It runs every few seconds."""
    script = (
        "import runpy, sys; sys.argv[1:] = [sys.argv[1]]\n"
        "try: runpy.run_module('soccer_assets.health', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print([name for name in sys.modules if name.split('.')[0] in"
        " ('dagster', 'grpc', 'pydantic', 'httpx')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, f"{site}/200"], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
