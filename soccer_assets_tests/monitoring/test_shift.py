"""Shifts that no result tells are seen, and season breaks are not taken for them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from soccer_assets.monitoring import shift
from soccer_assets.monitoring.shift import Calendar, report_of
from soccer_assets.params.monitoring import ShiftParams

LIMITS = ShiftParams()
NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)
MARGINS = {"p_home": LIMITS.home_margin, "entropy": LIMITS.entropy_margin}


def played(gone_from: str | None = None) -> pd.DataFrame:
    """Six leagues, five matches every Saturday from August to May, a break in January; league 0 may
    vanish on a day."""
    saturdays = pd.date_range("2018-08-04", "2024-07-01", freq="7D")
    on = saturdays[(saturdays.month != 6) & (saturdays.month != 7) & (saturdays.month != 1)]
    rows = pd.DataFrame(
        [(k, day) for day in on for k in range(6) for _ in range(5)], columns=["league", "day"]
    )
    if gone_from:
        rows = rows[~((rows["league"] == 0) & (rows["day"] >= gone_from))]
    return rows


def calendar(rows: pd.DataFrame) -> Calendar:
    return Calendar(rows["league"], rows["day"].to_numpy())


def silent(rows: pd.DataFrame | Calendar, now: datetime) -> list[str]:
    known = rows if isinstance(rows, Calendar) else calendar(rows)
    found = report_of(shift.silent_leagues(known, now, LIMITS)).tests
    return found.loc[found["rung"], "group"].tolist()


def test_season_breaks_of_every_year_are_no_silence() -> None:
    rows = calendar(played())
    days = pd.date_range("2023-08-01", "2024-07-30", freq="3D", tz="UTC")
    assert [day for day in days if silent(rows, day)] == []


def test_a_league_that_is_gone_is_named_within_three_weeks_of_its_match_day() -> None:
    rows, missed = calendar(played("2024-03-02")), pd.Timestamp("2024-03-02", tz="UTC")
    days = [missed + pd.Timedelta(days=k) for k in range(22)]
    told = [day for day in days if silent(rows, day)]
    assert told
    assert told[0] - missed <= pd.Timedelta(days=21)
    assert silent(rows, told[0]) == ["0"]


def test_a_league_that_has_fixtures_ahead_only_pauses() -> None:
    rows = played("2024-03-02")
    assert silent(rows, NOW) == ["0"]
    for day in ("2024-03-20", "2024-04-02"):
        fixture = pd.DataFrame({"league": [0], "day": [pd.Timestamp(day)]})
        assert silent(pd.concat([rows, fixture]), NOW) == []


def test_too_few_matches_of_all_leagues_are_told() -> None:
    small = LIMITS.model_copy(update={"min_matches": 20})
    rows = played()
    assert report_of(shift.volume(calendar(rows), NOW, small)).holds
    kept = rows[(rows["league"] > 2) | (rows["day"] < "2024-03-01")]
    assert report_of(shift.volume(calendar(kept), NOW, small)).rung == ["volume"]


def predictions(seed: int, matches: int = 2000, moved: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    league = rng.integers(0, 30, matches)
    home = (0.43 + (league - 15) / 200 + moved + rng.normal(0, 0.1, matches)).clip(0.05, 0.9)
    p = np.column_stack([home, (1 - home) * 0.45, (1 - home) * 0.55])
    rows = pd.DataFrame({"tournament_id": league, "group": np.where(league < 3, "women", "men")})
    return rows.assign(p_home=home, entropy=shift.entropy(p))


@pytest.mark.parametrize("moved", [0.0, 0.08, -0.08])
def test_a_moved_mean_of_predictions_rings_and_other_leagues_do_not(moved: float) -> None:
    live = predictions(2, moved=moved)
    # Only a few leagues play: their mean differs, and they are compared with themselves.
    live = live[live["tournament_id"] % 3 == 0]
    found = report_of(shift.shifted_means(predictions(1, 8000), live, MARGINS, 150))
    assert found.holds == (moved == 0.0)


def test_a_new_league_or_few_matches_are_not_judged() -> None:
    live = predictions(2, moved=0.3).assign(tournament_id=99)
    assert shift.shifted_means(predictions(1), live, MARGINS, 150) == []
    assert shift.shifted_means(predictions(1), predictions(2).head(50), MARGINS, 150) == []


def test_no_coming_match_is_no_shift() -> None:
    reference = pd.DataFrame(
        {"tournament_id": [1] * 100, "group": "men", "p_home": 0.45, "entropy": 1.0}
    )
    assert shift.shifted_means(reference, reference[:0], MARGINS, 30) == []


def test_what_matches_lack_more_often_than_before_is_told() -> None:
    rng = np.random.default_rng(4)
    before = pd.DataFrame({"tournament_id": rng.integers(0, 10, 4000)})
    before["no_odds"] = before["tournament_id"] < 5
    # More leagues without odds play now: nothing has changed in any.
    live = before[before["tournament_id"] < 6].tail(400).copy()
    assert report_of(shift.missing_shares(before, live, ["no_odds"], LIMITS)).holds
    live["no_odds"] |= rng.random(len(live)) < 0.9
    found = report_of(
        shift.missing_shares(before, live.assign(tournament_id=7), ["no_odds"], LIMITS)
    )
    assert found.rung == ["missing"]


def test_a_frozen_feed_is_told_within_two_days_and_a_pause_is_not() -> None:
    kickoffs = pd.Series(pd.date_range("2024-03-01", "2024-04-01", freq="2h", tz="UTC"))
    stopped = pd.Timestamp("2024-03-18", tz="UTC")
    settled = kickoffs < stopped
    hours = [stopped + timedelta(hours=k) for k in range(49)]
    told = [
        h for h in hours if not report_of(shift.frozen_feed(kickoffs, settled, h, LIMITS)).holds
    ]
    assert told
    assert told[0] > stopped
    paused = kickoffs[(kickoffs < stopped) | (kickoffs > stopped + timedelta(days=5))]
    for hour in hours:
        assert report_of(shift.frozen_feed(paused, paused < stopped, hour, LIMITS)).holds


def test_groups_of_leagues() -> None:
    rows = pd.DataFrame(
        {"sex": [0, 1, 0, None], "region": ["England", "Spain", "International", "Italy"]}
    )
    assert shift.groups_of(rows).tolist() == ["men", "women", "international", "men"]
