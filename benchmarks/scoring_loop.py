"""From a changed result to reloaded workers, by the real daemon, hop by hop.

A home is filled with real matches whose dates are put forward so that a busy weekend of theirs is
today; then, lap after lap, a result of yesterday is corrected in the feed, the hour's ingest is
asked for as its schedule does, and everything after it is left to the sensors.

``python -m benchmarks.scoring_loop --rows 150000``; the home is kept where ``--home`` says so.
"""

import copy
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Any

import httpx
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa
import typer
import yaml

from benchmarks.machine import describe
from benchmarks.source import find_source
from soccer_assets.clock import utc_now
from soccer_assets.ingestion.ingest import days_between
from soccer_assets.settings import DEFAULT_PARAMS, project_folder
from soccer_assets.simulator.server import FeedServer
from soccer_assets.sources.replay import ReplayBackend
from soccer_assets.warehouse.embedded import leave_embedded_postgres, start_embedded_postgres

BIN = Path(sys.executable).parent
#: A Sunday in spring, when most leagues play; today is made to be that, or the Sunday before it.
BUSY_SUNDAY = date(2025, 4, 6)
PATIENCE_SECONDS = 1800
#: The work itself: what is not in one of these steps is orchestration.
PATH = (
    "ingest_days",
    "export_months",
    "dvc_outs",
    "serving_features",
    "predictions",
    "serving_workers",
)

_LAUNCH = """mutation ($tags: [ExecutionTag!]!) { launchRun(executionParams: {
    selector: {repositoryLocationName: "soccer_assets", repositoryName: "__repository__",
               pipelineName: "ingest"}, executionMetadata: {tags: $tags},
    runConfigData: "{}", mode: "default"}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


@dataclass(frozen=True)
class Hop:
    """``seconds`` between two moments of the loop; ``domain`` of them are the platform's own work."""

    name: str
    seconds: float
    domain: float = 0.0


@dataclass(frozen=True)
class Lap:
    """One corrected result on its way."""

    hops: list[Hop] = field(default_factory=list)
    cpu_seconds: float = 0.0
    """Of the daemon, its code server and the runs; not of PostgreSQL, feed and worker."""
    runs: int = 0

    @property
    def seconds(self) -> float:
        return sum(hop.seconds for hop in self.hops)

    @property
    def orchestration(self) -> float:
        """The share of the time that is not the platform's own work."""
        return 1 - sum(hop.domain for hop in self.hops) / self.seconds


