"""What goes wrong on request, and that it ends."""

import copy
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from soccer_assets.replay import faults
from soccer_assets.replay.faults import KINDS, BadChallenger, Fault, parse_fault
from soccer_assets.replay.feed import ReplayFeed
from soccer_assets.replay.slack import SlackServer
from soccer_assets.replay.world import Worker, World
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer

DAY = date(2024, 10, 5)
LATER = datetime(2025, 1, 1, tzinfo=UTC)


class StubbornWorker:
    """Knows what it was told."""

    refuses = False

    def refuse_reloads(self, refuses: bool) -> None:
        self.refuses = refuses


@pytest.fixture(scope="module")
def simulator() -> LeagueSimulator:
    return LeagueSimulator(seed=20)


@pytest.fixture
def world(tmp_path: Path, simulator: LeagueSimulator) -> Iterator[World]:
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump({"training": {"seed": 7}}))
    shown = ReplayFeed(simulator)
    with FeedServer(shown, clock=lambda: LATER) as feed, SlackServer(tmp_path / "said") as slack:
        yield World(shown, feed, slack, cast(Worker, StubbornWorker()), params)


def matches(world: World, day: date = DAY) -> dict[int, dict[str, Any]]:
    payload = world.shown.payload(day, LATER)
    return {m["id"]: m for block in payload["tournaments"] for m in block["matches"]}


def season(world: World) -> dict[int, dict[str, Any]]:
    days = (date(2024, 8, 1) + timedelta(days=n) for n in range(150))
    return {key: match for day in days for key, match in matches(world, day).items()}


def played(found: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    return [m for m in found.values() if None not in (m["homeScore"], m["awayScore"])]


@pytest.mark.parametrize(
    ("text", "first", "until"),
    [
        ("feed-down@2023-10-01", date(2023, 10, 1), date(2023, 10, 4)),
        ("feed-down@2023-10-01+10", date(2023, 10, 1), date(2023, 10, 11)),
        ("home-advantage-gone@2023-10-01", date(2023, 10, 1), None),
    ],
)
def test_a_fault_is_written_with_its_days(text: str, first: date, until: date | None) -> None:
    fault = parse_fault(text)
    assert (fault.first, fault.until) == (first, until)


@pytest.mark.parametrize("text", ["feed-down", "storm@2023-10-01", "feed-down@soon", "@2023-10-01"])
def test_what_is_no_fault_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="killed-run"):
        parse_fault(text)


@pytest.mark.parametrize("name", [n for n in KINDS if n not in ("bad-challenger", "killed-run")])
def test_a_fault_begins_and_leaves_nothing_behind(world: World, name: str) -> None:
    def look() -> Any:
        reply = world.feed.reply("/livescores/data?d=20241005", cast(Any, {}))
        return reply, world.slack.is_down, cast(StubbornWorker, world.worker).refuses

    before = look()
    fault = parse_fault(f"{name}@{DAY}+2")

    assert fault.on(DAY - timedelta(days=1), world) is None
    assert look() == before
    assert fault.on(DAY, world) == "begins"
    assert look() != before
    assert fault.on(DAY + timedelta(days=1), world) is None
    assert fault.on(DAY + timedelta(days=2), world) == "ends"
    assert look() == before


def test_a_replay_that_goes_on_ends_what_a_killed_one_began(world: World) -> None:
    world.slack.is_down = True
    fault: Fault = parse_fault(f"slack-down@{DAY}")

    assert fault.on(DAY + timedelta(days=30), world) is None
    assert not world.slack.is_down


def test_swapped_teams_have_their_goals_with_them(world: World) -> None:
    right = copy.deepcopy(matches(world))
    parse_fault(f"home-away-swapped@{DAY}").on(DAY, world)
    wrong = matches(world)

    assert wrong.keys() == right.keys()
    for key, match in wrong.items():
        for name in ("TeamId", "TeamName", "Score"):
            assert match[f"home{name}"] == right[key][f"away{name}"]
            assert match[f"away{name}"] == right[key][f"home{name}"]


def test_without_home_advantage_home_wins_are_as_rare_as_away_wins(world: World) -> None:
    def share(found: list[dict[str, Any]]) -> float:
        home = sum(m["homeScore"] > m["awayScore"] for m in found)
        away = sum(m["homeScore"] < m["awayScore"] for m in found)
        return home / (home + away)

    assert share(played(season(world))) > 0.56
    parse_fault(f"home-advantage-gone@{DAY}").on(DAY, world)
    assert abs(share(played(season(world))) - 0.5) < 0.04


def test_scores_of_one_league_alone_are_corrupted(world: World) -> None:
    right = copy.deepcopy(world.shown.payload(DAY, LATER))
    parse_fault(f"scores-corrupted@{DAY}").on(DAY, world)
    wrong = world.shown.payload(DAY, LATER)

    changed = [
        block["tournamentId"]
        for block, was in zip(wrong["tournaments"], right["tournaments"], strict=True)
        if block != was
    ]
    assert len(changed) == 1


def test_a_bad_challenger_is_trained_by_a_recipe_that_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def run(job: str, *_: Any) -> None:
        asked.append((job, yaml.safe_load(world.params.read_text())["training"]["candidates"]))

    monkeypatch.setattr(faults, "run_job", run)
    before = world.params.read_bytes()
    fault = parse_fault(f"bad-challenger@{DAY}")

    fault.on(DAY, world)
    assert asked == [("retrain", BadChallenger.RECIPE["candidates"])]
    # The process is killed, and another one goes on.
    parse_fault(f"bad-challenger@{DAY}").on(DAY + timedelta(days=1), world)
    assert world.params.read_bytes() == before


def test_only_the_leagues_that_are_asked_for_are_shown(simulator: LeagueSimulator) -> None:
    everything = ReplayFeed(simulator).payload(DAY, LATER)["tournaments"]
    one = everything[0]["tournamentId"]

    shown = ReplayFeed(simulator, [one]).payload(DAY, LATER)["tournaments"]
    assert len(everything) > 1
    assert {block["tournamentId"] for block in shown} == {one}
