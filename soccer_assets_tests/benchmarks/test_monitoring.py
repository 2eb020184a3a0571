"""The benchmark of the watch: its faults are what they say, and its page tells what was found."""

import numpy as np
import pandas as pd

from benchmarks.champions import (
    ELO,
    P,
    fallen_to_elo,
    with_scores_corrupted,
    with_sides_swapped,
    without_home_advantage,
)
from benchmarks.monitoring import page_of, spread
from soccer_assets_tests.monitoring.test_decay import season


def test_without_home_advantage_hosts_win_as_often_as_guests() -> None:
    rows = season(1, 20_000)
    harmed = without_home_advantage(rows, 20)
    wins = harmed["outcome"].value_counts(normalize=True)
    assert abs(wins[0] - wins[2]) < 0.02
    assert (rows["outcome"] == 0).mean() > (rows["outcome"] == 2).mean() + 0.05
    pd.testing.assert_frame_equal(harmed[P], rows[P])


def test_swapped_sides_twice_are_as_they_were() -> None:
    rows = season(1, 500)
    once = with_sides_swapped(rows)
    assert (once["outcome"] == 2 - rows["outcome"]).all()
    assert np.allclose(once[P].sum(axis=1), 1.0)
    # Who predicts still believes that the host has an advantage.
    assert abs(once["p_home"].mean() - rows["p_home"].mean()) < 0.02
    again = with_sides_swapped(once)
    assert np.allclose(again[P], rows[P])


def test_only_the_scores_of_the_league_are_corrupted() -> None:
    rows = season(1, 2000)
    harmed = with_scores_corrupted(rows, 7, 20)
    mine = rows["tournament_id"] == 7
    assert (harmed.loc[~mine, "outcome"] == rows.loc[~mine, "outcome"]).all()
    assert (harmed.loc[mine, "outcome"] != rows.loc[mine, "outcome"]).any()
    assert fallen_to_elo(rows)[P].to_numpy().tolist() == rows[ELO].to_numpy().tolist()


def test_what_was_never_seen_counts_as_never() -> None:
    found = spread([1.0, 2.0, None])
    assert found == {"median": 2.0, "p90": None, "seen": 2 / 3, "tries": 3}
    assert spread([None])["median"] is None
    page = page_of(
        {
            "seasons": [2021],
            "false_alarms_per_season": {"all": 0.5, "home": 0.5},
            "days_to_detection": {"home_away_swapped": 0.4, "league_gone": None},
            "spread_of_days": {"home_away_swapped": spread([0.4]), "league_gone": spread([None])},
            "spread_of_matches": {"fallen_to_elo": spread([2000.0])},
        }
    )
    assert "| home_away_swapped | 0.4 | 0.4 | 100% of 1 | 7 |" in page
    assert "| league_gone | never |" in page
    assert "2000" in page
