"""Whether the prediction workers serve what was published."""

from dataclasses import dataclass

from soccer_assets.doctor.finding import PATIENCE, InBackground, Look, Wrong
from soccer_assets.doctor.services import Services
from soccer_assets.serving.addresses import FOLDER, find_workers
from soccer_assets.serving.client import WorkerClient, WorkerError
from soccer_assets.serving.schemas import ModelInfo
from soccer_assets.settings import Settings
from soccer_assets.warehouse.served_model import ServedModel

#: Of a worker, for each of two questions; all are asked at once.
_OF_WORKER = PATIENCE / 2 - 0.2


@dataclass(frozen=True)
class Answer:
    """What a worker says of itself."""

    url: str
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
    passed_over: list[str] = []
    folder = settings.soccer_home / "serving" / FOLDER
    urls = settings.workers or find_workers(folder, passed_over.append)
    asked = [InBackground(lambda url=url: _ask(url)) for url in urls]  # type: ignore[misc]
    return [one.within() for one in asked]


def _ask(url: str) -> Answer:
    with WorkerClient(url, timeout=_OF_WORKER) as client:
        try:
            ready = client.ready()
            if not ready.ready:
                return Answer(url, None, f"{url} is not ready: {ready.reason}")
            return Answer(url, client.model(), None)
        except WorkerError as error:
            return Answer(url, None, str(error))


def _wrong(answer: Answer, published: ServedModel | None) -> str | None:
    serves = answer.serves
    if serves is None or published is None or serves.run_id == published.run_id:
        return answer.wrong
    return (
        f"{answer.url} serves version {serves.version}, published is {published.version}: "
        "materialize serving_workers"
    )
