"""The livescores client for sites that show the feed only to a browser that runs their script.

A browser behind a Selenium Remote (Selenoid, Selenium Grid, a bare chromedriver) opens the feed's
address, where the site's script runs and leaves its cookies. From then on each day is one
``fetch()`` inside that page, which carries the cookies and hands the bytes over as they came.
"""

import logging
import threading
from datetime import date
from typing import Self

from soccer_assets.feed.faults import FetchFault
from soccer_assets.feed.fields import FEED_PATH
from soccer_assets.sources.browser_session import (
    Answer,
    BrowserLost,
    BrowserSession,
    SiteUnreachable,
    TooLarge,
)
from soccer_assets.sources.request_policy import (
    DEFAULT_POLICY,
    LONGEST_PAUSE,
    RequestPolicy,
    Retry,
    retry_after,
)

logger = logging.getLogger(__name__)


class BrowserClient:
    """Fetch day payloads through a browser, as ``LivescoresClient`` does without one.

    One client is one browser session, made on first use, made anew when the grid lost it, and
    given back on ``close``. Threads may share a client, but their fetches take turns; for
    fetches side by side make a client a thread.

    Args:
        base_url: the site as the *browser* reaches it, e.g. ``https://host``; the feed path is
            appended. A grid in a container has a loopback of its own.
        remote_url: the Selenium Remote, e.g. ``http://selenoid:4444/wd/hub``.
        token: sent as ``X-Token`` when given, with requests for the feed alone.
        policy: its timeout is for a page to load, for its script to get past the site's check, and
            for the feed to be read from the request to the last byte, whatever seconds its limits
            allow; a lost browser or grid is worth another try, too.
    """

    def __init__(
        self,
        base_url: str,
        remote_url: str,
        *,
        token: str | None = None,
        policy: RequestPolicy = DEFAULT_POLICY,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._remote_url = remote_url
        self._token = token
        self._policy = policy
        self._limiter = policy.limiter(base_url)
        self._lock = threading.Lock()
        self._session: BrowserSession | None = None
        self._page_is_open = False

    def fetch(self, day: date) -> bytes:
        """The verbatim body of one day's feed.

        Raises:
            FetchFault: no usable answer after all attempts; carries the body when there was one.
        """
        try:
            return self._policy.retrying()(self._fetch_once, day)
        except Retry as error:
            text = f"{error} ({self._policy.attempts} attempts)"
            raise FetchFault(day, text, error.body, passing=True) from error

    def _fetch_once(self, day: date) -> bytes:
        with self._lock:
            try:
                answer = self._ask(f"{self._base_url}{FEED_PATH}?d={day:%Y%m%d}&isSummary=true")
            except SiteUnreachable as error:
                self._page_is_open = False
                raise Retry(str(error)) from error
            except TooLarge as error:
                raise FetchFault(day, str(error)) from error
            except BrowserLost as error:
                self._quit()
                raise Retry(str(error)) from error
        body = answer.body or None
        if answer.status == 429 or answer.status >= 500:
            pause = retry_after(answer.retry_after)
            if pause is not None and pause > LONGEST_PAUSE:
                text = f"HTTP {answer.status}, which asks for a pause of {pause:.0f} s"
                raise FetchFault(day, text, body)
            raise Retry(f"HTTP {answer.status}", pause, body)
        if answer.status == 0:
            raise FetchFault(day, "a redirect instead of the feed")
        if answer.status != 200:
            raise FetchFault(day, f"HTTP {answer.status}", body)
        if answer.is_check:
            raise FetchFault(day, f"a page ({answer.content_type}) instead of the feed", body)
        return answer.body

    def _ask(self, url: str) -> Answer:
        if self._session is not None and not self._session.is_alive():
            logger.info("the browser session was lost, starting another")
            self._quit()
        if self._session is None:
            self._session = BrowserSession(self._remote_url, self._policy.timeout)
        fresh = not self._page_is_open
        if fresh:
            self._open(self._session, url)
        self._limiter.wait()
        answer = self._session.fetch(url, self._token, self._policy.limits.max_bytes)
        if answer.is_check and not fresh:
            # The cookies ran out: the page's script makes new ones.
            self._open(self._session, url)
            self._limiter.wait()
            answer = self._session.fetch(url, self._token, self._policy.limits.max_bytes)
        return answer

    def _open(self, session: BrowserSession, url: str) -> None:
        self._limiter.wait()
        session.open(url)
        self._page_is_open = True

    def _quit(self) -> None:
        session, self._session, self._page_is_open = self._session, None, False
        if session is not None:
            session.quit()

    def close(self) -> None:
        """Give the browser back to the grid."""
        with self._lock:
            self._quit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
