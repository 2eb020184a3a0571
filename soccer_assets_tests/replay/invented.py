"""Replays of an invented world, each in a process of its own as ``soccer replay-season`` is, from one
home that has its history and its first champion."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import yaml
from rich.console import Console

from soccer_assets.dvc.definition import PIPELINE_FILE
from soccer_assets.replay.faults import parse_fault
from soccer_assets.replay.feed import ReplayFeed
from soccer_assets.replay.page import FOLDER, tables
from soccer_assets.replay.plan import DAYS_FILE, PLAN_FILE, Day, Plan, read_days
from soccer_assets.replay.season import own_place, replay_season
from soccer_assets.replay.slack import messages
from soccer_assets.replay.world import SLACK_FILE
from soccer_assets.simulator.leagues import LeagueSimulator

SINCE, FIRST = date(2024, 8, 1), date(2025, 2, 1)
DAY = timedelta(days=1)
TRAINING = {
    "folds": 1,
    "candidates": {"plain": {"learner": "logistic", "C": 0.001}},
}


@dataclass(frozen=True)
class Replayed:
    """What a replay has left behind."""

    home: Path
    page: Path
    days: list[Day]
    said: list[dict[str, str]]
    """To Slack."""
    tables: dict[str, pd.DataFrame]

    @property
    def alerts(self) -> pd.DataFrame:
        """The outbox, in the order in which its alerts were seen first."""
        return self.tables["alerts"].sort_values(["first_seen", "last_seen"], ignore_index=True)

    @property
    def last(self) -> pd.Timestamp:
        """When the last tick was."""
        return pd.Timestamp(self.days[-1].tick)

    def of_kind(self, kind: str, key: str = "") -> pd.DataFrame:
        """Alerts of a kind whose key has this in it."""
        found = self.alerts[self.alerts["kind"] == kind]
        return found[found["key"].str.contains(key, regex=False)]

    def day(self, day: date) -> Day:
        [found] = [one for one in self.days if one.tick.startswith(str(day))]
        return found


def replay(home: Path, first: date, last: date, *faults: str, step: timedelta = DAY) -> Replayed:
    """Replay the days, or go on, in a process of its own."""
    asked = [str(home), str(first), str(last), str(step.days), *faults]
    subprocess.run([sys.executable, "-m", __name__, *asked], check=True)
    return left_in(home)


def left_in(home: Path) -> Replayed:
    return Replayed(
        home=home,
        page=home / FOLDER / "index.html",
        days=read_days(home),
        said=messages(home / SLACK_FILE),
        tables=dict(tables(home / FOLDER)),
    )


def copied(base: Path, home: Path) -> Path:
    """A home with what is in another one, where another replay can begin."""
    shutil.copytree(base, home, symlinks=True, ignore=shutil.ignore_patterns(FOLDER, SLACK_FILE))
    for file in (PLAN_FILE, DAYS_FILE):
        (home / file).unlink(missing_ok=True)
    return home


def _main(folder: str, first: str, last: str, step: str, *faults: str) -> None:
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    document = yaml.safe_load((PIPELINE_FILE.parent / "params.yaml").read_text())
    document["training"] |= TRAINING
    given = home / "given.yaml"
    given.write_text(yaml.safe_dump(document))
    os.environ["SOCCER_PARAMS"] = str(given)
    plan = Plan(
        file="invented",
        since=SINCE,
        first=date.fromisoformat(first),
        last=date.fromisoformat(last),
        step=timedelta(days=int(step)),
        faults=faults,
    )
    with own_place(home, "invented") as clock:
        shown = ReplayFeed(LeagueSimulator(seed=20, first_season=2024))
        replay_season(plan, [parse_fault(text) for text in faults], shown, clock, Console())


if __name__ == "__main__":
    _main(*sys.argv[1:])
