"""Slack, or a log line where no token is set."""

import logging

import dagster as dg
from dagster_slack import SlackResource
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError

from soccer_assets.settings import Settings, revealed
from soccer_assets.text import slack, terminal

log = logging.getLogger(__name__)


class SlackAlertResource(SlackResource):
    """Sends alerts to one channel. The token comes from ``SLACK_BOT_TOKEN`` alone."""

    settings: dg.ResourceDependency[Settings]
    channel: str
    api_url: str = "https://slack.com/api"
    #: Not here, where it would be configuration, which the UI shows.
    token: str = ""

    def get_client(self) -> WebClient:
        token = revealed(self.settings.slack_bot_token)
        return WebClient(token, base_url=f"{self.api_url.rstrip('/')}/")

    def send(self, text: str, run_id: str | None = None) -> bool:
        """Post a message, with the address where the UI shows the run that it is about, or log it
        where no token is set; returns whether it was delivered. Never raises: an alert must not
        fail what it reports on. Nothing in the text is a mark of Slack's but ``:emoji:``; addresses
        become links by themselves."""
        if run_id:
            text = f"{text}\n{self.settings.dagster_webserver_url}/runs/{run_id}"
        if self.settings.slack_bot_token is None:
            log.warning("alert (no SLACK_BOT_TOKEN set): %s", terminal(text))
            return True
        try:
            self.get_client().chat_postMessage(channel=self.channel, text=slack(text))
        except (SlackClientError, OSError) as error:
            log.error("alert not delivered (%s): %s", type(error).__name__, terminal(text))
            return False
        return True
