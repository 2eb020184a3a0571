"""Slack, or a log line where no token is set."""

import logging
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

import dagster as dg
from dagster_slack import SlackResource
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_handlers import (
    ConnectionErrorRetryHandler,
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState

from soccer_assets.alerting.delivery import Away, Refused
from soccer_assets.alerting.messages import fitting
from soccer_assets.settings import Settings, revealed
from soccer_assets.text import terminal

log = logging.getLogger(__name__)

#: Seconds that a request waits for when Slack asks for a pause; a longer one is left to the next tick.
LONGEST_PAUSE = 5.0
#: What Slack says where no message would be taken, be it for a while or until somebody acts.
_OF_ALL = {
    *("account_inactive", "invalid_auth", "missing_scope", "not_allowed_token_type", "not_authed"),
    *("token_expired", "token_revoked", "org_login_required", "ekm_access_denied", "team_access"),
    *("fatal_error", "internal_error", "service_unavailable", "request_timeout", "ratelimited"),
    *("rate_limited", "team_added_to_org"),
}


class _ShortRateLimit(RateLimitErrorRetryHandler):
    """Waits as long as Slack says, if that is short: a tick has a minute."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        limited = super()._can_retry(state=state, request=request, response=response, error=error)
        return limited and response is not None and pause_of(response.headers) <= LONGEST_PAUSE


def pause_of(headers: Any) -> float:
    """Seconds of ``Retry-After``; 60 where it says none that can be read."""
    for name, value in dict(headers or {}).items():
        if name.lower() == "retry-after":
            first = value[0] if isinstance(value, list | tuple) else value
            try:
                return max(float(first), 0.0)
            except (TypeError, ValueError):
                break
    return 60.0


class SlackAlertResource(SlackResource):
    """Sends alerts. The token comes from ``SLACK_BOT_TOKEN`` alone; ``channel`` takes what has no
    other. Nothing in a text is a mark of Slack's but ``:emoji:``; addresses become links by
    themselves."""

    settings: dg.ResourceDependency[Settings]
    channel: str
    api_url: str = "https://slack.com/api"
    #: Of a connection, and of a wait for an answer.
    timeout_seconds: float = 5.0
    #: Not here, where it would be configuration, which the UI shows.
    token: str = ""

    @property
    def ui(self) -> str:
        """Address of Dagster's web server."""
        return self.settings.dagster_webserver_url

    def get_client(self) -> WebClient:
        token = revealed(self.settings.slack_bot_token)
        return WebClient(
            token,
            base_url=f"{self.api_url.rstrip('/')}/",
            timeout=self.timeout_seconds,  # type: ignore[arg-type]  # urllib takes fractions
            retry_handlers=[
                ConnectionErrorRetryHandler(),
                ServerErrorRetryHandler(),
                _ShortRateLimit(),
            ],
        )

    def post(self, channel: str, text: str, thread: str | None = None) -> str | None:
        """Post an escaped text, or log it where no token is set; returns the message's name.

        Raises:
            Away: Slack does not answer, or takes nothing.
            Refused: it does not take this.
        """
        if self.settings.slack_bot_token is None:
            log.warning("alert (no SLACK_BOT_TOKEN set): %s", _unescaped(text))
            return None
        answer_to: dict[str, Any] = (
            {"thread_ts": _place_and_ts(thread)[1], "reply_broadcast": True} if thread else {}
        )
        answer = self._asked(
            lambda client: client.chat_postMessage(
                channel=channel, text=text, unfurl_links=False, **answer_to
            )
        )
        # An update takes the channel's own name, which a post answers with.
        return f"{answer.get('channel') or channel} {answer['ts']}" if answer.get("ts") else None

    def update(self, channel: str, message: str, text: str) -> None:
        """Give a message that was posted another text. Raises the same."""
        place, ts = _place_and_ts(message)
        self._asked(lambda client: client.chat_update(channel=place or channel, ts=ts, text=text))

    def send(self, text: str, run_id: str | None = None) -> bool:
        """Post a message past the outbox, where that is not to be had, with the address where the
        UI shows the run that it is about, or log it; returns whether it was delivered. Never
        raises: an alert must not fail what it reports on."""
        if run_id:
            text = f"{text}\n{self.ui}/runs/{run_id}"
        try:
            self.post(self.channel, fitting(text))
        except (Away, Refused) as error:
            log.error("alert not delivered (%s): %s", error, terminal(text))
            return False
        return True

    def _asked(self, ask: Callable[[WebClient], Any]) -> Any:
        try:
            return ask(self.get_client())
        except SlackApiError as error:
            raise _understood(error) from None
        except (SlackClientError, OSError, HTTPException) as error:
            raise Away(f"Slack does not answer: {type(error).__name__}") from None


def _place_and_ts(message: str) -> tuple[str, str]:
    """The two parts of a message's name: a channel, and Slack's name of it in there."""
    place, _, ts = message.rpartition(" ")
    return place, ts


def _understood(error: SlackApiError) -> Away | Refused:
    response: Any = error.response
    status = getattr(response, "status_code", None)
    if status == 429:
        pause = pause_of(response.headers)
        return Away(f"Slack asks for a pause of {pause:.0f} s", pause)
    said = response.get("error") if status == 200 else None
    if said is None or said in _OF_ALL:
        return Away(f"Slack answers {said or status or 'what is no answer'}")
    return Refused(f"Slack answers {said}")


def _unescaped(text: str) -> str:
    """As it was before it was escaped for Slack, for a log."""
    return terminal(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
