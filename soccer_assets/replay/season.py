"""The replay itself: one virtual clock, moved from tick to tick, and all that the graph does by it."""

import os
import resource
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from rich.console import Console

from soccer_assets.clock import VirtualClock
from soccer_assets.dagster_daemons import project_time
from soccer_assets.demo import run_loop
from soccer_assets.process import Leases, is_asked_to_end
from soccer_assets.replay.daemon import Daemon, open_daemon
from soccer_assets.replay.faults import Fault
from soccer_assets.replay.feed import ReplayFeed
from soccer_assets.replay.look import look
from soccer_assets.replay.page import write_report
from soccer_assets.replay.plan import Day, OtherReplay, Plan, Storm, claim, note, read_days
from soccer_assets.replay.world import World, environment, open_world
from soccer_assets.settings import get_settings
from soccer_assets.warehouse.connection import get_engine

#: Of a day: late enough for the schedules of its night and for the digest, and before its matches.
TICK = time(7, 10, tzinfo=UTC)
#: Between two rounds of the daemons: no sensor is evaluated less often.
ROUND = timedelta(minutes=1)
LOG_FILE, LOCK_FILE = "log.txt", "replay.lock"
#: More, where nothing is asked for but failed runs wait for their next try,
PAUSE = timedelta(minutes=4)
#: which are waited for so long: they are given up after an hour.
PATIENCE = timedelta(minutes=100)
#: Runs in a step; what asks for more asks for ever.
STORM = 120

Progress = Callable[[str], None]


@contextmanager
def own_place(home: Path, name: str) -> Iterator[VirtualClock]:
    """Everything in the environment is this home's, and nothing of what else may be set there."""
    home.mkdir(parents=True, exist_ok=True)
    elsewhere = (
        "POSTGRES_URL", "LAKE_URI", "MLFLOW_TRACKING_URI", "SOCCER_AS_OF", "SERVING_WORKERS",
        "SERVING_TOKEN", "LIVESCORES_TOKEN",
    )  # fmt: skip
    clock = VirtualClock(home / "clock")
    variables = {
        **dict.fromkeys(elsewhere, ""),
        "SOCCER_HOME": str(home),
        "SOCCER_CLOCK": str(clock.file),
        "LIVESCORES_NAME": os.environ.get("LIVESCORES_NAME") or name,
    }
    with environment(variables), project_time():
        yield clock


class Season:
    """A replay that is ready to be moved on.

    Args:
        plan: what is replayed.
        world: what is outside.
        clock: which everything reads.
        progress: is told a line a day.
    """

    def __init__(
        self,
        plan: Plan,
        faults: Sequence[Fault],
        world: World,
        clock: VirtualClock,
        progress: Progress,
    ) -> None:
        self._plan = plan
        self._faults = faults
        self._world = world
        self._clock = clock
        self._progress = progress
        self._home = get_settings().home

    def ticks(self) -> Iterator[datetime]:
        """Those that were not gone through to their end."""
        done = {day.tick for day in read_days(self._home)}
        tick = datetime.combine(self._plan.first, TICK)
        while tick.date() <= self._plan.last:
            if tick.isoformat() not in done:
                yield tick
            tick += self._plan.step

    def run(self, daemon: Daemon) -> None:
        """Go through all steps that are left.

        Raises:
            Storm: a step does not come to an end.
        """
        self._world.daemon = daemon
        daemon.resume()
        for tick in self.ticks():
            # A step that a kill broke off goes on at the moment when it did.
            self._clock.set(max(tick, self._clock.now()))
            day = self._step(daemon, tick)
            note(self._home, day)
            self._progress(
                f"{tick:%Y-%m-%d}: {day.runs} runs ({day.failed} failed) in {day.rounds} rounds, "
                f"{day.cpu_seconds:.1f} s of CPU, version {day.served_version} served"
            )

    def _step(self, daemon: Daemon, moment: datetime) -> Day:
        day, before = Day(moment.isoformat()), cpu_seconds()
        for fault in self._faults:
            if what := fault.on(moment.date(), self._world):
                day.faults.append(f"{fault.name} {what}")
        with _timed(day, "schedules"):
            daemon.schedules(moment)
        asked: Counter[str] = Counter()
        patient_until = moment + PATIENCE
        while True:
            for run in daemon.execute(lambda what: _timed(day, what)):
                _go_on()
                asked[_who(run)] += 1
                day.runs += 1
                day.failed += run.status is dg.DagsterRunStatus.FAILURE
                if day.runs > STORM:
                    raise Storm(f"{moment:%Y-%m-%d}: more than {STORM} runs: {dict(asked)}")
            now = self._clock.advance(ROUND)
            day.rounds += 1
            with _timed(day, "sensors"):
                daemon.sensors()
            _go_on()
            if daemon.waiting:
                continue
            if not daemon.retries or now > patient_until:
                break
            self._clock.advance(PAUSE)
        with self._world.worker.client() as client:
            look(day, client, get_engine(get_settings()))
        day.cpu_seconds = cpu_seconds() - before
        return day


def replay_season(
    plan: Plan,
    faults: Sequence[Fault],
    shown: ReplayFeed,
    clock: VirtualClock,
    console: Console,
) -> Path:
    """From an empty home, or from where a replay that was killed left it, to the end.

    Raises:
        OtherReplay: the home is another replay's.
        Storm: a step does not come to an end.
    """
    home = get_settings().home
    claim(home, plan)
    alone = Leases(home)
    try:
        alone.take(LOCK_FILE)
    except OSError:
        raise OtherReplay(f"{home}: another process is replaying there") from None
    try:
        return _replay(plan, faults, shown, clock, console, home)
    finally:
        alone.give_back(LOCK_FILE)


def _replay(
    plan: Plan,
    faults: Sequence[Fault],
    shown: ReplayFeed,
    clock: VirtualClock,
    console: Console,
    home: Path,
) -> Path:
    if not clock.file.exists():
        clock.set(datetime.combine(plan.first, TICK) - plan.step)
    with open_world(shown, get_settings()) as world:
        if not (home / "history-is-in").exists():
            run_loop(plan.since, console, get_settings())
            (home / "history-is-in").touch()
        # What runs say goes into a file: there are thousands.
        with (home / LOG_FILE).open("a") as log, redirect_stderr(log), open_daemon() as daemon:
            Season(plan, faults, world, clock, console.print).run(daemon)
            return write_report(
                daemon.instance, get_engine(get_settings()), plan, home, clock.now()
            )


def _go_on() -> None:
    """A run that a signal interrupts fails, and Dagster goes on; a replay does not."""
    if is_asked_to_end():
        raise KeyboardInterrupt


def cpu_seconds() -> float:
    """Of this process and its children that have ended."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in spent)


@contextmanager
def _timed(day: Day, what: str) -> Iterator[None]:
    before = cpu_seconds()
    yield
    day.seconds[what] = day.seconds.get(what, 0.0) + cpu_seconds() - before


def _who(run: dg.DagsterRun) -> str:
    """What asked for a run, and for what."""
    tags: dict[str, Any] = dict(run.tags)
    asker = tags.get("dagster/schedule_name") or tags.get("dagster/sensor_name") or "somebody"
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    return f"{asker}: {', '.join(assets) or run.job_name}"
