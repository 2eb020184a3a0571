"""Predictions over HTTP under load: a worker, its client and PostgreSQL on the same cores.

The client is ``wrk``, which costs a tenth of what it measures. Costs are seconds a request; what a
request waits for at worst, failed requests and memory are in the notes.
"""

import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI

from benchmarks.database import connect, tidy
from benchmarks.processes import peak_mb
from benchmarks.report import Comparison, Cost, Goal
from benchmarks.workbench import Workbench
from soccer_assets.serving.client import WorkerClient
from soccer_assets.serving.server import ServiceProcess

TOKEN = "benchmark"
CONNECTIONS, THREADS = 8, 1
RELOADS = 5
BASELINE = "FastAPI with one SQL query a request"
#: What is asked of one match, of a rolling reload, and of memory.
P99_MS, RELOAD_P99_MS, PEAK_MB, REQUESTS_A_SECOND = 10.0, 50.0, 250.0, 4_000
_ANY_MATCH = """
math.randomseed({seed})
request = function() return wrk.format("GET", "/predictions/" .. math.random(1, {matches})) end
"""
_FILL = (
    """
    INSERT INTO soccer.match (match_id, feed_day, kickoff, status, region_id, region_name,
        tournament_id, tournament_name, season_id, season_name, stage_id, sex, home_team_id,
        home_team_name, away_team_id, away_team_name, content_hash, first_seen_at, changed_at)
    SELECT n, current_date + n % 300, current_date + (n % 300) * interval '1 day 1 hour',
        'scheduled', 252, 'England', n % 500, 'Premier League', 10316, '2026/2027', 23400, 0,
        n % 2000, 'Manchester United', n % 2000 + 2000, 'Wolverhampton Wanderers', 0, now(), now()
    FROM generate_series(1, :matches) AS n
    """,
    "INSERT INTO soccer.served_model VALUES (true, 'soccer-1x2', 1, 'run', 'data', now(), '{}', now())",
    """
    INSERT INTO soccer.prediction (match_id, model_version, kickoff, p_home, p_draw, p_away,
        features_as_of, predicted_at)
    SELECT match_id, 1, kickoff, 0.4512345678901234, 0.25, 0.2987654321098766, now(), now()
    FROM soccer.match
    """,
)


@dataclass(frozen=True)
class Load:
    """What ``wrk`` saw."""

    requests: int
    seconds: float
    p99_ms: float
    failed: int

    @property
    def a_second(self) -> float:
        return self.requests / self.seconds


