"""A replay of sixty days, with nobody at the keyboard."""

import pandas as pd
import pytest

from soccer_assets.replay.season import STORM
from soccer_assets_tests.replay.conftest import LAST, STEP
from soccer_assets_tests.replay.invented import FIRST, Replayed

pytestmark = pytest.mark.timeout(1800)


def test_every_step_comes_to_its_end(season: Replayed) -> None:
    assert len(season.days) == (LAST - FIRST) // STEP + 1
    assert max(day.runs for day in season.days) < STORM / 4


def test_trainings_are_asked_for_and_decided_by_themselves(season: Replayed) -> None:
    events = season.tables["timeline"]
    trained = events[events["kind"] == "training"]
    decided = events[events["kind"].isin(["promotion", "rejection"])]

    assert 1 <= len(trained) <= len(season.days)
    assert trained["why"].str.len().min() > 0
    assert len(decided) == len(trained)
    assert season.tables["champions"]["version"].is_unique


def test_what_counts_was_predicted_before_kick_off(season: Replayed) -> None:
    settled = season.tables["predictions"]

    assert len(settled) > 300
    assert settled["match_id"].is_unique
    assert (settled["made_at"] < settled["kickoff"]).all()
    assert settled["kickoff"].min() >= pd.Timestamp(FIRST, tz="UTC")
    assert settled["model"].notna().all()


def test_the_worker_serves_the_champion_all_the_time(season: Replayed) -> None:
    served = [day.served_version for day in season.days]

    assert served == sorted(served)
    assert all(day.ready and not day.is_silently_wrong for day in season.days)


def test_the_page_needs_nothing_else(season: Replayed) -> None:
    page = season.page.read_text()

    assert "data:image/png;base64," in page
    assert "http" not in page.replace("HTTP", "").split("<h2>Events</h2>")[0]
    assert f"Replay of {FIRST} to {LAST}" in page
