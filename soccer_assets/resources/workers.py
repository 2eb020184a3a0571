"""The prediction workers: those of ``SERVING_WORKERS``, those of this home, or one for the occasion."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import dagster as dg

from soccer_assets.params import read_params
from soccer_assets.serving.addresses import FOLDER, find_workers
from soccer_assets.serving.client import WorkerClient
from soccer_assets.settings import Settings
from soccer_assets.warehouse.connection import database_url


class WorkersResource(dg.ConfigurableResource):
    """Clients of the prediction workers; the reload token comes from the environment alone."""

    settings: dg.ResourceDependency[Settings]
    urls: list[str]
    timeout_seconds: float = 60.0

    @contextmanager
    def clients(self, tell: Callable[[str], None]) -> Iterator[tuple[list[WorkerClient], bool]]:
        """One client a worker, and whether the worker was started for the occasion.

        With none configured they are those that ``soccer serve`` runs in this home, on any port.
        With none there either, one is started for as long as this is open, so that what was
        published is proven to load and serve.

        Args:
            tell: is told of a file in the home that leads to no worker.
        """
        token = self.settings.reload_token
        with ExitStack() as stack:
            urls = self.urls or find_workers(self.settings.serving_folder / FOLDER, tell)
            started = not urls
            if started:
                from soccer_assets.serving.server import ServiceProcess

                params = read_params(self.settings.params_file).serving
                worker = ServiceProcess(database_url(self.settings), token, params=params)
                urls = [stack.enter_context(worker).base_url]
            yield [stack.enter_context(WorkerClient(url, token)) for url in urls], started
