"""Sixty days of an invented world, replayed once for all tests of this folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
import yaml
from rich.console import Console

from soccer_assets.dvc.definition import PIPELINE_FILE
from soccer_assets.replay.faults import parse_fault
from soccer_assets.replay.feed import ReplayFeed
from soccer_assets.replay.page import tables
from soccer_assets.replay.plan import Day, Plan, read_days
from soccer_assets.replay.season import own_place, replay_season
from soccer_assets.replay.slack import messages
from soccer_assets.replay.world import SLACK_FILE
from soccer_assets.simulator.leagues import LeagueSimulator

#: The feed is away from one tick to the next.
DOWN = date(2025, 3, 3)
STEP = timedelta(days=5)
PLAN = Plan(
    file="invented",
    since=date(2024, 9, 1),
    first=date(2025, 2, 1),
    last=date(2025, 4, 1),
    step=STEP,
    faults=(f"feed-down@{DOWN}+3",),
)
TRAINING = {
    "folds": 1,
    "candidates": {"plain": {"learner": "logistic", "C": 0.001}},
}
MONITORING = {"volume_min_rows": 100, "volume_min_share": 0.01}


@dataclass(frozen=True)
class Replayed:
    """What a replay has left behind."""

    home: Path
    page: Path
    days: list[Day]
    said: list[dict[str, str]]
    """To Slack."""
    tables: Mapping[str, pd.DataFrame]
    printed: str


def replayed(home: Path, plan: Plan) -> Replayed:
    """Replay, or go on."""
    params = home / "given.yaml"
    document = yaml.safe_load((PIPELINE_FILE.parent / "params.yaml").read_text())
    document["training"] |= TRAINING
    document["monitoring"] |= MONITORING
    params.write_text(yaml.safe_dump(document))
    printed = Console(file=StringIO(), width=200)
    faults = [parse_fault(text) for text in plan.faults]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOCCER_PARAMS", str(params))
        with own_place(home, "invented") as clock:
            shown = ReplayFeed(LeagueSimulator(seed=20))
            page = replay_season(plan, faults, shown, clock, printed)
    assert isinstance(printed.file, StringIO)
    return Replayed(
        home=home,
        page=page,
        days=read_days(home),
        said=messages(home / SLACK_FILE),
        tables=tables(page.parent),
        printed=printed.file.getvalue(),
    )


@pytest.fixture(scope="session")
def season(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    return replayed(tmp_path_factory.mktemp("season"), PLAN)
