"""What is outside of the graph during a replay: the site, Slack, and a worker, all over HTTP."""

import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import yaml

from soccer_assets.clock import utc_now
from soccer_assets.files import write_atomically
from soccer_assets.params import read_params
from soccer_assets.params.document import read_document
from soccer_assets.replay.daemon import DEFINITIONS, Daemon
from soccer_assets.replay.feed import ReplayFeed
from soccer_assets.replay.slack import SlackServer
from soccer_assets.serving.client import WorkerClient
from soccer_assets.serving.server import ServiceProcess
from soccer_assets.settings import Settings, get_settings
from soccer_assets.simulator.server import FeedServer
from soccer_assets.warehouse.connection import database_url

#: Nobody but this home's own Slack is given it.
SLACK_TOKEN = "xoxb-replay"
SLACK_FILE = "slack.jsonl"
#: In which a worker starts, however busy the machine is: nobody waits for it.
START_SECONDS = 600.0
#: The outbox is read when the replay is over.
KEEP_DAYS = 36_500


@dataclass
class World:
    """All of it, for faults to disturb."""

    shown: ReplayFeed
    feed: FeedServer
    slack: SlackServer
    worker: "Worker"
    params: Path
    """The parameters file of the replay's own."""
    daemon: Daemon | None = None
    """Once there is one."""


class Worker:
    """A worker in a process of its own, on one port as long as it lives."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token = settings.reload_token
        self._process = self._new(self._token)

    def _new(self, token: str, port: int = 0) -> ServiceProcess:
        params = read_params(self._settings.params_file).serving
        return ServiceProcess(
            database_url(self._settings),
            token,
            port=port,
            params=params,
            start_seconds=START_SECONDS,
        )

    @property
    def url(self) -> str:
        return self._process.base_url

    def __enter__(self) -> "Worker":
        self._process.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.stop()

    def client(self) -> WorkerClient:
        return WorkerClient(self.url, self._token)

    def refuse_reloads(self, refuses: bool) -> None:
        """Start again on the same port, with another token than reloads come with, or with that."""
        self._process.stop()
        token = secrets.token_hex() if refuses else self._token
        self._process = self._new(token, self._process.port)
        self._process.start()


@contextmanager
def open_world(shown: ReplayFeed, settings: Settings) -> Iterator[World]:
    """The environment names all of it as long as this is open; definitions are loaded inside."""
    with ExitStack() as stack:
        feed = stack.enter_context(FeedServer(shown, clock=utc_now))
        slack = stack.enter_context(SlackServer(settings.home / SLACK_FILE))
        params = settings.home / "params.yaml"
        if not params.exists():
            document = read_document(settings.params_file)
            document.setdefault("alerting", {})["keep_days"] = KEEP_DAYS
            write_atomically(params, yaml.safe_dump(document, sort_keys=False))
        stack.enter_context(
            environment(
                {
                    "SOCCER_PARAMS": str(params),
                    "LIVESCORES_SOURCE": "feed",
                    "LIVESCORES_URL": feed.url,
                    # The pauses between two attempts are not the virtual clock's.
                    "LIVESCORES_ATTEMPTS": "1",
                    "SLACK_BOT_TOKEN": SLACK_TOKEN,
                    "SLACK_API_URL": slack.url,
                }
            )
        )
        worker = stack.enter_context(Worker(get_settings()))
        stack.enter_context(environment({"SERVING_WORKERS": worker.url}))
        stack.enter_context(_definitions_of_this_environment())
        yield World(shown, feed, slack, worker, params)


@contextmanager
def _definitions_of_this_environment() -> Iterator[None]:
    """Whoever imports the definitions meanwhile has those of the environment as it is now."""
    before = sys.modules.pop(DEFINITIONS, None)
    import_module(DEFINITIONS)
    try:
        yield
    finally:
        del sys.modules[DEFINITIONS]
        if before:
            sys.modules[DEFINITIONS] = before


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables of this process's environment, as long as this is open."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ |= variables
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
