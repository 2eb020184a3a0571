"""HTTP with manners: identified, paced, and patient with a failing host."""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

import httpx
import tenacity

from soccer_assets import __version__
from soccer_assets.urls import bare, credentials, is_loopback

USER_AGENT = f"soccer_assets/{__version__} (livescores ingestion)"
PUBLIC_HOST_INTERVAL = 2.0
RETRIED_STATUSES = frozenset({429, *range(500, 600)})
#: A host that asks for a longer pause than this many seconds is left alone until the next run.
LONGEST_PAUSE = 300.0


class HttpFault(Exception):
    """The host gave no answer to work with.

    Attributes:
        body: what it sent instead, if anything.
    """

    def __init__(self, fault: str, body: bytes | None = None) -> None:
        super().__init__(fault)
        self.body = body


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


class Retry(Exception):
    """A failure worth another try."""

    def __init__(self, fault: str, pause: float | None = None, body: bytes | None = None) -> None:
        super().__init__(fault)
        self.pause = pause
        self.body = body


def retry_after(value: str) -> float | None:
    """Seconds to wait by a ``Retry-After`` header, in either form (RFC 9110, 10.2.3).

    A date that has passed means no wait; None means that the header is absent or unreadable.
    """
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


class Wait(tenacity.wait.wait_base):
    """As long as the host asked for, else random exponential backoff."""

    def __init__(self, backoff: float) -> None:
        self._backoff = tenacity.wait_random_exponential(multiplier=backoff, max=60)

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = error.pause if isinstance(error, Retry) else None
        return self._backoff(retry_state) if asked is None else asked


class PoliteHttp:
    """GET requests to one site over reused connections; a context manager, safe across threads.

    Timeouts, lost connections, 429 and 5xx are tried again after a random exponential wait, or
    after the time that ``Retry-After`` asks for. Redirects are not followed.

    Args:
        base_url: the site; paths are appended to it, a user and a password in it are sent as a
            header.
        headers: sent with every request, beside the User-Agent.
        timeout: seconds for connecting and for each read.
        attempts: tries a request gets.
        min_interval: seconds between requests; default 2 for a public host, 0 for loopback.
        backoff: seconds that the wait between tries starts from.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        attempts: int = 4,
        min_interval: float | None = None,
        backoff: float = 1.0,
    ) -> None:
        if min_interval is None:
            min_interval = 0.0 if is_loopback(base_url) else PUBLIC_HOST_INTERVAL
        self.limiter = RateLimiter(min_interval)
        self._attempts = attempts
        self._backoff = backoff
        self._client = httpx.Client(
            # Apart, for an address is told where something goes wrong.
            base_url=bare(base_url).rstrip("/"),
            auth=credentials(base_url),
            timeout=timeout,
            headers={"User-Agent": USER_AGENT, **(headers or {})},
        )

    def get(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer, whatever its status, except 429 and 5xx.

        Raises:
            HttpFault: none after all attempts, or the host asks for a pause beyond
                ``LONGEST_PAUSE``; carries the body when there was one.
        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=Wait(self._backoff),
            retry=tenacity.retry_if_exception_type(Retry),
            reraise=True,
        )
        try:
            return retrying(self._get_once, path, params, headers)
        except Retry as error:
            raise HttpFault(f"{error} ({self._attempts} attempts)", error.body) from error

    def _get_once(
        self, path: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> httpx.Response:
        self.limiter.wait()
        try:
            response = self._client.get(path, params=params, headers=headers)
        except httpx.TimeoutException as error:
            raise Retry(f"timeout ({type(error).__name__})") from error
        except httpx.TransportError as error:
            raise Retry(f"no connection: {error}") from error
        except httpx.DecodingError as error:
            raise Retry(f"unreadable compression: {error}") from error
        status, body = response.status_code, response.content or None
        if status in RETRIED_STATUSES:
            pause = retry_after(response.headers.get("Retry-After", ""))
            if pause is not None and pause > LONGEST_PAUSE:
                raise HttpFault(f"HTTP {status}, which asks for a pause of {pause:.0f} s", body)
            raise Retry(f"HTTP {status}", pause, body)
        return response

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