class Home:
    """A home of its own with its feed, whose time stands still when it was made."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        stamp = folder / "made"
        if not stamp.exists():
            stamp.write_text(utc_now().isoformat())
        self.now = datetime.fromisoformat(stamp.read_text())
        self.file = folder / "matches.parquet"
        if not self.file.exists():
            self._put_forward(rows)
        first = pc.min(pq.read_table(self.file, columns=["date"])["date"].cast("date32")).as_py()
        self.days = (self.now.date() - first).days
        self._params = folder / "params.yaml"
        params = yaml.safe_load(DEFAULT_PARAMS.read_text())
        params["ingestion"]["first_day"] = str(first)
        # A model that is soon trained: what is measured is without a training.
        params["training"] |= {
            "folds": 1,
            "candidates": {"plain": {"learner": "logistic", "C": 0.001}},
        }
        params["gates"] |= {"ece_limit": 0.2}
        self._params.write_text(yaml.safe_dump(params))

    def _put_forward(self, rows: int) -> None:
        source = find_source(rows)
        if source.file is None:
            raise SystemExit("real matches are needed: set SOCCER_REAL_DATA")
        table = pq.read_table(source.file)
        days = table["date"].cast("date32")
        weeks = (self.now.date() - BUSY_SUNDAY).days // 7
        first = source.days[0]
        table = table.set_column(
            table.schema.get_field_index("date"),
            "date",
            pc.add(days.cast("int32"), pa.scalar(weeks * 7, pa.int32())).cast("date32"),
        )
        pq.write_table(table.filter(pc.greater_equal(days, pa.scalar(first))), self.file)

    def environment(self, feed: FeedServer, worker: str) -> dict[str, str]:
        kept = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")
            if name in os.environ
        }
        return {
            **kept,
            "SOCCER_HOME": str(self.folder / "home"),
            "SOCCER_PARAMS": str(self._params),
            "LIVESCORES_URL": feed.url,
            "LIVESCORES_NAME": "benchmark",
            "SERVING_WORKERS": worker,
        }

    @property
    def is_filled(self) -> bool:
        return (self.folder / "filled").exists()

    def fill(self, environment: dict[str, str]) -> None:
        """History, a champion and its predictions, by the command that a person would use."""
        del environment["SERVING_WORKERS"]
        command = [BIN / "soccer", "demo", "--days", str(self.days)]
        subprocess.run(command, env=environment, cwd=project_folder(), check=True)
        (self.folder / "filled").touch()


def correct(feed: FeedServer, day: date, moment: datetime, lap: int) -> None:
    """One match of the day that has a result has another one."""
    payload = copy.deepcopy(feed.backend.payload(day, moment))
    for match in (m for t in payload["tournaments"] for m in t["matches"]):
        if match["status"] == 6:
            match["homeScore"] += 1 + lap
            feed.override(day, payload)
            return
    raise RuntimeError(f"no result on {day}")


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[psutil.Process]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            [BIN / command[0], *command[1:]],
            cwd=project_folder(),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    found = psutil.Process(process.pid)
    try:
        yield found
    finally:
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            family = [found, *found.children(True)]
            os.killpg(process.pid, signal.SIGINT)
            _, alive = psutil.wait_procs(family, timeout=60)
            for straggler in alive:
                straggler.kill()
        process.wait()


def cpu_seconds(process: psutil.Process) -> float:
    """Of a process and all that it has started, those that have ended too."""
    total = 0.0
    for one in [process, *process.children(True)]:
        with suppress(psutil.Error):
            times = one.cpu_times()
            total += times.user + times.system
            total += times.children_user + times.children_system
    return total


@dataclass(frozen=True)
class Daemon:
    """``dagster dev`` over a home, and the records in its database."""

    http: httpx.Client
    process: psutil.Process
    engine: sa.Engine

    def launch(self, days: list[date]) -> None:
        """The hour's ingest, as its schedule asks for it."""
        for tags in tags_of_the_hour(days):
            variables = {"tags": [{"key": k, "value": v} for k, v in tags.items()]}
            answer = self.http.post("/graphql", json={"query": _LAUNCH, "variables": variables})
            launched = answer.json()["data"]["launchRun"]
            assert launched["__typename"] == "LaunchRunSuccess", launched

    def newest(self) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(sa.text("SELECT max(id) FROM event_logs")) or 0

    def at_rest(self) -> bool:
        query = "SELECT count(*) FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"
        with self.engine.connect() as connection:
            return connection.scalar(sa.text(query)) == 0

    def settle(self, seconds: float = 45) -> None:
        """Until nothing has run for so long."""
        quiet, deadline = time.monotonic(), time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() - quiet < seconds:
            if not self.at_rest():
                quiet = time.monotonic()
            if time.monotonic() > deadline:
                raise TimeoutError("it does not come to rest")
            time.sleep(1)

    def events(self, after: int) -> list[sa.Row[Any]]:
        """Of the runs that began after an event: when what happened, in seconds since 1970."""
        query = """SELECT run_id, dagster_event_type AS what, step_key AS step,
            extract(epoch FROM timestamp)::float AS at, event::json->>'user_message' AS message
            FROM event_logs WHERE id > :after ORDER BY id"""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(query), {"after": after}))


def tags_of_the_hour(days: list[date]) -> list[dict[str, str]]:
    return [
        {
            "dagster/asset_partition_range_start": str(days[0]),
            "dagster/asset_partition_range_end": str(days[-1]),
        }
    ]


def lap(daemon: Daemon, feed: FeedServer, now: datetime, count: int) -> tuple[Lap, list[Any]]:
    days = list(days_between(now.date() - timedelta(days=2), now.date()))
    correct(feed, days[1], now, count)
    before, cpu, began = daemon.newest(), cpu_seconds(daemon.process), time.time()
    daemon.launch(days)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        events = daemon.events(before)
        if any(e.what == "STEP_SUCCESS" and e.step == "serving_workers" for e in events):
            break
        failed = [e for e in events if e.what == "STEP_FAILURE"]
        if failed or time.monotonic() > deadline:
            raise RuntimeError(f"it does not come through: {failed}")
        time.sleep(0.25)
    spent = cpu_seconds(daemon.process) - cpu
    return Lap(_hops(events, began), spent, len({e.run_id for e in events if e.run_id})), events


