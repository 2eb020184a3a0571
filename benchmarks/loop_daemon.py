"""The real daemon over a place, and a result that is corrected under its eyes."""

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta

import httpx
import sqlalchemy as sa

from benchmarks.loop_hops import PATH, Event, Lap, hops
from benchmarks.loop_place import Place
from benchmarks.machines import Machine
from benchmarks.processes import cpu_seconds, end, family, free_port, peak_mb
from soccer_assets.ingestion.ingest import days_between
from soccer_assets.simulator.server import FeedServer

PATIENCE_SECONDS = 1800
#: How often it is looked how far the loop has come.
LOOK_SECONDS = 0.25

_LAUNCH = """mutation ($tags: [ExecutionTag!]!) { launchRun(executionParams: {
    selector: {repositoryLocationName: "soccer_assets", repositoryName: "__repository__",
               pipelineName: "ingest"}, executionMetadata: {tags: $tags},
    runConfigData: "{}", mode: "default"}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


@dataclass(frozen=True)
class Daemon:
    """``dagster dev`` over a place, and the records in its database.

    ``pids``: of what does the work, with all of their children: it, and the step workers.
    """

    place: Place
    feed: FeedServer
    http: httpx.Client
    engine: sa.Engine
    pids: Sequence[int]

    def settle(self, seconds: float = 45) -> None:
        """Return when nothing has run for so long."""
        quiet, deadline = time.monotonic(), time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() - quiet < seconds:
            if not self._at_rest():
                quiet = time.monotonic()
            if time.monotonic() > deadline:
                raise TimeoutError("it does not come to rest")
            time.sleep(1)

    def lap(self) -> tuple[Lap, list[Event]]:
        """Correct a result of yesterday, ask for the hour's ingest as its schedule does, and leave
        everything after it to the sensors."""
        today = self.place.now.date()
        days = list(days_between(today - timedelta(days=2), today))
        self.place.correct(self.feed, days[1])
        before, cpu = self._newest(), cpu_seconds(family(self.pids))
        began, load, peak = time.time(), os.getloadavg()[0], 0.0
        self._launch(days)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            peak = max(peak, *map(peak_mb, family(self.pids)))
            events = self.events(before)
            if any(e.what == "STEP_SUCCESS" and e.step == PATH[-1] for e in events):
                break
            failed = [e for e in events if e.what == "STEP_FAILURE"]
            if failed or time.monotonic() > deadline:
                raise RuntimeError(f"it does not come through: {failed}")
            time.sleep(LOOK_SECONDS)
        spent = cpu_seconds(family(self.pids)) - cpu
        runs = len({e.run_id for e in events if e.run_id})
        return Lap(hops(events, began), spent, peak, runs, load), events

    def events(self, after: int) -> list[Event]:
        """Those later than an event."""
        query = """SELECT run_id, dagster_event_type, step_key, extract(epoch FROM timestamp)::float,
            event::json->>'user_message' FROM event_logs WHERE id > :after ORDER BY id"""
        with self.engine.connect() as connection:
            return [Event(*row) for row in connection.execute(sa.text(query), {"after": after})]

    def _launch(self, days: list[date]) -> None:
        tags = {
            "dagster/asset_partition_range_start": str(days[0]),
            "dagster/asset_partition_range_end": str(days[-1]),
        }
        variables = {"tags": [{"key": k, "value": v} for k, v in tags.items()]}
        answer = self.http.post("/graphql", json={"query": _LAUNCH, "variables": variables})
        launched = answer.json()["data"]["launchRun"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise RuntimeError(f"the ingest is not launched: {launched}")

    def _newest(self) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(sa.text("SELECT max(id) FROM event_logs")) or 0

    def _at_rest(self) -> bool:
        query = "SELECT count(*) FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"
        with self.engine.connect() as connection:
            return connection.scalar(sa.text(query)) == 0


@contextmanager
def daemon_at(
    place: Place, engine_of_steps: Mapping[str, str] | None = None, step_workers: int = 0
) -> Iterator[Daemon]:
    """A prediction worker, the daemon and so many step workers, with homes of their own, as long as the
    block.

    Args:
        engine_of_steps: settings of who executes the steps.
    """
    with ExitStack() as stack:
        feed = stack.enter_context(place.feed())
        place.fill(feed)
        served, ui = free_port(), free_port()
        settings = {**(engine_of_steps or {}), "SERVING_WORKERS": f"http://127.0.0.1:{served}"}
        machine = place.machine("home", feed, **settings)
        others = [
            place.machine(f"steps-{number + 1}", feed, **settings) for number in range(step_workers)
        ]
        stack.callback(_end, machine, *others)
        machine.start("soccer", "serve", "--port", str(served))
        daemon = machine.start("dagster", "dev", "-p", str(ui))
        workers = [
            other.start("soccer", "step-worker", "--name", other.home.name) for other in others
        ]
        _until_up(f"http://127.0.0.1:{served}/healthz")
        _until_up(f"http://127.0.0.1:{ui}/server_info")
        http = stack.enter_context(
            httpx.Client(base_url=f"http://127.0.0.1:{ui}", timeout=120, trust_env=False)
        )
        engine = sa.create_engine(place.database, poolclass=sa.NullPool)
        pids = [process.pid for process in (daemon, *workers)]
        yield Daemon(place, feed, http, engine, pids)


def laps(daemon: Daemon, count: int, rest_seconds: float) -> Iterator[tuple[Lap, list[Event]]]:
    """One after the other, each when nothing else runs; it is at rest again at the end."""
    for _ in range(count):
        daemon.settle(rest_seconds)
        yield daemon.lap()
    daemon.settle(rest_seconds)


def _end(*machines: Machine) -> None:
    """What runs on them is asked first: ``dagster dev`` ends its children so."""
    for machine in machines:
        for process in machine.started:
            if process.poll() is None:
                end(process, signal.SIGINT, 60)


def _until_up(url: str) -> None:
    for _ in range(1200):
        with suppress(httpx.TransportError):
            if httpx.get(url, timeout=5, trust_env=False).status_code == 200:
                return
        time.sleep(0.5)
    raise TimeoutError(url)
