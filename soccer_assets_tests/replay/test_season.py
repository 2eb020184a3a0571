"""A replay of sixty days, with an outage of the feed in the middle."""

import pandas as pd
import pytest

from soccer_assets.replay.season import STORM
from soccer_assets_tests.replay.conftest import DOWN, LAST, STEP
from soccer_assets_tests.replay.invented import FIRST, Replayed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def test_every_step_comes_to_its_end(season: Replayed) -> None:
    assert len(season.days) == (LAST - FIRST) // STEP + 1
    assert max(day.runs for day in season.days) < STORM / 4


def test_champions_change_by_themselves(season: Replayed) -> None:
    events = season.tables["timeline"]

    assert (events["kind"] == "promotion").any()
    assert season.tables["champions"]["version"].is_unique
    assert len(season.tables["champions"]) > 1


def test_what_counts_was_predicted_before_kick_off(season: Replayed) -> None:
    settled = season.tables["predictions"]

    assert len(settled) > 500
    assert settled["match_id"].is_unique
    assert (settled["made_at"] < settled["kickoff"]).all()
    assert settled["kickoff"].min() >= pd.Timestamp(FIRST, tz="UTC")
    assert settled["model"].notna().all()


def test_the_worker_serves_the_champion_all_the_time(season: Replayed) -> None:
    served = [day.served_version for day in season.days]

    assert served == sorted(served)
    assert all(day.ready for day in season.days if not day.faults)


def test_an_outage_of_the_feed_is_told_and_so_is_its_end(season: Replayed) -> None:
    failed = season.of_kind("run_failed", "ingest")
    by_tick = {day.tick[:10]: day for day in season.days}

    assert by_tick[str(DOWN)].faults == ["feed-down begins"]
    assert by_tick[str(DOWN)].failed
    assert failed["text"].str.contains("500").any()
    assert by_tick[str(DOWN + STEP)].faults == ["feed-down ends"]
    assert not by_tick[str(DOWN + STEP)].failed
    assert (failed["state"] == "recovered").all()
    assert not any(day.is_silently_wrong for day in season.days)


def test_the_page_needs_nothing_else(season: Replayed) -> None:
    page = season.page.read_text()

    assert "data:image/png;base64," in page
    assert "http" not in page.replace("HTTP", "").split("<h2>Events</h2>")[0]
    assert f"Replay of {FIRST} to {LAST}" in page
