"""Whether the prediction workers serve what was published."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from soccer_assets.doctor.finding import PATIENCE, InBackground, Look, Wrong
from soccer_assets.doctor.services import Services
from soccer_assets.serving.addresses import FOLDER, find_workers, killed_workers
from soccer_assets.serving.client import WorkerClient, WorkerError
from soccer_assets.serving.schemas import ModelInfo
from soccer_assets.settings import Settings, revealed
from soccer_assets.warehouse.served_model import ServedModel

if TYPE_CHECKING:
    from soccer_assets.serving.reloading.broadcast import BroadcastWorker

#: Seconds for a home's workers to say who they are, and for each of two questions to each of them;
#: all are asked at once.
_TO_FIND, _OF_WORKER = 0.8, 1.5
#: Whoever asks for all answers has begun before, and waits no longer than for any service.
_FOR_ANSWERS = PATIENCE - _TO_FIND - 0.1


@dataclass(frozen=True)
class Answer:
    """What a worker says of itself."""

    worker: str
    """Its address, or its name on the broker."""
    serves: ModelInfo | None
    wrong: str | None


class Workers:
    """Those of the settings, or of the home; asked when this is made, for they need nothing that
    others are asked first."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._answers = InBackground(lambda: _ask_all(services.settings))

    def look(self, *, published: bool) -> Look:
        """Args:
        published: whether the database can be asked what is served.
        """
        return Look("workers", lambda: self._see(published))

    def _see(self, published: bool) -> str:
        answers = self._answers.within()
        served = _published(self._services) if published else None
        wrong = [told for told in (_wrong(answer, served) for answer in answers) if told]
        if wrong:
            raise Wrong("; ".join(wrong))
        if not answers:
            return "none runs in this home: soccer serve starts one, SERVING_WORKERS names others"
        versions = sorted({one.serves.version for one in answers if one.serves})
        return f"{len(answers)} ready, serving version {', '.join(map(str, versions))}"


def _published(services: Services) -> ServedModel | None:
    from soccer_assets.warehouse.serving_tables import served_model

    return served_model(services.engine)


def _ask_all(settings: Settings) -> list[Answer]:
    folder = settings.soccer_home / "serving" / FOLDER
    over_broker = settings.serving_reload == "celery"
    urls, killed = settings.workers, []
    if not urls and not over_broker:
        killed = killed_workers(folder)
        urls = find_workers(folder, lambda _: None, _TO_FIND)
    asked = {url: InBackground(lambda url=url: _ask(url)) for url in urls}  # type: ignore[misc]
    return [
        *(_over_broker(settings) if over_broker else ()),
        *(_answer(url, answer) for url, answer in asked.items()),
        *(Answer(url, None, f"{url} was killed: soccer serve starts it again") for url in killed),
    ]


def _answer(url: str, asked: InBackground[Answer]) -> Answer:
    try:
        return asked.within(_FOR_ANSWERS)
    except Wrong as error:
        return Answer(url, None, f"{url}: {error}")


def _ask(url: str) -> Answer:
    with WorkerClient(url, timeout=_OF_WORKER) as client:
        return _asked(client)


def _over_broker(settings: Settings) -> list[Answer]:
    from soccer_assets.serving.reloading.broadcast import ByBroadcast

    by_broadcast = ByBroadcast(
        revealed(settings.soccer_celery_broker),
        ping_seconds=_TO_FIND,
        answer_seconds=_OF_WORKER,
    )
    try:
        with by_broadcast.present() as workers:
            return [_asked(worker) for worker in workers]
    except WorkerError as error:
        raise Wrong(str(error)) from None


def _asked(worker: "WorkerClient | BroadcastWorker") -> Answer:
    try:
        ready = worker.ready()
        if not ready.ready:
            return Answer(worker.name, None, f"{worker.name} is not ready: {ready.reason}")
        return Answer(worker.name, worker.model(), None)
    except WorkerError as error:
        return Answer(worker.name, None, str(error))


def _wrong(answer: Answer, published: ServedModel | None) -> str | None:
    serves = answer.serves
    if serves is None or published is None or serves.run_id == published.run_id:
        return answer.wrong
    return (
        f"{answer.worker} serves version {serves.version}, published is {published.version}: "
        "materialize serving_workers"
    )
