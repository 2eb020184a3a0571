"""HTTP with manners: identified, paced, patient with a failing host, and wary of what it sends."""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

import httpx
import tenacity

from soccer_assets import __version__
from soccer_assets.feed.limits import FeedLimits
from soccer_assets.sources.bounded_http import Deadline, TooLarge, TooSlow, bound, read_bounded
from soccer_assets.urls import bare, credentials, is_loopback

USER_AGENT = f"soccer_assets/{__version__} (livescores ingestion)"
PUBLIC_HOST_INTERVAL = 2.0
RETRIED_STATUSES = frozenset({429, *range(500, 600)})
#: A host that asks for a longer pause than this many seconds is left alone until the next run.
LONGEST_PAUSE = 300.0
#: What is kept of the body that comes with an error, in bytes.
ERROR_BODY = 1_000_000


#: Headers that are no longer true of a body that has been read.
_OF_THE_TRANSFER = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class HttpFault(Exception):
    """The host gave no answer to work with.

    Attributes:
        body: what it sent instead, if anything.
        passing: it lies with the connection or with the state of the host, so that another try
            later may well go better.
        of_host: it would be the same for anything else that is asked of the host now.
    """

    def __init__(
        self, fault: str, body: bytes | None = None, *, passing: bool = True, of_host: bool = True
    ) -> None:
        super().__init__(fault)
        self.body = body
        self.passing = passing
        self.of_host = of_host


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
    """A failure worth another try. ``of_host``: see :class:`HttpFault`."""

    def __init__(
        self,
        fault: str,
        pause: float | None = None,
        body: bytes | None = None,
        *,
        of_host: bool = True,
    ) -> None:
        super().__init__(fault)
        self.pause = pause
        self.body = body
        self.of_host = of_host


def retry_after(value: str) -> float | None:
    """Seconds to wait by a ``Retry-After`` header, in either form (RFC 9110, 10.2.3).

    A date that has passed means no wait; None means that the header is absent or unreadable.
    """
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):  # a date or a zone that no calendar holds
        return None


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
    after the time that ``Retry-After`` asks for. Redirects are not followed, so that what goes into
    the headers reaches this site alone. An answer is read no further than the limits allow.

    Args:
        base_url: the site; paths are appended to it, a user and a password in it are sent as a
            header.
        headers: sent with every request, beside the User-Agent.
        timeout: seconds for connecting and for each read.
        attempts: tries a request gets.
        min_interval: seconds between requests; default 2 for a public host, 0 for loopback.
        backoff: seconds that the wait between tries starts from.
        limits: bytes of an answer after decompression, and seconds it may take as a whole.
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
        limits: FeedLimits | None = None,
    ) -> None:
        if min_interval is None:
            min_interval = 0.0 if is_loopback(base_url) else PUBLIC_HOST_INTERVAL
        self.limiter = RateLimiter(min_interval)
        self._attempts = attempts
        self._backoff = backoff
        self._limits = limits or FeedLimits()
        self._client = httpx.Client(
            # Apart, for an address is told where something goes wrong.
            base_url=bare(base_url).rstrip("/"),
            auth=credentials(base_url),
            timeout=timeout,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **(headers or {})},
        )
        bound(self._client)

    def get(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer, whatever its status, except 429 and 5xx.

        Raises:
            HttpFault: none after all attempts, or one beyond the limits, or the host asks for a
                pause beyond ``LONGEST_PAUSE``; carries the body when there was one.
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
            raise HttpFault(
                f"{error} ({self._attempts} attempts)", error.body, of_host=error.of_host
            ) from error

    def _get_once(
        self, path: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> httpx.Response:
        self.limiter.wait()
        request = self._client.build_request("GET", path, params=params, headers=headers)
        try:
            with Deadline(self._limits.max_seconds):
                response = self._client.send(request, stream=True)
                try:
                    body = self._body(response)
                finally:
                    response.close()
        except TooSlow as error:
            raise HttpFault(str(error)) from error
        except TooLarge as error:
            raise HttpFault(str(error), passing=False, of_host=False) from error
        except httpx.TimeoutException as error:
            raise Retry(f"timeout ({type(error).__name__})") from error
        except httpx.TransportError as error:
            raise Retry(f"no connection: {error}") from error
        except httpx.DecodingError as error:
            raise Retry(f"unreadable compression: {error}", of_host=False) from error
        status = response.status_code
        if status in RETRIED_STATUSES:
            of_host = status in (429, 503)
            pause = retry_after(response.headers.get("Retry-After", ""))
            if pause is not None and pause > LONGEST_PAUSE:
                fault = f"HTTP {status}, which asks for a pause of {pause:.0f} s"
                raise HttpFault(fault, body or None, passing=False, of_host=of_host)
            raise Retry(f"HTTP {status}", pause, body or None, of_host=of_host)
        kept = [(k, v) for k, v in response.headers.items() if k not in _OF_THE_TRANSFER]
        return httpx.Response(status, headers=kept, content=body, request=request)

    def _body(self, response: httpx.Response) -> bytes:
        """The body, unpacked; of an error its beginning."""
        if response.status_code == 200:
            return read_bounded(response, self._limits.max_bytes)
        return read_bounded(response, ERROR_BODY, cut=True)

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
