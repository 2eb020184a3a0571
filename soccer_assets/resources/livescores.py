"""The livescores source, chosen by ``LIVESCORES_SOURCE``."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from typing import TYPE_CHECKING, Protocol

import dagster as dg
import sqlalchemy as sa

from soccer_assets.clock import stamped_now
from soccer_assets.ingestion.provenance import claim
from soccer_assets.params import read_params
from soccer_assets.settings import Settings, revealed
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import ObjectStore

if TYPE_CHECKING:
    from soccer_assets.sources.request_policy import RequestPolicy


class LivescoresSource(Protocol):
    """Whatever gives the feed of a day."""

    def fetch(self, day: date) -> bytes:
        """The day's payload. Raises FetchFault."""
        ...


class LivescoresResource(dg.ConfigurableResource):
    """Opens the configured source. Tokens, credentials and addresses that may hold some come from
    the environment alone."""

    settings: dg.ResourceDependency[Settings]
    kind: str = "feed"
    timeout_seconds: float = 30.0
    attempts: int = 4

    @property
    def _policy(self) -> "RequestPolicy":
        from soccer_assets.sources.request_policy import RequestPolicy

        return RequestPolicy(
            timeout=self.timeout_seconds,
            attempts=self.attempts,
            limits=read_params(self.settings.params_file).ingestion.limits,
        )

    def claim(self, engine: sa.Engine, archive: PayloadArchive) -> None:
        """See to it that warehouse and archive hold matches of this source alone. Raises
        OtherSource."""
        claim(self.settings.source_name, engine, archive)

    def source(
        self, archive: PayloadArchive, store: ObjectStore
    ) -> AbstractContextManager[LivescoresSource]:
        """The source, open for one ingest. Files that days are made from go to ``archive``; what
        need not be downloaded again is remembered in ``store``."""
        opened: dict[str, Callable[[Settings], AbstractContextManager[LivescoresSource]]] = {
            "feed": self._feed,
            "browser": self._browser,
            "football_data": lambda settings: self._football_data(settings, archive, store),
            "file": _file,
        }
        return opened[self.kind](self.settings)

    @contextmanager
    def _feed(self, settings: Settings) -> Iterator[LivescoresSource]:
        """A client of the site; without one, of a simulator that runs as long as it."""
        from soccer_assets.sources.livescores import LivescoresClient

        if settings.livescores_url:
            with LivescoresClient(
                revealed(settings.livescores_url),
                token=revealed(settings.livescores_token) or None,
                policy=self._policy,
            ) as client:
                yield client
            return
        from soccer_assets.simulator.leagues import LeagueSimulator
        from soccer_assets.simulator.server import FeedServer

        with (
            FeedServer(LeagueSimulator(seed=settings.simulator_seed)) as server,
            LivescoresClient(server.url, policy=self._policy) as client,
        ):
            yield client

    @contextmanager
    def _browser(self, settings: Settings) -> Iterator[LivescoresSource]:
        from soccer_assets.sources.browser import BrowserClient

        with BrowserClient(  # the settings have seen to both addresses
            revealed(settings.livescores_url),
            revealed(settings.selenium_remote_url),
            token=revealed(settings.livescores_token) or None,
            policy=self._policy,
        ) as client:
            yield client

    @contextmanager
    def _football_data(
        self, settings: Settings, archive: PayloadArchive, store: ObjectStore
    ) -> Iterator[LivescoresSource]:
        from soccer_assets.sources.football_data.source import FootballDataSource

        def put(path: str, body: bytes) -> None:
            archive.put_file(f"football_data/{path}", body, stamped_now())

        with FootballDataSource(
            revealed(settings.football_data_url),
            archive=put,
            aliases=settings.football_data_aliases,
            cache=store,
            policy=self._policy,
        ) as source:
            yield source


@contextmanager
def _file(settings: Settings) -> Iterator[LivescoresSource]:
    from soccer_assets.sources.replay import FileSource, ReplayBackend
    from soccer_assets.sources.results_file import ResultsFileError

    assert settings.livescores_file is not None
    file, date_format = settings.livescores_file, settings.livescores_date_format
    try:
        backend = ReplayBackend(file, date_format=date_format)
    except ResultsFileError as error:
        raise dg.Failure(f"LIVESCORES_FILE: {error}", allow_retries=False) from None
    yield FileSource(backend)
