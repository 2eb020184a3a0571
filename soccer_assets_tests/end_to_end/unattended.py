"""The whole platform on real services, with nobody at the keyboard: what happens is asked for by the
daemons alone, as time goes on outside."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
import yaml
from dagster._core.execution.backfill import PartitionBackfill

from soccer_assets.clock import VirtualClock, utc_now
from soccer_assets.dvc.definition import PIPELINE_FILE
from soccer_assets.params import ServingParams
from soccer_assets.replay.daemon import DEFINITIONS, Daemon, open_daemon
from soccer_assets.resources import make_resources
from soccer_assets.serving.client import WorkerClient
from soccer_assets.serving.server import ServiceProcess
from soccer_assets.settings import get_settings
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer
from soccer_assets.warehouse.connection import get_engine
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.fake_slack import Slack, slack_server

FIRST_DAY = date(2024, 8, 1)
TOKEN = "reload-token-of-this-test"
#: A model that is trained in seconds, gates that so few matches can pass, and reports that say nothing
#: before a test has them do so.
PARAMS: dict[str, dict[str, Any]] = {
    "ingestion": {"first_day": FIRST_DAY.isoformat()},
    "training": {"folds": 1, "candidates": {"plain": {"learner": "logistic", "C": 0.001}}},
    "gates": {"ece_limit": 0.2, "min_newer_days": 0},
    "monitoring": {"volume_min_rows": 100_000},
    "retraining": {"min_new_matches": 0},
}
#: Runs after which what is asked for one after the other is a storm.
STORM = 40


@dataclass
class Site:
    """What shows the matches, and can be wrong about them."""

    world: LeagueSimulator
    frozen_at: datetime | None = None
    """From then on it shows nothing new."""
    reversed_since: date | None = None
    """Scores of matches from that day on are shown the wrong way round."""

    def payload(self, day: date, as_of: datetime) -> dict[str, Any]:
        found = self.world.payload(day, min(as_of, self.frozen_at or as_of))
        if self.reversed_since and day >= self.reversed_since:
            for match in (match for block in found["tournaments"] for match in block["matches"]):
                match["homeScore"], match["awayScore"] = match["awayScore"], match["homeScore"]
        return found


@dataclass
class Household:
    """Everything, and the time that it is."""

    daemon: Daemon
    clock: VirtualClock
    feed: FeedServer
    site: Site
    slack: Slack
    process: ServiceProcess
    params_file: Path
    runs: list[dg.DagsterRun] = field(default_factory=list)
    """All that were executed."""

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.daemon.instance

    @property
    def graph(self) -> Any:
        return sys.modules[DEFINITIONS].defs.resolve_asset_graph()

    @property
    def resources(self) -> Any:
        return make_resources(get_settings())

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def live(self, by: timedelta = timedelta(minutes=1)) -> list[dg.DagsterRun]:
        """Let time go on, and then all that is asked for be done; returns its runs.

        What the schedules asked for meanwhile is asked for by their last tick.
        """
        self.daemon.schedules(self.clock.advance(by))
        done: list[dg.DagsterRun] = []
        quiet = 0
        while quiet < 2:  # what the last run came to is told by then
            done += self.daemon.execute(lambda _: nullcontext())
            assert len(done) < STORM, [dict(run.tags) for run in done]
            self.clock.advance(timedelta(minutes=1))
            self.daemon.sensors()
            assert not self.daemon.errors
            quiet = 0 if self.daemon.waiting else quiet + 1
        self.runs += done
        return done

    def live_until(self, hour: int, minute: int = 0, *, days: int = 0) -> list[dg.DagsterRun]:
        """The next time that it is so late, or so many days after."""
        then = self.now.replace(hour=hour, minute=minute, second=0)
        then += timedelta(days=days + (then <= self.now))
        return self.live(then - self.now)

    def backfill(self, *assets: str) -> None:
        """Ask for all there is of some assets, as who presses "all" in the UI; it is not done yet."""
        asked = PartitionBackfill.from_asset_partitions(
            backfill_id=uuid4().hex[:8],
            asset_graph=self.graph,
            partition_names=None,
            all_partitions=True,
            asset_selection=[dg.AssetKey(asset) for asset in assets],
            backfill_timestamp=self.now.timestamp(),
            tags={},
            dynamic_partitions_store=self.instance,
            title=None,
            description=None,
            run_config=None,
        )
        self.instance.add_backfill(asked)

    def set(self, section: str, **values: Any) -> None:
        """Change parameters."""
        document = yaml.safe_load(self.params_file.read_text())
        document[section] |= values
        self.params_file.write_text(yaml.safe_dump(document))

    def restart_worker(self, token: str = TOKEN) -> None:
        """On its port, with that token."""
        self.process.stop()
        url, port = get_settings().postgres_url, self.process.port
        assert url
        self.process = _worker(url.get_secret_value(), token, port).start()

    @contextmanager
    def worker(self) -> Iterator[WorkerClient]:
        with WorkerClient(self.process.base_url) as client:
            yield client

    # What was done

    def made(self, asset: str) -> "Made":
        """How an asset was made last."""
        [record] = self.instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
        return self._made(record)

    def made_after(self, moment: datetime, asset: str) -> "list[Made]":
        """How an asset was made since, the first first."""
        wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), after_timestamp=moment.timestamp())
        records = self.instance.fetch_materializations(wanted, limit=1000, ascending=True).records
        return [self._made(record) for record in records]

    def _made(self, record: Any) -> "Made":
        run = self.instance.get_run_by_id(record.run_id)
        assert run, f"{record.asset_key} was reported by hand"
        event = record.asset_materialization
        metadata = {name: value.value for name, value in event.metadata.items()}
        return Made(run.tags, metadata, event.tags or {}, record.partition_key, record.timestamp)


@dataclass(frozen=True)
class Made:
    """A materialization."""

    run: Any
    """The tags of its run."""
    metadata: dict[str, Any]
    tags: Any
    partition: str | None
    at: float

    @property
    def version(self) -> str:
        return str(self.tags["dagster/data_version"])

    @property
    def asked_by(self) -> str:
        """The sensor or schedule that asked for its run; ``nobody`` if it was a person."""
        names = (self.run.get(f"dagster/{kind}_name") for kind in ("sensor", "schedule"))
        return next(filter(None, names), "nobody")


def _worker(url: str, token: str, port: int = 0) -> ServiceProcess:
    """For which no prediction is too old."""
    return ServiceProcess(url, token, port=port, params=ServingParams(max_age_hours=800_000))


@contextmanager
def open_household(home: Path, url: str, world: LeagueSimulator) -> Iterator[Household]:
    """At noon of ``MIDSEASON``, with nothing in it."""
    params_file = home / "params.yaml"
    document = yaml.safe_load((PIPELINE_FILE.parent / "params.yaml").read_text())
    for section, values in PARAMS.items():
        document[section] = document.get(section, {}) | values
    params_file.write_text(yaml.safe_dump(document))
    site = Site(world)
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.delenv("SOCCER_AS_OF", raising=False)
        clock = VirtualClock(home / "clock")
        clock.set(MIDSEASON)
        stack.enter_context(clock.in_charge())
        feed = stack.enter_context(FeedServer(site, clock=utc_now))
        slack = stack.enter_context(slack_server())
        process = _worker(url, TOKEN).start()
        variables = {
            "SOCCER_HOME": str(home),
            "POSTGRES_URL": url,
            "LAKE_URI": "",
            "MLFLOW_TRACKING_URI": "",
            "SOCCER_PARAMS": str(params_file),
            "LIVESCORES_URL": feed.url,
            "LIVESCORES_ATTEMPTS": "1",
            "SERVING_WORKERS": process.base_url,
            "SERVING_TOKEN": TOKEN,
            "SLACK_BOT_TOKEN": "xoxb-of-this-test",
            "SLACK_API_URL": slack.url,
        }
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.delitem(sys.modules, DEFINITIONS, raising=False)
        stack.callback(sys.modules.pop, DEFINITIONS, None)
        import_module(DEFINITIONS)  # those of this environment
        daemon = stack.enter_context(open_daemon())
        daemon.schedules(clock.now())
        here = Household(daemon, clock, feed, site, slack, process, params_file)
        try:
            yield here
        finally:
            here.process.stop()
            get_engine(get_settings()).dispose()
