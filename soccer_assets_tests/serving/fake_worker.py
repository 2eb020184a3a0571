"""Workers without a process."""

from collections.abc import Callable

import httpx

from soccer_assets.serving.client import WorkerClient

TOKEN = "very-secret-token"


class FakeWorker:
    """A worker whose database holds ``served``; it can be dead or slow to get ready."""

    def __init__(self, served: int = 2, *, dead: bool = False, polls_until_ready: int = 0) -> None:
        self.served = served
        self.loaded = 1
        self.dead = dead
        self.polls_until_ready = polls_until_ready
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.dead:
            raise httpx.ConnectError(f"refused {request.headers}", request=request)
        if request.url.path in ("/reload", "/restore"):
            now = self.served if request.url.path == "/reload" else 1
            before, self.loaded = self.loaded, now
            return httpx.Response(
                200,
                json={
                    "version_before": before,
                    "version_after": self.loaded,
                    "run_id": "r",
                    "n_predictions": 0,
                    "loaded_at": "2025-03-01T12:00:00Z",
                },
            )
        if request.url.path == "/readyz":
            self.polls_until_ready -= 1
            if self.polls_until_ready >= 0:
                return httpx.Response(503, json={"ready": False, "reason": "still loading"})
            return httpx.Response(200, json={"ready": True, "version": self.loaded})
        assert request.url.path == "/model"
        return httpx.Response(
            200,
            json={
                "name": "m",
                "version": self.loaded,
                "run_id": "r",
                "data_revision": "d",
                "metrics": {},
                "n_predictions": 0,
                "age_seconds": 0,
                **dict.fromkeys(
                    ("promoted_at", "refreshed_at", "loaded_at"), "2025-03-01T12:00:00Z"
                ),
            },
        )


def client_of(answer: Callable[[httpx.Request], httpx.Response], name: str = "w") -> WorkerClient:
    return WorkerClient(f"http://{name}:8000", TOKEN, transport=httpx.MockTransport(answer))
