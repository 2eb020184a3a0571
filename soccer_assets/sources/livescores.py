"""The livescores client: one day's payload over HTTP, politely."""

from datetime import date
from typing import Self

from soccer_assets.feed.faults import FetchFault
from soccer_assets.feed.fields import FEED_PATH
from soccer_assets.sources.http import HttpFault, PoliteHttp
from soccer_assets.sources.request_policy import DEFAULT_POLICY, RequestPolicy


class LivescoresClient:
    """Fetch day payloads from a site that speaks the livescores feed.

    Args:
        base_url: the site, e.g. ``https://host``; the feed path is appended.
        token: sent as ``X-Token`` when given, never put in a URL.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        policy: RequestPolicy = DEFAULT_POLICY,
    ) -> None:
        self._http = PoliteHttp(
            base_url,
            headers={"Accept": "application/json"} | ({"X-Token": token} if token else {}),
            policy=policy,
        )

    def fetch(self, day: date) -> bytes:
        """The verbatim body of one day's feed.

        Raises:
            FetchFault: no usable answer after all attempts; carries the body when there was one.
        """
        try:
            response = self._http.get(FEED_PATH, params={"d": f"{day:%Y%m%d}", "isSummary": "true"})
        except HttpFault as error:
            raise FetchFault(day, str(error), error.body, passing=error.passing) from error
        if response.status_code != 200:
            raise FetchFault(day, f"HTTP {response.status_code}", response.content or None)
        return response.content

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
