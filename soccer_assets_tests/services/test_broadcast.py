"""Workers without addresses of their own, reloaded over Debian's RabbitMQ and Redis."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from soccer_assets.doctor.finding import Wrong
from soccer_assets.doctor.services import Services
from soccer_assets.doctor.workers import Workers
from soccer_assets.serving.client import WorkerClient, WorkerUnreachable
from soccer_assets.serving.reloading.broadcast import ByBroadcast
from soccer_assets.serving.reloading.ways import Outcome, Wanted
from soccer_assets.settings import Settings
from soccer_assets_tests.services import servers
from soccer_assets_tests.services.machines import Machine, kill_whole, wait_until
from soccer_assets_tests.serving.conftest import Database, Gate

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

TOKEN = "hush-of-the-workers"


@dataclass
class Fleet:
    """Workers that listen to a broker, which can be cut off; each a machine."""

    place: Path
    database: Database
    gate: Gate
    machines: list[Machine] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    def start(self, postgres: str | None = None) -> None:
        """One more, whose name comes after all others'."""
        port = servers.free_port()
        while self.ports and (len(str(port)), port) <= (len(str(self.ports[-1])), self.ports[-1]):
            port = servers.free_port()
        settings = {
            "POSTGRES_URL": postgres or self.database.url.replace("+psycopg2", ""),
            "SERVING_RELOAD": "celery",
            "SERVING_TOKEN": TOKEN,
            "SOCCER_CELERY_BROKER": self.gate.url,
        }
        machine = Machine(self.place / f"worker-{len(self.ports)}", settings)
        machine.start("soccer", "serve", "--port", str(port))
        self.machines.append(machine)
        self.ports.append(port)

    def clients(self) -> list[WorkerClient]:
        return [WorkerClient(f"http://127.0.0.1:{port}") for port in self.ports]

    def versions(self) -> list[int | None]:
        return [client.ready().version for client in self.clients()]

    def wait(self, holds: Callable[[], bool]) -> None:
        def tried() -> bool:
            try:
                return holds()
            except WorkerUnreachable:
                return False

        wait_until(tried, self.told)

    def told(self) -> str:
        logs = [machine.log for machine in self.machines]
        return "\n".join(log.read_text()[-2500:] for log in logs if log.exists())

    def reload(self, version: int, timeout: float = 60) -> Outcome:
        return ByBroadcast(self.gate.url, timeout).reload(Wanted(version, f"run-{version}"))

    def publish(self, version: int) -> None:
        self.database.serve(version, at=datetime.now(UTC))


@pytest.fixture(params=["rabbitmq", "redis"])
def fleet(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str, engine: sa.Engine
) -> Iterator[Fleet]:
    database = Database(database_url, engine)
    database.add_match(1, datetime.now(UTC) + timedelta(hours=3))
    with getattr(servers, request.param)(tmp_path) as broker, Gate(broker) as gate:
        found = Fleet(tmp_path, database, gate)
        found.publish(1)
        try:
            yield found
        finally:
            for machine in found.machines:
                machine.end()


def ports(outcome: Outcome) -> list[int]:
    return [int(report.worker.rpartition(":")[2].partition("-")[0]) for report in outcome.reports]


def listened(fleet: Fleet, count: int) -> bool:
    """Whether so many answer a call."""
    try:
        with ByBroadcast(fleet.gate.url, ping_seconds=1.0).present() as workers:
            return len(workers) == count
    except WorkerUnreachable:
        return False


def as_doctor_sees_it(fleet: Fleet) -> str:
    settings = Settings(
        soccer_home=fleet.place / "of-doctor",
        postgres_url=SecretStr(fleet.database.url),
        serving_reload="celery",
        soccer_celery_broker=SecretStr(fleet.gate.url),
    )
    services = Services(settings)
    try:
        return Workers(services).look(published=True).see()
    finally:
        services.engine.dispose()


def test_a_life_with_a_broker(fleet: Fleet) -> None:
    with pytest.raises(WorkerUnreachable, match=r"no prediction worker answered within 2 s"):
        fleet.reload(1)
    for _ in range(3):
        fleet.start()
    fleet.wait(lambda: fleet.versions() == [1, 1, 1] and listened(fleet, 3))

    # All of them, one after the other.
    fleet.publish(2)
    began = time.monotonic()
    outcome = fleet.reload(2)
    print(f"three workers in {time.monotonic() - began:.1f} s")
    assert (outcome.failed, ports(outcome)) == (0, fleet.ports)
    assert [(report.version_before, report.run_after) for report in outcome.reports] == [
        (1, "run-2")
    ] * 3
    assert fleet.versions() == [2, 2, 2]
    assert as_doctor_sees_it(fleet) == "3 ready, serving version 2"

    # The last cannot load: those before it go back.
    with Gate(fleet.database.url) as way_to_postgres:
        fleet.start(way_to_postgres.url.replace("+psycopg2", ""))
        fleet.wait(lambda: fleet.versions() == [2, 2, 2, 2] and listened(fleet, 4))
        way_to_postgres.cut()
        fleet.publish(3)
        outcome = fleet.reload(3)
        assert (outcome.workers, outcome.failed) == (4, 1)
        assert "POST /reload answered 503: reload failed: the database" in str(outcome.error)
        assert [report.restored for report in outcome.reports] == [True, True, True, None]
        assert fleet.versions() == [2, 2, 2, 2]
        with pytest.raises(Wrong, match="serves version 2, published is 3"):
            as_doctor_sees_it(fleet)

        # One that is killed is there no more, and none waits for it.
        kill_whole(fleet.machines[-1].started[-1])
        del fleet.ports[-1]
        fleet.wait(lambda: listened(fleet, 3))
        assert fleet.reload(3).failed == 0

        # Away, the broker is nobody's concern who asks for predictions; once it is back, workers
        # listen again and have caught up.
        fleet.gate.cut()
        fleet.publish(4)
        with pytest.raises(WorkerUnreachable, match="no answer, or none that lets us in"):
            fleet.reload(4)
        time.sleep(2)
        for port in fleet.ports:
            answer = httpx.get(f"http://127.0.0.1:{port}/predictions/1")
            assert (answer.status_code, answer.headers["X-Model-Version"]) == (200, "3")
        # One that starts meanwhile serves as well.
        fleet.start()
        fleet.wait(lambda: fleet.versions() == [3, 3, 3, 4])
        fleet.gate.open()
        fleet.wait(lambda: listened(fleet, 4))
        fleet.wait(lambda: fleet.versions() == [4, 4, 4, 4])
        fleet.publish(5)
        assert fleet.reload(5).failed == 0
        assert fleet.versions() == [5, 5, 5, 5]
    told = fleet.told()
    assert "cannot be reached" in told
    assert "is back" in told
    words: Sequence[str] = (TOKEN, str(sa.make_url(fleet.gate.url).password))
    assert not [word for word in words if word in told]


def test_a_password_that_is_wrong_is_told(fleet: Fleet) -> None:
    wrong = sa.make_url(fleet.gate.url).set(password="not-it").render_as_string(False)
    with pytest.raises(WorkerUnreachable, match="none that lets us in") as refused:
        ByBroadcast(wrong).reload(Wanted(1, "run-1"))
    assert "not-it" not in str(refused.value)
