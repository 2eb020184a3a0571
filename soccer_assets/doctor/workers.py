"""Whether the prediction workers serve what was published."""

from soccer_assets.doctor.finding import PATIENCE, InBackground, Look, Wrong
from soccer_assets.doctor.services import Services
from soccer_assets.serving.addresses import FOLDER, find_workers
from soccer_assets.serving.client import WorkerClient, WorkerError
from soccer_assets.warehouse.served_model import ServedModel
from soccer_assets.warehouse.serving_tables import served_model

#: Of a worker, for each of two questions; all are asked at once.
_OF_WORKER = PATIENCE / 2 - 0.2


def look(services: Services, *, published: bool) -> Look:
    """Args:
    published: whether the database can be asked what is served.
    """
    return Look("workers", lambda: workers(services, published=published))


def workers(services: Services, *, published: bool) -> str:
    """Whether each is ready and serves what was published last; they answer without a database, too."""
    settings = services.settings
    served = served_model(services.engine) if published else None
    passed_over: list[str] = []
    folder = settings.soccer_home / "serving" / FOLDER
    urls = settings.workers or find_workers(folder, passed_over.append)
    asked = [InBackground(lambda url=url: _worker(url, served)) for url in urls]  # type: ignore[misc]
    wrong = [told for told in (one.within(PATIENCE) for one in asked) if told]
    if wrong:
        raise Wrong("; ".join(wrong))
    if not urls:
        return "none runs in this home: soccer serve starts one, SERVING_WORKERS names others"
    what = f"version {served.version}" if served else "something"
    return f"{len(urls)} ready, {what} is served"


def _worker(url: str, published: ServedModel | None) -> str | None:
    """What is wrong with it."""
    with WorkerClient(url, timeout=_OF_WORKER) as client:
        try:
            ready = client.ready()
            if not ready.ready:
                return f"{url} is not ready: {ready.reason}"
            serves = client.model()
        except WorkerError as error:
            return str(error)
    if published and serves.run_id != published.run_id:
        return (
            f"{url} serves version {serves.version}, published is {published.version}: materialize "
            "serving_workers"
        )
    return None
