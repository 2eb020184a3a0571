"""A browser driven over the Selenium protocol: everything that knows Selenium."""

import base64
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from soccer_assets.sources.bounded_http import TooLarge
from soccer_assets.sources.http import USER_AGENT
from soccer_assets.urls import bare

if TYPE_CHECKING:
    from selenium.webdriver import ChromeOptions, Remote
    from selenium.webdriver.remote.client_config import ClientConfig

logger = logging.getLogger(__name__)

#: Seconds a busy grid may take to give a browser, and any grid to accept a connection.
SESSION_SECONDS = 120.0
CONNECT_SECONDS = 10.0
#: What the browser may take beyond a timeout of its own before the grid counts as stuck.
GRACE_SECONDS = 15.0
POLL_SECONDS = 0.05

CHROME_ARGUMENTS = (
    f"--user-agent={USER_AGENT}",
    "--headless=new",
    # Containers: no user namespaces, no graphics, a small /dev/shm.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    # Ask the site for the feed and nobody else for anything.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

#: A site asks for a browser with a page under one of these; any other page is an error of its own.
CHECK_STATUSES = frozenset({200, 202, 403, 429, 503})

_FETCH = """
const [url, token, milliseconds, limit, done] = arguments;
const headers = {Accept: "application/json"};
if (token) headers["X-Token"] = token;
const signal = AbortSignal.timeout(milliseconds);
fetch(url, {headers, signal, cache: "no-store", redirect: "manual"})
  .then(async (response) => {
    const chunks = [];
    let size = 0;
    const stream = response.body && response.body.getReader();
    for (let part; stream && !(part = await stream.read()).done; ) {
      chunks.push(part.value);
      size += part.value.length;
      if (size > limit) {
        await stream.cancel();
        return done({failed: "TooLarge"});
      }
    }
    const reader = new FileReader();
    const read = new Promise((resolve) => { reader.onload = resolve; });
    reader.readAsDataURL(new Blob(chunks));
    await read;
    done({
      status: response.status,
      contentType: response.headers.get("Content-Type") || "",
      retryAfter: response.headers.get("Retry-After") || "",
      body: reader.result.split(",")[1] || "",
    });
  })
  .catch((error) => done({failed: error.name, reason: String(error.message)}));
"""

_PAGE_STATE = """
const navigation = performance.getEntriesByType("navigation")[0];
return [document.URL, document.contentType, navigation ? navigation.responseStatus : 0];
"""


class SiteUnreachable(Exception):
    """The site did not answer the browser, or not in time."""


class BrowserLost(Exception):
    """The session is of no more use: its browser, or the grid, is gone or stuck."""


@dataclass(frozen=True)
class Answer:
    """What the site answered to ``fetch()``; a redirect, which is not followed, has status 0."""

    status: int
    content_type: str
    retry_after: str
    body: bytes

    @property
    def is_check(self) -> bool:
        """Whether the site wants a browser to open the page instead."""
        return self.status == 0 or _is_check(self.status, self.content_type)


def _is_check(status: int, content_type: str) -> bool:
    return "html" in content_type.lower() and status in CHECK_STATUSES


class BrowserSession:
    """A browser behind a grid; made and ended by its user.

    Args:
        remote_url: the Selenium Remote; credentials in it are sent as a header.
        timeout: seconds for a page to load, for its script to get past the site's check, and for
            an answer to be read.

    Raises:
        BrowserLost: no browser is to be had; so do all methods but ``quit`` when it is gone.
    """

    def __init__(self, remote_url: str, timeout: float) -> None:
        from selenium import webdriver
        from selenium.common.exceptions import WebDriverException
        from urllib3 import Timeout

        # Its debug log has the arguments of every script, the token among them.
        selenium_logger = logging.getLogger("selenium")
        selenium_logger.setLevel(max(selenium_logger.level, logging.INFO))
        self._timeout = timeout
        self._grid = urlsplit(remote_url).netloc.rpartition("@")[2]
        config = _grid_config(remote_url)
        config.timeout = Timeout(connect=CONNECT_SECONDS, read=SESSION_SECONDS)
        with self._failing():
            try:
                self._driver: Remote = webdriver.Remote(
                    config.remote_server_addr,
                    options=_chrome_options(timeout),
                    client_config=config,
                )
            # Selenium trips over answers that are not of its protocol, hence the other three.
            except (WebDriverException, AttributeError, KeyError, TypeError) as error:
                reason = _reason(error)
                raise BrowserLost(f"the grid at {self._grid} gives no browser: {reason}") from error
        config.timeout = Timeout(connect=CONNECT_SECONDS, read=timeout + GRACE_SECONDS)

    def open(self, url: str) -> None:
        """Load a page and wait, ``timeout`` at most, for its script to get past the check.

        Raises:
            SiteUnreachable: there is no connection.
        """
        from selenium.common.exceptions import TimeoutException
        from selenium.webdriver.support.wait import WebDriverWait

        with self._failing():
            self._driver.get(url)
            wait = WebDriverWait(self._driver, self._timeout, poll_frequency=POLL_SECONDS)
            try:
                wait.until(_past_check)
            except TimeoutException:
                logger.debug("the page still shows a check after %g s", self._timeout)

    def fetch(self, url: str, token: str | None, limit: int) -> Answer:
        """Ask for ``url`` from inside the open page; ``token`` goes into ``X-Token``.

        Raises:
            SiteUnreachable: there is no connection, or it is too slow.
            TooLarge: the answer has more than ``limit`` bytes.
        """
        with self._failing():
            answer = self._driver.execute_async_script(
                _FETCH, url, token, round(1000 * self._timeout), limit
            )
        if answer.get("failed") == "TooLarge":
            raise TooLarge(limit)
        if "failed" in answer:
            timed_out = answer["failed"] == "TimeoutError"
            raise SiteUnreachable("timeout" if timed_out else f"no connection: {answer['reason']}")
        return Answer(
            status=answer["status"],
            content_type=answer["contentType"],
            retry_after=answer["retryAfter"],
            body=base64.b64decode(answer["body"]),
        )

    def is_alive(self) -> bool:
        """Whether the browser still runs scripts: grids end sessions that were idle for long."""
        try:
            with self._failing():
                return bool(self._driver.execute_script("return true"))
        except BrowserLost:
            return False

    def quit(self) -> None:
        """Give the browser back to the grid, if that is still possible."""
        from selenium.common.exceptions import WebDriverException
        from urllib3.exceptions import HTTPError

        try:
            self._driver.quit()
        except (WebDriverException, HTTPError) as error:
            logger.debug("the browser was gone already (%s)", type(error).__name__)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Tell a site that cannot be reached or is slow from a browser that is lost."""
        from selenium.common.exceptions import TimeoutException, WebDriverException
        from urllib3.exceptions import HTTPError

        try:
            yield
        except TimeoutException as error:
            raise BrowserLost("timeout (the page did not load)") from error
        except WebDriverException as error:
            reason = _reason(error)
            if "net::ERR_" in reason:
                raise SiteUnreachable(f"no connection: {reason}") from error
            raise BrowserLost(f"the browser failed: {reason}") from error
        except HTTPError as error:
            raise BrowserLost(
                f"the browser grid at {self._grid} is unreachable: {_reason(error)}"
            ) from error


def _reason(error: Exception) -> str:
    """One line of an error of Selenium or urllib3."""
    cause = getattr(error, "reason", None) or error
    text = getattr(cause, "msg", None) or str(cause) or type(cause).__name__
    return text.splitlines()[0].rpartition("): ")[2]


def _grid_config(remote_url: str) -> "ClientConfig":
    """Credentials in the URL go into a header, so that no capability or log shows them."""
    from selenium.webdriver.remote.client_config import ClientConfig

    parts = urlsplit(remote_url)
    return ClientConfig(
        bare(remote_url),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def _chrome_options(timeout: float) -> "ChromeOptions":
    from selenium.webdriver import ChromeOptions

    options = ChromeOptions()
    for argument in CHROME_ARGUMENTS:
        options.add_argument(argument)
    options.page_load_strategy = "eager"
    milliseconds = round(1000 * timeout)
    # The script ends its own request; the browser's limit is there for a page that hangs.
    options.timeouts = {"pageLoad": milliseconds, "script": milliseconds + 5000}
    return options


def _past_check(driver: "Remote") -> bool:
    url, content_type, status = driver.execute_script(_PAGE_STATE)
    if url.startswith("chrome-error:"):  # the browser's own page, when it cannot reach the site
        return True
    # Browsers that do not tell the status say 0.
    return not _is_check(status or 200, content_type)
