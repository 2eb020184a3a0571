import traceback
from collections.abc import Callable

import httpx
import pytest

from soccer_assets.serving.client import (
    WorkerClient,
    WorkerRefused,
    WorkerUnreachable,
    stranger,
)
from soccer_assets_tests.serving.fake_worker import TOKEN, FakeWorker, client_of


def test_a_stranger_is_known_by_its_token_or_by_its_model() -> None:
    def refusing(status: int) -> Callable[[httpx.Request], httpx.Response]:
        return lambda _: httpx.Response(status, json={"detail": "no"})

    for status in (401, 403):
        assert stranger(client_of(refusing(status)), "r") == "it does not know the reload token"
    assert stranger(client_of(FakeWorker()), "another") == "it serves the model of run r"
    # These are its own, in trouble or not: that is for the reload to tell.
    assert stranger(client_of(FakeWorker()), "r") is None
    assert stranger(client_of(FakeWorker())) is None
    assert stranger(client_of(refusing(503)), "r") is None
    assert stranger(client_of(FakeWorker(dead=True)), "r") is None


def test_errors_never_hold_the_token() -> None:
    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"detail": f"bad {request.headers['authorization']}"})

    with pytest.raises(WorkerRefused) as refused:
        client_of(echo).reload()
    assert refused.value.status_code == 401
    with pytest.raises(WorkerUnreachable) as unreachable:
        client_of(FakeWorker(dead=True)).reload()
    for error in (refused.value, unreachable.value):
        assert TOKEN not in "".join(traceback.format_exception(error))
        assert error.__cause__ is None
        assert error.__context__ is None
    assert TOKEN not in repr(client_of(echo))
    with pytest.raises(ValueError, match="no HTTP header") as invalid:
        WorkerClient("http://w", f"{TOKEN}\n")
    assert TOKEN not in str(invalid.value)


def test_the_token_goes_only_with_the_reload() -> None:
    given: dict[str, str | None] = {}
    worker = FakeWorker()

    def answer(request: httpx.Request) -> httpx.Response:
        given[request.url.path] = request.headers.get("authorization")
        return worker(request)

    client = client_of(answer)
    client.reload()
    client.ready()
    client.model()
    assert given == {"/reload": f"Bearer {TOKEN}", "/readyz": None, "/model": None}


def test_a_url_loses_its_password() -> None:
    assert WorkerClient("http://someone:hunter2@host:80/base/").url == "http://host/base"


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={}),
        httpx.Response(302, headers={"location": "http://elsewhere/"}),
        httpx.Response(502, text="bad gateway"),
        httpx.Response(500, json=["odd"]),
    ],
)
def test_strange_answers_are_refusals(response: httpx.Response) -> None:
    with pytest.raises(WorkerRefused, match="/reload answered"):
        client_of(lambda _: response).reload()
