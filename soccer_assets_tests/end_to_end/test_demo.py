"""``soccer demo`` on a machine that has nothing yet, then once more, then on the day after.

The clock stands still, so that the test means the same on every day.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient

from soccer_assets_tests.end_to_end.shell import Shell, open_shell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

TODAY = datetime(2026, 11, 24, 12, tzinfo=UTC)
TOMORROW = TODAY + timedelta(days=1)


@dataclass(frozen=True)
class Demo:
    """A demo that has ended."""

    now: datetime
    printed: str
    mlflow_runs: int
    champion: str
    postgres_ran_on: bool

    @property
    def days_asked_for(self) -> int:
        """Days of the feed; the last line of the ingestion tells how many it went through."""
        return int(re.findall(r"(\d+) of \1 days, [\d,]+ matches", self.printed)[-1])

    @property
    def newest_result(self) -> datetime:
        line = re.search(r"Newest result known .*: kick-off ([\d-]+ [\d:]+) UTC", self.printed)
        assert line
        return datetime.strptime(line[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)

    @property
    def coming_matches(self) -> list[list[str]]:
        """Rows of the last table: kick-off, league, match, home, draw, away, model."""
        table = self.printed.rpartition("Coming matches (kick-off UTC)")[2]
        rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines()]
        return [row for row in rows if row and row[0]]  # a long name goes on in one without


def shell_at(home: Path, now: datetime, variables: Mapping[str, str] = {}) -> Shell:
    """A shell whose commands may take as long as a training does on a busy machine."""
    return Shell(home, {"SOCCER_AS_OF": now.isoformat(), **variables}, patience_seconds=1800)


def run_demo(home: Path, now: datetime) -> Demo:
    shell = shell_at(home, now)
    printed = shell.run("soccer", "demo")
    client = MlflowClient(f"sqlite:///{home / 'mlflow' / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return Demo(
        now,
        printed,
        mlflow_runs=len(client.search_runs(experiments)),
        champion=str(client.get_model_version_by_alias("soccer_1x2", "champion").version),
        postgres_ran_on=shell.postgres_runs,
    )


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with open_shell() as shell:
        yield shell.home


@pytest.fixture(scope="module")
def first(home: Path) -> Demo:
    return run_demo(home, TODAY)


@pytest.fixture(scope="module")
def second(home: Path, first: Demo) -> Demo:
    return run_demo(home, TODAY)


@pytest.fixture(scope="module")
def next_day(home: Path, second: Demo) -> Demo:
    return run_demo(home, TOMORROW)


@pytest.fixture(params=["first", "second", "next_day"])
def demo(request: pytest.FixtureRequest) -> Demo:
    """Each of the three."""
    found: Demo = request.getfixturevalue(request.param)
    return found


def test_the_demo_ends_with_the_coming_matches(demo: Demo) -> None:
    rows = demo.coming_matches
    assert len(rows) == 15
    for _, league, match, *chances, model in rows:
        assert league
        assert " – " in match
        assert abs(sum(int(chance.rstrip("%")) for chance in chances) - 100) <= 1
        assert model == "v1"
    kickoffs = [datetime.strptime(row[0], "%Y-%m-%d %H:%M").replace(tzinfo=UTC) for row in rows]
    assert kickoffs == sorted(kickoffs)
    assert kickoffs[0] > demo.now


def test_the_demo_says_how_old_its_data_is_and_where_to_go_on(demo: Demo) -> None:
    assert timedelta(0) < demo.now - demo.newest_result < timedelta(days=3)
    assert re.search(r"Open the UI: +\.venv/bin/dagster dev", demo.printed)


def test_nothing_runs_on_when_the_demo_has_ended(demo: Demo) -> None:
    assert not demo.postgres_ran_on


def test_the_first_demo_fills_two_years_and_trains_a_champion(first: Demo) -> None:
    assert first.days_asked_for == 730 + 1 + 15
    assert (first.mlflow_runs, first.champion) == (1, "1")


def test_a_second_demo_asks_for_the_days_only_that_may_have_changed(second: Demo) -> None:
    assert second.days_asked_for == 2 + 1 + 15


def test_a_second_demo_trains_nothing_and_computes_no_feature_again(second: Demo) -> None:
    assert (second.mlflow_runs, second.champion) == (1, "1")
    assert "champion kept" in second.printed
    assert "Starting a new mlflow run" not in second.printed
    assert "Running stage" not in second.printed


def test_a_day_later_the_new_results_are_in_the_features_and_the_champion_is_kept(
    second: Demo, next_day: Demo
) -> None:
    assert next_day.days_asked_for == 3 + 1 + 15
    assert next_day.newest_result > second.newest_result
    assert "Running stage 'features'" in next_day.printed
    assert (next_day.mlflow_runs, next_day.champion) == (1, "1")


def test_a_worker_that_refuses_does_not_keep_the_predictions_from_being_shown(
    home: Path, next_day: Demo
) -> None:
    shell = shell_at(home, TOMORROW, {"SERVING_WORKERS": "http://127.0.0.1:9"})
    printed = shell.fails("soccer", "demo")
    assert "Holdout of champion version 1" in printed
    assert re.search(r"The model is \w+, has learnt until \d", printed)
    assert printed.index("Coming matches (kick-off UTC)") < printed.index("workers do not serve")


def test_a_home_that_was_moved_serves_its_champion_and_trains_another(
    home: Path, next_day: Demo
) -> None:
    """Last, for the home is elsewhere afterwards."""
    moved = home.with_name(f"{home.name} moved #1")
    home.rename(moved)
    try:
        demo = run_demo(moved, TOMORROW)
        assert (demo.mlflow_runs, demo.champion) == (1, "1")
        assert len(demo.coming_matches) == 15
        gates = shell_at(moved, TOMORROW).run("dagster", "job", "execute", "-j", "retrain")
        assert "candidate gate" in gates
        again = run_demo(moved, TOMORROW)
        assert again.mlflow_runs == 2
        assert not home.exists()
    finally:
        moved.rename(home)
