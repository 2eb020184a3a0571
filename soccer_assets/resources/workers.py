"""The prediction workers: those of ``SERVING_WORKERS``, the local one, or one for the occasion."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import dagster as dg
import httpx

from soccer_assets.params import read_params
from soccer_assets.serving.client import WorkerClient, stranger
from soccer_assets.settings import DEFAULT_PORT, Settings
from soccer_assets.warehouse.connection import database_url

DEFAULT_WORKER = f"http://127.0.0.1:{DEFAULT_PORT}"


def _is_alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


class WorkersResource(dg.ConfigurableResource):
    """Clients of the prediction workers; the reload token comes from the environment alone."""

    settings: dg.ResourceDependency[Settings]
    urls: list[str]
    timeout_seconds: float = 60.0

    @contextmanager
    def clients(
        self, run_id: str, tell: Callable[[str], None]
    ) -> Iterator[tuple[list[WorkerClient], bool]]:
        """One client a worker, and whether the worker was started for the occasion.

        With none configured it is the one that ``soccer serve`` runs on its default port. With none
        there either, or only another home's, one is started for as long as this is open, so that
        what was published is proven to load and serve.

        Args:
            run_id: the training whose model was published.
            tell: is told of a worker that is passed over.
        """
        token = self.settings.reload_token
        with ExitStack() as stack:
            urls = self.urls
            if not urls and _is_alive(DEFAULT_WORKER):
                with WorkerClient(DEFAULT_WORKER, token) as client:
                    why = stranger(client, run_id)
                if why is None:
                    urls = [DEFAULT_WORKER]
                else:
                    tell(
                        f"{DEFAULT_WORKER} is not this home's worker, for {why}: "
                        "the proof is made with one of its own"
                    )
            started = not urls
            if started:
                from soccer_assets.serving.server import ServiceProcess

                params = read_params(self.settings.params_file).serving
                worker = ServiceProcess(database_url(self.settings), token, params=params)
                urls = [stack.enter_context(worker).base_url]
            yield [stack.enter_context(WorkerClient(url, token)) for url in urls], started
