"""Replaying a file of results as the feed."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soccer_assets.livescores.feed import HEADER_FIELDS, MATCH_FIELDS, FeedStatus
from soccer_assets.livescores.replay import ReplayBackend

ROOT = Path(__file__).resolve().parents[2]
REAL = Path(os.environ.get("SOCCER_REAL_DATA") or ROOT / "../shared/data") / "world_matches.parquet"
DAY = date(2024, 3, 9)
EVE = datetime(2024, 3, 8, tzinfo=UTC)
LATER = datetime(2024, 4, 1, tzinfo=UTC)


def result(match_id: int, **values: Any) -> dict[str, Any]:
    return {
        "match_id": match_id,
        "date": pd.Timestamp(DAY),
        "time": "15:00",
        "region_id": 7,
        "country": "Albreth",
        "tournament_id": 11,
        "competition": "Premier Division",
        "is_international": False,
        "women": False,
        "neutral": False,
        "home_team_id": 100 + match_id,
        "away_team_id": 200 + match_id,
        "home_team": f"Home {match_id}",
        "away_team": f"Away {match_id}",
        "home_score": 2,
        "away_score": 1,
        "ft_flag": "F",
        "odds_h": 1.9,
    } | values


FRAME = pd.DataFrame(
    [
        result(1),
        result(2, time="20:45", home_score=0, away_score=0),
        result(3, time=None, home_score=0, away_score=3),
        result(4, time=" 09:3"),
        result(5, women=True, tournament_id=12, competition="Women"),
        result(6, ft_flag="E", tournament_id=13, competition="Cup", home_score=1, away_score=2),
        result(7, ft_flag="P", tournament_id=13, competition="Cup", home_score=1, away_score=1),
        result(8, is_international=True, tournament_id=14, competition="Nations", country="World"),
        result(9, date=pd.Timestamp(2024, 7, 1)),
        result(10, date=pd.Timestamp(2024, 3, 10), home_score=None, away_score=None),
    ]
)


@pytest.fixture(scope="module", params=["parquet", "csv"])
def replay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return ReplayBackend(write(FRAME, tmp_path_factory.mktemp("replay") / f"all.{request.param}"))


def write(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return path


def matches(replay: ReplayBackend, day: date, as_of: datetime) -> dict[int, dict[str, Any]]:
    tournaments = replay.payload(day, as_of)["tournaments"]
    return {match["id"]: match for header in tournaments for match in header["matches"]}


def headers(replay: ReplayBackend, day: date = DAY) -> dict[int, dict[str, Any]]:
    return {h["tournamentId"]: h for h in replay.payload(day, LATER)["tournaments"]}


def test_every_field_is_there_in_order(replay: ReplayBackend) -> None:
    for as_of in (EVE, LATER):
        for header in replay.payload(DAY, as_of)["tournaments"]:
            assert tuple(header) == (*HEADER_FIELDS, "matches")
            assert all(tuple(match) == MATCH_FIELDS for match in header["matches"])


def test_values_are_plain(replay: ReplayBackend) -> None:
    for header in replay.payload(DAY, LATER)["tournaments"]:
        for row in (header, *header["matches"]):
            assert {type(v) for k, v in row.items() if k != "matches"} <= {int, str, type(None)}


def test_a_finished_match(replay: ReplayBackend) -> None:
    match = matches(replay, DAY, LATER)[1]
    assert match["status"] == FeedStatus.FINISHED
    assert match["startTimeUtc"] == "2024-03-09T15:00:00Z"
    assert (match["homeScore"], match["awayScore"], match["winnerField"]) == (2, 1, 0)
    assert (match["homeTeamId"], match["homeTeamName"]) == (101, "Home 1")
    assert (match["awayTeamId"], match["awayTeamName"]) == (201, "Away 1")
    assert match["awayTeamCountryName"] == "Albreth"
    assert match["elapsed"] == "FT"
    assert matches(replay, DAY, LATER)[2]["winnerField"] is None


def test_before_kickoff_a_match_is_a_fixture(replay: ReplayBackend) -> None:
    at_six = datetime(2024, 3, 9, 18, tzinfo=UTC)
    seen = matches(replay, DAY, at_six)
    assert seen[1]["status"] == FeedStatus.FINISHED
    assert seen[2]["status"] == FeedStatus.SCHEDULED
    for match in (seen[2], *matches(replay, DAY, EVE).values()):
        assert match["status"] == FeedStatus.SCHEDULED
        for name in ("Score", "ExtratimeScore", "PenaltyScore"):
            assert match[f"home{name}"] is None
            assert match[f"away{name}"] is None
        assert match["winnerField"] is None
        assert match["elapsed"] is None


def test_a_missing_or_unreadable_time_means_noon(replay: ReplayBackend) -> None:
    seen = matches(replay, DAY, LATER)
    assert seen[3]["startTimeUtc"] == seen[4]["startTimeUtc"] == "2024-03-09T12:00:00Z"
    whistle = datetime(2024, 3, 9, 14, tzinfo=UTC)
    assert matches(replay, DAY, whistle - timedelta(seconds=1))[3]["homeScore"] is None
    assert matches(replay, DAY, whistle)[3]["homeScore"] == 0


@pytest.mark.parametrize(("match_id", "elapsed"), [(6, "AET"), (7, "PEN")])
def test_scores_beyond_ninety_minutes_are_kept_apart(
    replay: ReplayBackend, match_id: int, elapsed: str
) -> None:
    match = matches(replay, DAY, LATER)[match_id]
    assert match["status"] == FeedStatus.FINISHED
    assert match["elapsed"] == elapsed
    assert match["homeScore"] is None
    assert match["awayScore"] is None
    assert match["homeExtratimeScore"] == 1
    assert match["awayExtratimeScore"] in (1, 2)


def test_headers(replay: ReplayBackend) -> None:
    seen = headers(replay)
    assert list(seen) == [11, 12, 13, 14]
    assert seen[11]["seasonId"] == 112023
    assert seen[11]["seasonName"] == "2023/2024"
    assert headers(replay, date(2024, 7, 1))[11]["seasonId"] == 112024
    assert (seen[11]["regionId"], seen[11]["regionName"]) == (7, "Albreth")
    assert (seen[11]["sex"], seen[12]["sex"]) == (0, 1)


def test_national_teams_have_no_club_country(replay: ReplayBackend) -> None:
    assert matches(replay, DAY, LATER)[8]["homeTeamCountryName"] is None


def test_a_row_without_a_score_stays_a_fixture(replay: ReplayBackend) -> None:
    assert matches(replay, date(2024, 3, 10), LATER)[10]["status"] == FeedStatus.SCHEDULED


def test_an_empty_day(replay: ReplayBackend) -> None:
    for day in (date(1900, 1, 1), date(2024, 3, 11), date(2100, 1, 1)):
        assert replay.payload(day, LATER) == {"tournaments": []}


def test_span(replay: ReplayBackend) -> None:
    assert len(replay) == 10
    assert replay.days == (DAY, date(2024, 7, 1))


def test_nothing_is_played_after_now(tmp_path: Path) -> None:
    path = write(FRAME, tmp_path / "all.parquet")
    frozen = ReplayBackend(path, now=datetime(2024, 3, 9, 18, tzinfo=UTC))
    seen = matches(frozen, DAY, LATER)
    assert seen[1]["status"] == FeedStatus.FINISHED
    assert seen[2]["status"] == FeedStatus.SCHEDULED
    assert matches(frozen, DAY, EVE)[1]["status"] == FeedStatus.SCHEDULED


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_missing_columns_are_named_with_the_file(tmp_path: Path, suffix: str) -> None:
    path = write(FRAME.drop(columns=["ft_flag", "women"]), tmp_path / f"short.{suffix}")
    with pytest.raises(ValueError, match=rf"short\.{suffix} .*women, ft_flag"):
        ReplayBackend(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ft_flag": "X"}, "ft_flag"),
        ({"match_id": 1}, "twice"),
        ({"home_team": None}, "home_team"),
    ],
)
def test_unusable_values_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    frame = pd.DataFrame([result(1), result(2) | change])
    with pytest.raises(ValueError, match=f"bad.parquet .*{message}"):
        ReplayBackend(write(frame, tmp_path / "bad.parquet"))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.parquet"):
        ReplayBackend(tmp_path / "none.parquet")


def test_a_naive_moment_is_refused(replay: ReplayBackend) -> None:
    with pytest.raises(ValueError, match="timezone-aware"):
        replay.payload(DAY, datetime(2024, 4, 1))


@settings(deadline=None)
@given(minutes=st.integers(-60, 26 * 60))
def test_no_score_is_there_before_the_final_whistle(replay: ReplayBackend, minutes: int) -> None:
    as_of = datetime(2024, 3, 9, tzinfo=UTC) + timedelta(minutes=minutes)
    for match in matches(replay, DAY, as_of).values():
        begun = as_of - datetime.fromisoformat(match["startTimeUtc"])
        if begun < timedelta(0):
            assert match["status"] == FeedStatus.SCHEDULED
        elif begun < timedelta(hours=2):
            assert match["status"] == FeedStatus.IN_PLAY
        else:
            assert match["status"] == FeedStatus.FINISHED
            continue
        assert match["homeScore"] is match["homeExtratimeScore"] is match["winnerField"] is None


# Real matches


@pytest.fixture(scope="module")
def real() -> ReplayBackend:
    if not REAL.is_file():
        pytest.skip(f"no real matches at {REAL}; name their directory in SOCCER_REAL_DATA")
    return ReplayBackend(REAL)


@pytest.mark.real_data
def test_the_days_of_the_real_file(real: ReplayBackend) -> None:
    columns = ["match_id", "date", "home_score", "away_score", "ft_flag", "women"]
    frame = pd.read_parquet(REAL, columns=columns)
    later = datetime(2100, 1, 1, tzinfo=UTC)
    assert len(real) == len(frame)
    counts = frame["date"].value_counts()
    chosen = [*counts.index[:3], *counts.sample(20, random_state=1).index]
    chosen += [frame.loc[frame["ft_flag"] == flag, "date"].iloc[0] for flag in ("E", "P")]
    chosen.append(frame.loc[frame["women"], "date"].iloc[-1])
    for stamp in chosen:
        of_day = frame[frame["date"] == stamp].set_index("match_id")
        seen = matches(real, stamp.date(), later)
        assert set(seen) == set(of_day.index)
        for match_id, row in of_day.iterrows():
            expected = (row["home_score"], row["away_score"])
            name = "Score" if row["ft_flag"] == "F" else "ExtratimeScore"
            match = seen[match_id]
            assert (match[f"home{name}"], match[f"away{name}"]) == expected
            assert (match["homeScore"] is None) == (row["ft_flag"] != "F")


@pytest.mark.real_data
def test_the_whole_span_of_the_real_file_is_served(real: ReplayBackend) -> None:
    first, last = real.days
    later = datetime(2100, 1, 1, tzinfo=UTC)
    assert matches(real, first, later)
    assert matches(real, last, later)
    assert not matches(real, first - timedelta(days=1), later)
    assert not matches(real, last + timedelta(days=1), later)
