"""Files of football-data.co.uk over HTTP, each transferred only when it has changed."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpx
import orjson

from soccer_assets.sources.football_data.faults import FileFault
from soccer_assets.sources.http import HttpFault, PoliteHttp
from soccer_assets.sources.request_policy import DEFAULT_POLICY, RequestPolicy
from soccer_assets.storage.store import ObjectNotFound, ObjectStore
from soccer_assets.urls import bare

BASE_URL = "https://www.football-data.co.uk"
#: Of answers for a file that is not published: the site corrects spellings, so that it offers a
#: choice of files with a similar name (300) or sends one on to the only such file (301).
_ABSENT = frozenset({300, 404, 410})
_MOVED = frozenset({301, 302, 303, 307, 308})
_VALIDATORS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}


@dataclass(frozen=True)
class Download:
    """A file of the site."""

    path: str
    """Where it is on the site."""
    body: bytes
    """Its bytes, verbatim."""
    changed: bool
    """Whether the bytes differ from those remembered of it (true when none were)."""
    validators: dict[str, str]
    """``ETag`` and ``Last-Modified``, as far as the site sent them."""


class FootballDataClient:
    """Downloads files, politely; a context manager, safe across threads.

    Args:
        base_url: the site or a mirror of it.
        cache: where files stay from run to run, to ask the site only for those that changed.
    """

    def __init__(
        self,
        base_url: str = BASE_URL,
        *,
        cache: ObjectStore | None = None,
        policy: RequestPolicy = DEFAULT_POLICY,
    ) -> None:
        self.base_url = bare(base_url).rstrip("/")
        self._cache = cache
        self._http = PoliteHttp(
            base_url,
            headers={"Accept": "text/csv, */*;q=0.5"},
            policy=policy,
        )

    def fetch(self, path: str) -> Download | None:
        """The file at ``path``; None when the site does not have it.

        Raises:
            FileFault: no usable answer after all attempts; carries the body when there was one.
        """
        known = self._recall(path)
        asked = (
            {_VALIDATORS[name]: value for name, value in known.validators.items()} if known else {}
        )
        try:
            response = self._http.get(f"/{path}", headers=asked)
        except HttpFault as error:
            raise FileFault(
                path, str(error), body=error.body, passing=error.passing, of_site=error.of_host
            ) from error
        if response.status_code == 200:
            if response.content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
                raise FileFault(path, "an HTML page instead of CSV", body=response.content)
            changed = known is None or known.body != response.content
            return Download(path, response.content, changed, _validators(response))
        if response.status_code == 304 and known is not None:
            return known
        if response.status_code in _ABSENT or _leads_elsewhere(response):
            return None
        raise FileFault(path, _describe(response), body=response.content or None)

    def remember(self, file: Download) -> None:
        """Remember a file that has turned out to be usable, so that the site need not send it again."""
        if self._cache is not None and file.validators:
            head = orjson.dumps(file.validators)
            self._cache.put(_key(file.path), head + b"\n" + file.body)

    def _recall(self, path: str) -> Download | None:
        if self._cache is None:
            return None
        try:
            head, _, body = self._cache.get(_key(path)).partition(b"\n")
        except ObjectNotFound:
            return None
        return Download(path, body, False, orjson.loads(head))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _key(path: str) -> str:
    return f"football_data/{path}"


def _validators(response: httpx.Response) -> dict[str, str]:
    return {name: response.headers[name] for name in _VALIDATORS if name in response.headers}


def _target(response: httpx.Response) -> str:
    return urljoin(str(response.url), response.headers.get("Location", ""))


def _leads_elsewhere(response: httpx.Response) -> bool:
    """Whether the answer sends one on to a file of another name."""
    if response.status_code not in _MOVED:
        return False
    return (
        urlsplit(_target(response)).path.rpartition("/")[2] != response.url.path.rpartition("/")[2]
    )


def _describe(response: httpx.Response) -> str:
    if response.status_code in _MOVED:
        return f"HTTP {response.status_code}: the site has moved to {_target(response)}"
    return f"HTTP {response.status_code}"
