"""A replay of sixty days, with an outage of the feed in the middle."""

import pandas as pd
import pytest

from soccer_assets.replay.season import STORM
from soccer_assets_tests.replay.conftest import DOWN, PLAN, STEP, Replayed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def test_every_step_comes_to_its_end(season: Replayed) -> None:
    assert len(season.days) == (PLAN.last - PLAN.first) // STEP + 1
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
    assert settled["kickoff"].min() >= pd.Timestamp(PLAN.first, tz="UTC")
    assert settled["model"].notna().all()


def test_the_worker_serves_the_champion_all_the_time(season: Replayed) -> None:
    served = [day.served_version for day in season.days]

    assert served == sorted(served)
    assert all(day.ready for day in season.days if not day.faults)


def test_an_outage_of_the_feed_is_told_and_so_is_its_end(season: Replayed) -> None:
    during = [said for said in season.said if str(DOWN) <= said["at"] < str(DOWN + STEP)]
    after = [said for said in season.said if said["at"] >= str(DOWN + STEP)]
    by_tick = {day.tick[:10]: day for day in season.days}

    assert by_tick[str(DOWN)].faults == ["feed-down begins"]
    assert by_tick[str(DOWN)].failed
    assert any("500" in said["text"] for said in during)
    assert by_tick[str(DOWN + STEP)].faults == ["feed-down ends"]
    assert not by_tick[str(DOWN + STEP)].failed
    assert any(":white_check_mark:" in said["text"] for said in after)


def test_the_page_needs_nothing_else(season: Replayed) -> None:
    page = season.page.read_text()

    assert "data:image/png;base64," in page
    assert "http" not in page.replace("HTTP", "").split("<h2>Events</h2>")[0]
    assert f"Replay of {PLAN.first} to {PLAN.last}" in page