def _hops(events: list[Any], began: float) -> list[Hop]:
    """The way along the steps of the path; what is between them is orchestration."""
    hops, at = [], began
    runs: dict[str, str] = {}
    for event in events:
        if event.what == "RUN_START" and event.at > at:
            kind = runs.setdefault(event.run_id, f"run {len(runs) + 1}")
            hops.append(Hop(f"until {kind} starts", event.at - at))
            at = event.at
        elif event.what == "STEP_START" and event.step in PATH and event.at > at:
            hops.append(Hop(f"until {event.step} starts", event.at - at))
            at = event.at
        elif event.what == "STEP_SUCCESS" and event.step in PATH:
            seconds = event.at - at
            own = seconds
            if event.step == "dvc_outs":  # of which the stages tell their own
                own = min(seconds, sum(_stages(e for e in events if e.run_id == event.run_id)))
            hops.append(Hop(event.step, seconds, own))
            at = event.at
            if event.step == PATH[-1]:
                break
    return hops


def _stages(events: Any) -> Iterator[float]:
    """Seconds of each stage's own work, as it says when it ends."""
    for event in events:
        told = re.search(r"dvc\.stages\.\w+ took ([\d.]+) s", event.message or "")
        if event.step == "dvc_outs" and told:
            yield float(told[1])


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _until_up(url: str) -> None:
    for _ in range(1200):
        with suppress(httpx.TransportError):
            if httpx.get(url, timeout=5, trust_env=False).status_code == 200:
                return
        time.sleep(0.5)
    raise TimeoutError(url)


def main(
    rows: Annotated[int, typer.Option(help="Matches, at most.")] = 1_000_000,
    home: Annotated[Path | None, typer.Option(help="Kept, and gone on from.")] = None,
    laps: int = 3,
    output: Annotated[Path | None, typer.Option(help="JSON.")] = None,
    verbose: bool = False,
) -> None:
    """Measure the way of a corrected result."""
    place = Home(home or Path(mkdtemp(prefix="soccer-loop-")), rows)
    found: list[Lap] = []
    with FeedServer(ReplayBackend(place.file), clock=lambda: place.now) as feed:
        worker, ui = free_port(), free_port()
        environment = place.environment(feed, f"http://127.0.0.1:{worker}")
        if not place.is_filled:
            place.fill(dict(environment))
        database = place.folder / "home" / "postgres"
        engine = sa.create_engine(start_embedded_postgres(database), poolclass=sa.NullPool)
        log = place.folder / "processes.log"
        try:
            with (
                running(["soccer", "serve", "--port", str(worker)], environment, log),
                running(["dagster", "dev", "-p", str(ui)], environment, log) as process,
                httpx.Client(
                    base_url=f"http://127.0.0.1:{ui}", timeout=120, trust_env=False
                ) as http,
            ):
                _until_up(f"http://127.0.0.1:{worker}/healthz")
                _until_up(f"http://127.0.0.1:{ui}/server_info")
                daemon = Daemon(http, process, engine)
                for _ in range(laps):
                    daemon.settle()
                    number = int(time.time() / 30) % 15  # another one each time
                    done, events = lap(daemon, feed, place.now, number)
                    found.append(done)
                    if verbose:
                        for event in events:
                            told = (event.message or "")[:100].replace("\n", " ")
                            print(
                                f"{event.at % 10000:9.2f} {event.run_id[:6]} {event.what} {event.step} {told}"
                            )
                    print(_told(done), flush=True)
        finally:
            engine.dispose()
            leave_embedded_postgres(database)
    if output:
        best = min(found, key=lambda one: one.seconds)
        output.write_text(
            json.dumps(
                {
                    "machine": str(describe("embedded")),
                    "matches": pq.ParquetFile(place.file).metadata.num_rows,
                    "laps": [one.seconds for one in found],
                    "seconds": best.seconds,
                    "cpu_seconds": best.cpu_seconds,
                    "orchestration": best.orchestration,
                    "runs": best.runs,
                    "hops": [asdict(hop) for hop in best.hops],
                },
                indent=2,
            )
            + "\n"
        )


def _told(done: Lap) -> str:
    lines = [f"  {hop.name:32} {hop.seconds:6.1f} s, own {hop.domain:6.1f} s" for hop in done.hops]
    return "\n".join(
        [
            f"{done.seconds:.1f} s, {done.cpu_seconds:.1f} CPU s, {done.runs} runs, "
            f"{done.orchestration:.0%} orchestration; load {os.getloadavg()[0]:.1f}",
            *lines,
        ]
    )


if __name__ == "__main__":
    typer.run(main)
