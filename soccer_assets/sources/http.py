"""HTTP with manners: identified, paced, patient with a failing host, and wary of what it sends."""

from collections.abc import Mapping
from typing import Self

import httpx

from soccer_assets import __version__
from soccer_assets.sources.bounded_http import Deadline, TooLarge, TooSlow, bound, read_bounded
from soccer_assets.sources.request_policy import (
    DEFAULT_POLICY,
    LONGEST_PAUSE,
    RequestPolicy,
    Retry,
    retry_after,
)
from soccer_assets.urls import bare, credentials, is_loopback

USER_AGENT = f"soccer_assets/{__version__} (livescores ingestion)"
RETRIED_STATUSES = frozenset({429, *range(500, 600)})
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


class PoliteHttp:
    """GET requests to one site over reused connections; a context manager, safe across threads.

    Redirects are not followed, so that what goes into the headers reaches this site alone. An
    answer is read no further than the limits allow.

    Args:
        base_url: the site; paths are appended to it, a user and a password in it are sent as a
            header.
        headers: sent with every request, beside the User-Agent.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        policy: RequestPolicy = DEFAULT_POLICY,
    ) -> None:
        self.limiter = policy.limiter(base_url)
        self._policy = policy
        self._client = httpx.Client(
            # Apart, for an address is told where something goes wrong.
            base_url=bare(base_url).rstrip("/"),
            auth=credentials(base_url),
            timeout=policy.timeout,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **(headers or {})},
            trust_env=not is_loopback(base_url),  # a proxy's own loopback is another machine's
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
        try:
            return self._policy.retrying()(self._get_once, path, params, headers)
        except Retry as error:
            raise HttpFault(
                f"{error} ({self._policy.attempts} attempts)", error.body, of_host=error.of_host
            ) from error

    def _get_once(
        self, path: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> httpx.Response:
        self.limiter.wait()
        request = self._client.build_request("GET", path, params=params, headers=headers)
        try:
            with Deadline(self._policy.limits.max_seconds):
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
            return read_bounded(response, self._policy.limits.max_bytes)
        return read_bounded(response, ERROR_BODY, cut=True)

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
