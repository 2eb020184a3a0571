"""The benchmark of the model: its old recipe is what it says, and it runs from end to end."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.model import TEST_UNTIL, earlier_parts
from benchmarks.reference_recipe import WINDOWS, reference_columns
from benchmarks.world import finished_matches


def results(count: int, first_day: str, days: float) -> pd.DataFrame:
    """A made-up file of the world's results."""
    rng = np.random.default_rng(5)
    home = rng.integers(0, 30, count)
    away = (home + rng.integers(1, 30, count)) % 30
    rates = 1.3 * np.exp((away - home) / 40)
    start = pd.Timestamp(first_day) + pd.to_timedelta(np.sort(rng.uniform(0, days, count)), "D")
    return pd.DataFrame(
        {
            "match_id": np.arange(count),
            "date": start.strftime("%Y-%m-%d"),
            "time": np.where(rng.random(count) < 0.5, start.strftime("%H:%M"), None),
            "tournament_id": home % 3,
            "country": "Utopia",
            "women": False,
            "neutral": rng.random(count) < 0.05,
            "home_team_id": home,
            "away_team_id": away,
            "home_team": [f"team {n}" for n in home],
            "away_team": [f"team {n}" for n in away],
            "home_score": rng.poisson(rates),
            "away_score": rng.poisson(1.1 / rates),
            "ft_flag": rng.choice(["F", "P"], count, p=[0.98, 0.02]),
            "odds_h": 2.5,
            "odds_d": 3.4,
            "odds_a": 2.9,
        }
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder as SOCCER_REAL_DATA is."""
    world = results(6000, "2017-08-01", 2850)
    world.to_parquet(tmp_path / "world_matches.parquet")
    some = world.head(3000)
    statistics = pd.DataFrame(
        {
            "Date": pd.to_datetime(some["date"]),
            "HomeTeam": some["home_team"],
            "AwayTeam": some["away_team"],
            **dict.fromkeys(("HS", "HST", "HC"), some["home_score"] + 3),
            **dict.fromkeys(("AS", "AST", "AC"), some["away_score"] + 3),
        }
    )
    statistics.to_parquet(tmp_path / "football_data_couk.parquet")
    return tmp_path


def test_the_old_recipe_sums_what_was_before_each_match(files: Path) -> None:
    matches = finished_matches(files, TEST_UNTIL).head(300)
    rows = np.zeros(300, dtype=bool)
    rows[250:] = True
    found = reference_columns(matches, rows)
    assert found.shape == (50, 508)
    for k, row in enumerate(matches[rows].itertuples(), start=250):
        before = matches.iloc[:k]
        team = row.home_team_id
        own = before[(before["home_team_id"] == team) | (before["away_team_id"] == team)]
        for w, window in enumerate(WINDOWS):
            last = own.tail(window)
            is_home = last["home_team_id"] == team
            scored = last["home_score"].where(is_home, last["away_score"]).sum()
            # Windows, then win, draw, loss, goals for, goals against, coverage; home, away, both.
            assert found[k - 250, w * 18 + 3 * 3] == scored
            assert found[k - 250, w * 18 + 5 * 3] == len(last)


def test_matches_have_their_statistics_and_no_score_that_is_not_of_90_minutes(files: Path) -> None:
    matches = finished_matches(files, TEST_UNTIL)
    assert 5700 < len(matches) < 6000
    assert matches["kickoff"].is_monotonic_increasing
    assert 2500 < matches["home_shots"].notna().sum() < 3100
    known = matches.dropna(subset="home_shots")
    assert (known["home_shots"] == known["home_score"] + 3).mean() > 0.9


@pytest.mark.slow
def test_the_benchmark_runs_from_end_to_end(files: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.json"
    command = [str(Path(sys.executable).with_name("soccer")), "benchmark-model"]
    done = subprocess.run(
        [*command, "--output", str(output)],
        env={"SOCCER_REAL_DATA": str(files), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())
    assert found["test"]["rows"] > 500
    assert found["test"]["vs_reference"]["difference"] < 0.1
    assert found["ablation"][0]["columns"] == sum(row["columns"] for row in found["ablation"][1:])
    assert "the old recipe" in output.with_suffix(".md").read_text().lower()


def test_parts_that_are_not_measured_again_are_kept_with_their_recipe(tmp_path: Path) -> None:
    record = tmp_path / "model.json"
    assert earlier_parts(record, ["ablation"]) == {"recipes": {}}
    record.write_text(
        '{"test": {"rows": 1}, "ablation": [], "test_with_odds_history": {"rows": 2},'
        ' "recipes": {"test": "b", "ablation": "a"}}'
    )
    kept = earlier_parts(record, ["test_with_odds_history", "ablation"])
    assert kept == {
        "recipes": {"ablation": "a", "test_with_odds_history": ""},
        "ablation": [],
        "test_with_odds_history": {"rows": 2},
    }


def test_without_the_files_it_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.model"],
        env={"SOCCER_REAL_DATA": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"there is no world_matches.parquet in {tmp_path}: set SOCCER_REAL_DATA\n"
