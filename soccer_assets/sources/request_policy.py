"""How a site is asked: how patiently, how often, and for how much."""

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import tenacity

from soccer_assets.feed.limits import FeedLimits
from soccer_assets.urls import is_loopback

#: Seconds between requests to a host that others use, too.
PUBLIC_HOST_INTERVAL = 2.0
#: A host that asks for a longer pause than this many seconds is left alone until the next run.
LONGEST_PAUSE = 300.0


@dataclass(frozen=True)
class RequestPolicy:
    """What the clients of every site keep to.

    Timeouts, lost connections, 429 and 5xx are tried again after a random exponential wait, or
    after the time that ``Retry-After`` asks for.
    """

    timeout: float = 30.0
    """Seconds for connecting and for each read."""
    attempts: int = 4
    """Tries a request gets before it is a fault."""
    min_interval: float | None = None
    """Seconds between requests; None: 2 for a public host, 0 for loopback."""
    backoff: float = 1.0
    """Seconds that the wait between tries starts from."""
    limits: FeedLimits = field(default_factory=FeedLimits)
    """Bytes of an answer after decompression, and seconds it may take as a whole."""

    def limiter(self, base_url: str) -> "RateLimiter":
        """The pace at which this site is asked."""
        if self.min_interval is not None:
            return RateLimiter(self.min_interval)
        return RateLimiter(0.0 if is_loopback(base_url) else PUBLIC_HOST_INTERVAL)

    def retrying(self) -> tenacity.Retrying:
        """Calls again what raises ``Retry``, until the last attempt raises it."""
        return tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=Wait(self.backoff),
            retry=tenacity.retry_if_exception_type(Retry),
            reraise=True,
        )


DEFAULT_POLICY = RequestPolicy()


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
    """A failure worth another try. ``of_host``: see ``HttpFault``."""

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
