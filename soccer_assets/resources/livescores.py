"""The livescores source: the site at ``LIVESCORES_URL`` or the embedded simulator."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from soccer_assets.livescores.client import LivescoresClient
from soccer_assets.settings import get_settings


class LivescoresResource(dg.ConfigurableResource):
    """A polite client of the day feed. The token comes from ``LIVESCORES_TOKEN`` alone."""

    url: str | None = None
    timeout_seconds: float = 30.0
    attempts: int = 4

    @contextmanager
    def client(self) -> Iterator[LivescoresClient]:
        """A client of the configured site; unset, of a simulator that runs as long as it."""
        if self.url:
            token = get_settings().livescores_token
            with LivescoresClient(
                self.url,
                token=token.get_secret_value() if token else None,
                timeout=self.timeout_seconds,
                attempts=self.attempts,
            ) as client:
                yield client
            return
        from soccer_assets.livescores.server import FeedServer
        from soccer_assets.livescores.simulation import LeagueSimulator

        with (
            FeedServer(LeagueSimulator(seed=get_settings().simulator_seed)) as server,
            LivescoresClient(server.url, timeout=self.timeout_seconds) as client,
        ):
            yield client
