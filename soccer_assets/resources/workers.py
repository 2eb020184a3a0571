"""The prediction workers: those of ``SERVING_WORKERS``, or one started for the occasion."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import dagster as dg

from soccer_assets.serving.client import WorkerClient
from soccer_assets.settings import get_settings
from soccer_assets.warehouse.connection import database_url


class WorkersResource(dg.ConfigurableResource):
    """Clients of the prediction workers; the reload token comes from the environment alone."""

    urls: list[str] = []
    timeout_seconds: float = 60.0

    @contextmanager
    def clients(self) -> Iterator[list[WorkerClient]]:
        """One client a worker. With no worker configured, a worker runs while this is open, so
        that what was published is proven to load and serve."""
        token = get_settings().reload_token
        with ExitStack() as stack:
            urls = self.urls
            if not urls:
                from soccer_assets.serving.server import ServiceProcess

                urls = [stack.enter_context(ServiceProcess(database_url(), token)).base_url]
            yield [stack.enter_context(WorkerClient(url, token)) for url in urls]