def run(bench: Workbench) -> list[Comparison]:
    """One line of one match, one of a rolling reload; none where there is no ``wrk``."""
    if shutil.which("wrk") is None:
        print("serving is left out: there is no wrk (Debian: apt install wrk)", file=sys.stderr)
        return []
    matches, seconds = bench.sizes.served, bench.sizes.load_seconds
    with bench.empty_database() as url, ExitStack() as stack:
        fill(url, matches)
        baseline = stack.enter_context(_Plain(url))
        theirs = hit([baseline.url], matches, seconds)
        plain = _cost(theirs, baseline.cpu_seconds, baseline.peak_mb)
        baseline.stop()
        state = Path(stack.enter_context(TemporaryDirectory()))
        workers = [
            stack.enter_context(ServiceProcess(url, TOKEN, state=state / str(number)))
            for number in range(2)
        ]
        clients = [
            stack.enter_context(WorkerClient(worker.base_url, TOKEN, 120)) for worker in workers
        ]
        for client in clients:
            while not client.ready().ready:
                time.sleep(0.1)
        processes = [_process(worker) for worker in workers]
        before = _cpu(processes[0])
        ours = hit([workers[0].base_url], matches, seconds)
        spent = _cpu(processes[0]) - before
        took: list[float] = []
        rolling = threading.Thread(target=_roll, args=(clients, took))
        before = sum(map(_cpu, processes))
        rolling.start()
        urls = [worker.base_url for worker in workers]
        reloading = hit(urls, matches, seconds, until=rolling, connections=CONNECTIONS // 2)
        spent_rolling = sum(map(_cpu, processes)) - before
        peak = max(map(peak_mb, processes))
        at_once = _thirty(clients[0])
    served = f"{matches:,} predictions"
    return [
        Comparison(
            "serving",
            f"GET /predictions/{{match_id}}, {served}, {CONNECTIONS} connections",
            BASELINE,
            _cost(ours, spent, peak),
            plain,
            Goal(REQUESTS_A_SECOND / theirs.a_second, PEAK_MB, P99_MS),
            [
                f"wrk: ours {_told(ours)} (the goal's ratio is {REQUESTS_A_SECOND:,}/s);"
                f" baseline {_told(theirs)}; the peak is of the larger of two workers after"
                f" {RELOADS} reloads"
            ],
        ),
        Comparison(
            "serving",
            f"the same during rolling reloads of two workers, {served}",
            BASELINE,
            _cost(reloading, spent_rolling, peak),
            plain,
            Goal(None, PEAK_MB, RELOAD_P99_MS),
            [
                f"wrk: both workers together {_told(reloading)}; baseline without any reload; a"
                f" reload took {min(took):.1f} to {max(took):.1f} s; thirty asked for at once"
                f" {at_once:.1f} s"
            ],
        ),
    ]


def fill(url: str, matches: int) -> None:
    """Predictions of so many coming matches, by version 1."""
    with connect(url).begin() as connection:
        for statement in _FILL:
            connection.execute(sa.text(statement), {"matches": matches})
    tidy(url)


def hit(
    urls: list[str],
    matches: int,
    seconds: float,
    until: threading.Thread | None = None,
    connections: int = CONNECTIONS,
) -> Load:
    """Load on all URLs at once, for some seconds, or again and again while a thread is at work."""
    found: list[Load] = []

    def load(url: str) -> None:
        while True:
            found.append(_wrk(url, matches, seconds, connections))
            if until is None or not until.is_alive():
                return

    threads = [threading.Thread(target=load, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load(
        sum(each.requests for each in found),
        sum(each.seconds for each in found) / len(urls),
        max(each.p99_ms for each in found),
        sum(each.failed for each in found),
    )


def _wrk(url: str, matches: int, seconds: float, connections: int) -> Load:
    with TemporaryDirectory() as folder:
        script = Path(folder) / "any.lua"
        script.write_text(_ANY_MATCH.format(seed=time.time_ns() % 10**6, matches=matches))
        said = subprocess.run(
            [
                *("wrk", f"-t{THREADS}", f"-c{connections}", f"-d{max(1, round(seconds))}s"),
                *("--latency", "-s", str(script), url),
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    return parse_wrk(said)


def parse_wrk(said: str) -> Load:
    """What ``wrk --latency`` prints; a failed request is one without an answer or with another than
    2xx and 3xx."""
    count = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)", said)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", said)
    if count is None or p99 is None:
        raise RuntimeError(f"wrk said: {said}")
    errors = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return Load(
        int(count[1]),
        float(count[2]) * _UNITS[count[3]],
        float(p99[1]) * _UNITS[p99[2]] * 1000,
        sum(map(int, errors.groups() if errors else ())) + int(other[1] if other else 0),
    )


_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def _roll(clients: list[WorkerClient], took: list[float]) -> None:
    for _ in range(RELOADS):
        for client in clients:
            started = time.monotonic()
            client.reload()
            took.append(time.monotonic() - started)


def _thirty(client: WorkerClient) -> float:
    threads = [threading.Thread(target=client.reload) for _ in range(30)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - started


def _cost(load: Load, cpu_seconds: float, peak_mb: float) -> Cost:
    """Of a request. ``cpu_seconds``: of all of the load, and of reloads meanwhile."""
    return Cost(
        1 / load.a_second,
        cpu_seconds / load.requests,
        peak_mb,
        p99_ms=load.p99_ms,
        failed=load.failed,
    )


def _told(load: Load) -> str:
    failed = f", {load.failed} failed" if load.failed else ", none failed"
    return f"{load.a_second:,.0f}/s, p99 {load.p99_ms:.1f} ms{failed}"


class _Plain:
    """The baseline: what a tutorial does, with a pool of connections, in a process of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stopped = False

    def __enter__(self) -> "_Plain":
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.serving", self._url, str(port)]
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"{self.url}/predictions/1", trust_env=False).status_code == 200:
                    return self
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    @property
    def cpu_seconds(self) -> float:
        return _cpu(psutil.Process(self._process.pid))

    @property
    def peak_mb(self) -> float:
        return peak_mb(psutil.Process(self._process.pid))

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _plain_app(url: str) -> FastAPI:
    engine = connect(url)
    app = FastAPI()

    @app.get("/predictions/{match_id}")
    def one(match_id: int) -> dict[str, object]:
        query = """
            SELECT m.match_id, m.kickoff, m.status, m.tournament_id, m.tournament_name,
                m.region_name, m.season_name, m.home_team_id, m.home_team_name, m.away_team_id,
                m.away_team_name, p.p_home, p.p_draw, p.p_away, p.features_as_of, p.predicted_at
            FROM soccer.prediction AS p
            JOIN soccer.match AS m USING (match_id)
            JOIN soccer.served_model AS s ON s.version = p.model_version
            WHERE p.match_id = :match_id
        """
        with engine.connect() as connection:
            return dict(connection.execute(sa.text(query), {"match_id": match_id}).one()._mapping)

    return app


def _process(worker: ServiceProcess) -> psutil.Process:
    assert worker.pid is not None
    return psutil.Process(worker.pid)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    uvicorn.run(_plain_app(sys.argv[1]), port=int(sys.argv[2]), log_level="warning")
