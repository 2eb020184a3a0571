"""MLflow that is down, slow or in the way: no wait without an end, no secret in what is told."""

import http.server
import os
import socket
import threading
import time
import traceback
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from mlflow import environment_variables as client_settings

from soccer_assets.modelling.mlflow_service import MlflowUnavailable, connect, explained
from soccer_assets.modelling.registry import CHAMPION, ModelRegistry
from soccer_assets_tests.modelling.mlflow_store import EXPERIMENT

SECRET = "hunt%2Fer2"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What MLflow is told stays here."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
    yield
    mlflow.set_tracking_uri(None)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator's own settings of MLflow's client, which are respected."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")


@contextmanager
def listener(answer: str | None = None) -> Iterator[int]:
    """A port that accepts; and either never answers, or has one answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert answer is not None
            status, _, header = answer.partition(" ")
            self.send_response(int(status))
            if header:
                self.send_header(*header.split(": "))
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"<>")

        def log_message(self, *_: object) -> None:
            pass

    if answer is None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            yield silent.getsockname()[1]
        return
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def told_of(uri: str) -> str:
    """The one line that a registry at ``uri`` fails with, after a look at all that it drags along."""
    with pytest.raises(MlflowUnavailable) as failure:
        ModelRegistry(uri, EXPERIMENT).by_alias(CHAMPION)
    everything = "".join(traceback.format_exception(failure.value))
    assert "hunt" not in everything
    return str(failure.value)


def test_the_bounds_of_a_request_are_short() -> None:
    connect("http://127.0.0.1:9", EXPERIMENT)
    tries = client_settings.MLFLOW_HTTP_REQUEST_MAX_RETRIES.get() + 1
    pauses = client_settings.MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR.get() * 2**tries
    assert tries * client_settings.MLFLOW_HTTP_REQUEST_TIMEOUT.get() + pauses <= 60
    assert client_settings.MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER.get() is False


def test_a_server_that_accepts_and_never_answers_is_given_up(hasty: None) -> None:
    with listener() as port:
        told = told_of(f"http://someone:{SECRET}@127.0.0.1:{port}")
    assert told.startswith(f"MLflow at http://127.0.0.1:{port} does not answer (")


def test_a_closed_port_is_told_at_once() -> None:
    assert told_of(f"http://someone:{SECRET}@127.0.0.1:9/path").startswith(
        "MLflow at http://127.0.0.1:9 does not answer ("
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("503 Retry-After: 3600", "does not answer (RetryError)"),
        ("401 WWW-Authenticate: Basic", "refuses these credentials (UNAUTHENTICATED)"),
        ("403", "refuses these credentials (PERMISSION_DENIED)"),
        ("404", "does not answer as MLflow does"),
        ("200", "does not answer as MLflow does"),
    ],
)
def test_whatever_else_answers_is_told_as_what_it_is(answer: str, told: str, hasty: None) -> None:
    with listener(answer) as port:
        assert told_of(f"http://127.0.0.1:{port}") == f"MLflow at http://127.0.0.1:{port} {told}"


def test_a_database_that_is_down_or_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soccer_assets.modelling.mlflow_service.CONNECT_SECONDS", 2)
    began = time.monotonic()
    told = told_of(f"postgresql://someone:{SECRET}@127.0.0.1:9/mlflow")
    assert told.startswith("MLflow at postgresql://127.0.0.1:9 cannot be used: connection to")
    with listener() as port:
        told = told_of(f"postgresql://someone:{SECRET}@127.0.0.1:{port}/mlflow")
    assert "timeout expired" in told
    assert time.monotonic() - began < 100  # MLflow's own ten tries add up to more


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.write_text("somebody's notes, " * 100)
    assert (
        told_of(f"sqlite:///{file}") == f"MLflow at {file} cannot be used: file is not a database"
    )


def test_an_address_that_mlflow_cannot_use_is_told_without_its_password() -> None:
    """MLflow's own message repeats the address."""
    told = told_of(f"postgres://someone:{SECRET}@127.0.0.1:9/mlflow")
    assert told.startswith("MLflow at postgres://127.0.0.1:9 cannot be used (")


@pytest.mark.parametrize("repeated", [SECRET, "hunt/er2", b64encode(b"me:hunt/er2").decode()])
def test_a_server_that_repeats_what_it_was_given_is_not_quoted(
    repeated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quoted_by(uri: str) -> MlflowUnavailable:
        with pytest.raises(MlflowUnavailable) as told, explained(uri):
            raise RuntimeError(f"{repeated} may not")
        return told.value

    told = quoted_by(f"http://me:{SECRET}@127.0.0.1:9/mlflow")
    assert str(told) == "MLflow at http://127.0.0.1:9 cannot be used (RuntimeError)"
    assert told.__suppress_context__
    if repeated != SECRET:  # there it is not quoted
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunt/er2")
        assert str(quoted_by("http://127.0.0.1:9/mlflow")) == str(told)


def test_a_password_reaches_mlflow_beside_the_uri_and_nowhere_in_it() -> None:
    connect(f"http://some%40one:{SECRET}@[::1]:5000/base", EXPERIMENT)
    assert mlflow.get_tracking_uri() == "http://[::1]:5000/base"
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "some@one"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "hunt/er2"
