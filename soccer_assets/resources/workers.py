"""The prediction workers: those of ``SERVING_WORKERS``, those of this home, or one for the occasion; or
those that a broker or Kubernetes leads to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import dagster as dg

from soccer_assets.params import read_params
from soccer_assets.serving.addresses import FOLDER, find_workers
from soccer_assets.serving.client import WorkerClient
from soccer_assets.serving.reloading.by_url import ByUrl
from soccer_assets.serving.reloading.ways import Reloading
from soccer_assets.settings import Settings, revealed
from soccer_assets.warehouse.connection import database_url


class WorkersResource(dg.ConfigurableResource):
    """Ways to the prediction workers; whatever authorises them comes from the environment, or from
    Kubernetes, alone."""

    settings: dg.ResourceDependency[Settings]
    urls: list[str]
    """Where workers can be asked for predictions: each by its own address, unless they are reloaded
    in another way."""
    timeout_seconds: float = 60.0

    @contextmanager
    def reloading(self, tell: Callable[[str], None]) -> Iterator[tuple[Reloading, bool]]:
        """The way to reload them that ``SERVING_RELOAD`` names, and whether a worker was started for
        the occasion.

        Args:
            tell: is told of a file in the home that leads to no worker.
        """
        if self.settings.serving_reload == "celery":
            from soccer_assets.serving.reloading.broadcast import ByBroadcast

            broker = revealed(self.settings.soccer_celery_broker)
            yield ByBroadcast(broker, self.timeout_seconds), False
        elif self.settings.serving_reload == "kubernetes":
            from soccer_assets.serving.reloading.rollout import ByRollout

            assert self.settings.serving_deployment
            yield (
                ByRollout(
                    self.settings.serving_deployment,
                    self.urls,
                    self.settings.serving_rollout_seconds,
                ),
                False,
            )
        else:
            with self._clients(tell) as (clients, started):
                yield ByUrl(clients, self.timeout_seconds), started

    @contextmanager
    def _clients(self, tell: Callable[[str], None]) -> Iterator[tuple[list[WorkerClient], bool]]:
        """One client a worker, and whether the worker was started for the occasion.

        With none configured they are those that ``soccer serve`` runs in this home, on any port.
        With none there either, one is started for as long as this is open, so that what was
        published is proven to load and serve.
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
