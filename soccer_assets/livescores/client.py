"""The livescores client: one day's payload over HTTP, politely."""

import threading
import time
from datetime import date
from types import TracebackType
from typing import Self

import httpx
import tenacity

from soccer_assets import __version__
from soccer_assets.livescores.faults import FetchFault
from soccer_assets.livescores.feed import FEED_PATH
from soccer_assets.settings import is_loopback

USER_AGENT = f"soccer_assets/{__version__} (livescores ingestion)"
PUBLIC_HOST_INTERVAL = 2.0
RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})


class RateLimiter:
    """At most one call every ``interval`` seconds, across threads."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        if self._interval <= 0:
            return
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next)
            self._next = at + self._interval
        time.sleep(at - now)


class _Retry(Exception):
    def __init__(self, fault: str, retry_after: float | None = None, body: bytes | None = None):
        super().__init__(fault)
        self.retry_after = retry_after
        self.body = body


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def _wait(backoff: float) -> tenacity.wait.wait_base:
    exponential = tenacity.wait_random_exponential(multiplier=backoff, max=60)

    class RetryAfter(tenacity.wait.wait_base):
        def __call__(self, state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after if isinstance(error, _Retry) else None
            return asked if asked is not None else exponential(state)

    return RetryAfter()


class LivescoresClient:
    """Fetch day payloads from a site that speaks the livescores feed.

    Args:
        base_url: the site, e.g. ``https://host``; the feed path is appended.
        token: sent as ``X-Token`` when given, never put in a URL.
        timeout: seconds for connecting and for each read.
        attempts: tries a day gets on timeouts, 429 and 5xx before it is a fault.
        min_interval: seconds between requests; default 2 for a public host, 0 for loopback.
        backoff: seconds that the random exponential wait between tries starts from.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        attempts: int = 4,
        min_interval: float | None = None,
        backoff: float = 1.0,
    ) -> None:
        if min_interval is None:
            min_interval = 0.0 if is_loopback(base_url) else PUBLIC_HOST_INTERVAL
        self._limiter = RateLimiter(min_interval)
        self._attempts = attempts
        self._backoff = backoff
        self._http = httpx.Client(
            base_url=base_url.rstrip("/"),
            timeout=timeout,
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"}
            | ({"X-Token": token} if token else {}),
        )

    def fetch(self, day: date) -> bytes:
        """The verbatim body of one day's feed.

        Raises:
            FetchFault: no usable answer after all attempts; carries the body when there was one.
        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=_wait(self._backoff),
            retry=tenacity.retry_if_exception_type(_Retry),
            reraise=True,
        )
        try:
            return retrying(self._fetch_once, day)
        except _Retry as error:
            raise FetchFault(day, f"{error} ({self._attempts} attempts)", error.body) from error

    def _fetch_once(self, day: date) -> bytes:
        self._limiter.wait()
        try:
            response = self._http.get(FEED_PATH, params={"d": f"{day:%Y%m%d}", "isSummary": "true"})
        except httpx.TimeoutException as error:
            raise _Retry(f"timeout ({type(error).__name__})") from error
        except httpx.TransportError as error:
            raise _Retry(f"no connection: {error}") from error
        except httpx.DecodingError as error:
            raise _Retry(f"unreadable compression: {error}") from error
        if response.status_code in RETRIED_STATUSES:
            raise _Retry(
                f"HTTP {response.status_code}", _retry_after(response), response.content or None
            )
        if response.status_code != 200:
            raise FetchFault(day, f"HTTP {response.status_code}", response.content or None)
        return response.content

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
