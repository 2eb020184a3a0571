"""Replaying a file of results as the feed."""

import os
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from soccer_assets.feed.fields import HEADER_FIELDS, MATCH_FIELDS, FeedStatus
from soccer_assets.ingestion.odds import Odds, match_odds
from soccer_assets.sources.replay import ReplayBackend
from soccer_assets.sources.results_file import (
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    ResultsFileError,
)

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
            fields = (*MATCH_FIELDS, "isNeutral")
            assert all(tuple(match) == fields for match in header["matches"])


def test_values_are_plain(replay: ReplayBackend) -> None:
    for header in replay.payload(DAY, LATER)["tournaments"]:
        for row in (header, *header["matches"]):
            kinds = {type(v) for k, v in row.items() if k != "matches"}
            assert kinds <= {int, str, bool, type(None)}


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


def test_a_missing_time_means_noon(replay: ReplayBackend) -> None:
    seen = matches(replay, DAY, LATER)
    assert seen[3]["startTimeUtc"] == "2024-03-09T12:00:00Z"
    whistle = datetime(2024, 3, 9, 14, tzinfo=UTC)
    assert matches(replay, DAY, whistle - timedelta(seconds=1))[3]["homeScore"] is None
    assert matches(replay, DAY, whistle)[3]["homeScore"] == 0


def test_a_time_that_was_cut_short_means_the_first_minute_it_can_be(replay: ReplayBackend) -> None:
    assert matches(replay, DAY, LATER)[4]["startTimeUtc"] == "2024-03-09T09:30:00Z"


@pytest.mark.parametrize(
    "column",
    [
        pytest.param([None, "  7:05 "], id="texts"),
        pytest.param([None, clock_time(7, 5, 59)], id="times"),
        pytest.param(["", "07:05:00"], id="empty texts"),
    ],
)
def test_times_are_read_whatever_their_type(tmp_path: Path, column: list[Any]) -> None:
    frame = pd.DataFrame([result(1), result(2)]).assign(time=pd.Series(column, dtype=object))
    seen = matches(ReplayBackend(write(frame, tmp_path / "all.parquet")), DAY, LATER)
    starts = [seen[match_id]["startTimeUtc"] for match_id in (1, 2)]
    assert starts == ["2024-03-09T12:00:00Z", "2024-03-09T07:05:00Z"]


def test_a_file_without_any_time_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame([result(1, time=None), result(2, time=None)])
    for suffix in ("parquet", "csv"):
        replayed = ReplayBackend(write(frame, tmp_path / f"all.{suffix}"))
        assert matches(replayed, DAY, LATER)[1]["startTimeUtc"] == "2024-03-09T12:00:00Z"


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


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_neutral_ground_is_as_the_file_says_and_unknown_where_it_does_not(
    tmp_path: Path, suffix: str
) -> None:
    said = {1: True, 2: False, 3: None}
    frame = pd.DataFrame([result(match_id, neutral=value) for match_id, value in said.items()])
    replay = ReplayBackend(write(frame, tmp_path / f"all.{suffix}"))
    for as_of in (EVE, LATER):
        seen = matches(replay, DAY, as_of)
        assert {match_id: row.get("isNeutral") for match_id, row in seen.items()} == said


COUNTS = {
    "home_shots": 12,
    "away_shots": 7,
    "home_shots_on_target": None,
    "away_shots_on_target": 3,
    "home_corners": "many",
    "away_corners": 4,
}


def with_details(path: Path, **values: Any) -> ReplayBackend:
    """A file of a match, one without details, and one without a score."""
    details = COUNTS | {"odds_h": 1.9, "odds_d": 3.5, "odds_a": 4.25, "odds_type": "avg_close"}
    nothing = dict.fromkeys(details)
    rows = [
        result(1, **(details | values)),
        result(2, **nothing),
        result(3, **(details | values), home_score=None, away_score=None),
    ]
    frame = pd.DataFrame(rows)
    prices = ["odds_h", "odds_d", "odds_a"]
    if path.suffix == ".parquet":
        frame = frame.astype(dict.fromkeys(prices, "float32")).astype({"home_corners": "string"})
    return ReplayBackend(write(frame, path))


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_odds_and_statistics_are_shown_cell_by_cell_once_they_can_be_known(
    tmp_path: Path, suffix: str
) -> None:
    replay = with_details(tmp_path / f"all.{suffix}")
    odds = {"AvgCH": "1.9", "AvgCD": "3.5", "AvgCA": "4.25"}
    counts = {"HS": 12, "AS": 7, "AST": 3, "AC": 4}

    def shown(as_of: datetime) -> dict[int, Any]:
        return {n: row.get("footballData") for n, row in matches(replay, DAY, as_of).items()}

    assert shown(datetime(2024, 3, 9, 14, 59, tzinfo=UTC)) == {1: None, 2: None, 3: None}
    assert shown(datetime(2024, 3, 9, 15, tzinfo=UTC)) == {1: odds, 2: None, 3: odds}
    over = shown(LATER)
    assert over.keys() == {1, 2, 3}
    assert (over[2], over[3]) == (None, odds)
    assert over[1].pop("HC") == "many"
    assert {k: v if k in odds else float(v) for k, v in over[1].items()} == odds | counts


@pytest.mark.parametrize(
    ("kind", "bookmaker", "phase"),
    [
        ("avg_close", "Avg", "closing"),
        ("pinnacle_close", "PS", "closing"),
        ("avg_pre", "Avg", "pre"),
        ("b365_pre", "B365", "pre"),
        ("footystats_pre", "footystats", "pre"),
        ("Pinnacle_Closing", "PS", "closing"),
        ("some book", "some book", "pre"),
        ("close", "unnamed", "closing"),
        ("x" * 40, "x" * 15, "pre"),
    ],
)
def test_the_type_of_odds_is_bookmaker_and_phase(
    tmp_path: Path, kind: str, bookmaker: str, phase: str
) -> None:
    replay = with_details(tmp_path / "all.csv", odds_type=kind)
    (odds,) = match_odds(matches(replay, DAY, LATER)[1]["footballData"])
    assert odds == Odds(bookmaker, phase, 1.9, 3.5, 4.25)


@pytest.mark.parametrize("missing", ["odds_h", "odds_d", "odds_a", "odds_type"])
def test_odds_that_lack_a_part_are_none(tmp_path: Path, missing: str) -> None:
    for suffix in ("csv", "parquet"):
        replay = with_details(tmp_path / f"all.{suffix}", **{missing: None})
        assert match_odds(matches(replay, DAY, LATER)[1]["footballData"]) == []


def test_headers(replay: ReplayBackend) -> None:
    seen = headers(replay)
    assert list(seen) == [11, 12, 13, 14]
    assert seen[11]["seasonId"] == 112023
    assert seen[11]["seasonName"] == "2023/2024"
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


# Files that cannot be used


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(ResultsFileError) as caught:
        _ = ReplayBackend(path, **options).days
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert len(text) < 600
    return text.replace(str(path), "FILE")


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("ft_flag", "X", "X is none of F, E, P"),
        ("match_id", 1, "a match_id twice"),
        ("match_id", "12x", "12x is not a whole number"),
        ("match_id", str(2**63), f"{2**63} is not a whole number"),
        ("region_id", 7.5, "7.5 is not a whole number"),
        ("home_team", None, "an empty value"),
        ("home_team", " ", "' ' is not a name"),
        ("home_score", 2.5, "2.5 is not a score (0 to 99, or empty)"),
        ("home_score", 65538, "65538 is not a score"),
        ("away_score", 70000, "70000 is not a score"),
        ("away_score", -1, "-1 is not a score"),
        ("away_score", "2:1", "2:1 is not a score"),
        ("away_score", None, "the score of one team only"),
        ("women", "maybe", "maybe is neither true nor false"),
        ("neutral", "maybe", "maybe is neither true nor false"),
        ("women", None, "None is neither true nor false"),
        ("is_international", 2, "2 is neither true nor false"),
        ("date", "05/03/2024", "05/03/2024 is not a date like YYYY-MM-DD; say how"),
        ("date", "2024-02-30", "2024-02-30 is not a date"),
        ("date", "2024-03-05 18:00", "2024-03-05 18:00 is not a date"),
        ("date", "20240305", "20240305 is not a date"),
        ("date", None, "an empty value"),
        *(
            ("time", odd, f"{odd} is not a time like 15:00 (UTC, or empty)")
            for odd in ("25:99", "24:00", "abc", "3:00 PM", "15:00+02:00", "18:3", "15.30", "1500")
        ),
        ("time", " ", "' ' is not a time"),
        ("away_team_id", 102, "a team against itself"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_row_and_column(
    tmp_path: Path, column: str, value: Any, fault: str
) -> None:
    rows = [result(n) for n in (1, 2, 3)]
    for row in rows:
        row["date"] = "2024-03-09"
    rows[1][column] = value
    frame = pd.DataFrame(rows, dtype=object)
    path = tmp_path / "bad.csv"
    frame.to_csv(path, index=False)
    told = refused(path)
    assert told.startswith(f"FILE row 2, column {column}: ")
    assert fault.replace("None", "an empty value") in told


@pytest.mark.parametrize(
    ("column", "values", "fault"),
    [
        ("date", [20240309, 20240310], "row 1, column date: 20240309 is not a date"),
        (
            "date",
            [datetime(2024, 3, 9), datetime(2024, 3, 10, 15)],
            "row 2, column date: 2024-03-10 15:00:00 is not a date: its time belongs",
        ),
        ("time", [15, 16], "row 1, column time: 15 is not a time"),
        (
            "time",
            [datetime(2024, 3, 9, 15), datetime(2024, 3, 9, 20)],
            "row 1, column time: 2024-03-09 15:00:00 is not a time",
        ),
        ("home_team", [1860, 1899], "row 1, column home_team: 1860 is not a name"),
        ("home_score", [1.0, 2.5], "row 2, column home_score: 2.5 is not a score"),
        ("match_id", [True, False], "row 1, column match_id: True is not a whole number"),
        ("match_id", [1.0, float("nan")], "row 2, column match_id"),
        ("home_shots", [[1], [2]], "row 1, column home_shots: list<"),
    ],
)
def test_a_type_that_cannot_be_used_is_named_too(
    tmp_path: Path, column: str, values: list[Any], fault: str
) -> None:
    frame = pd.DataFrame([result(1), result(2)]).assign(**{column: values})
    assert fault in refused(write(frame, tmp_path / "bad.parquet"))


@pytest.mark.parametrize(
    ("texts", "meant"),
    [
        (["t", "yes", "Y", "TRUE", "1", "1.0"], True),
        (["f", "no", "N", "F", "0", "0.0", "false"], False),
    ],
)
def test_flags_are_read_as_people_write_them(tmp_path: Path, texts: list[str], meant: bool) -> None:
    frame = pd.DataFrame([result(n) | {"women": text} for n, text in enumerate(texts)])
    seen = ReplayBackend(write(frame, tmp_path / "flags.csv")).payload(DAY, LATER)
    assert {header["sex"] for header in seen["tournaments"]} == {int(meant)}


@pytest.mark.parametrize(
    ("date_format", "day"),
    [("%d/%m/%Y", date(2024, 3, 5)), ("%m/%d/%Y", date(2024, 5, 3))],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_date_format_says_what_an_ambiguous_date_means(
    tmp_path: Path, suffix: str, date_format: str, day: date
) -> None:
    path = write(pd.DataFrame([result(1) | {"date": "05/03/2024"}]), tmp_path / f"all.{suffix}")
    assert ReplayBackend(path, date_format=date_format).days == (day, day)


@pytest.mark.parametrize("date_format", ["%d/%m", "%Y", "dd/mm/yyyy", "%Q", ""])
def test_a_date_format_that_says_no_day_is_refused(tmp_path: Path, date_format: str) -> None:
    path = write(FRAME, tmp_path / "all.csv")
    with pytest.raises(ResultsFileError, match="does not say day, month and year"):
        ReplayBackend(path, date_format=date_format)


COLUMNS = ",".join(REQUIRED_COLUMNS)


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("none.csv", b"", "cannot be read as CSV: Empty CSV file"),
        ("head.csv", f"{COLUMNS}\n".encode(), "holds no matches"),
        ("short.csv", f"{COLUMNS}\n1,2\n".encode(), "cannot be read as CSV: CSV parse error"),
        ("latin.csv", f"{COLUMNS}\n".encode() + b"\xff," * 17, "cannot be read as CSV"),
        (
            "twice.csv",
            f"match_id,{COLUMNS}\n".encode() + b"1," * 17 + b"1\n",
            "has twice the columns match_id",
        ),
        ("other.csv", b"a;b;c\n1;2;3\n", "lacks the required columns match_id, date"),
        ("bytes.csv", bytes(range(256)), "FILE"),
        ("torn.parquet", b"PAR1 and no more", "cannot be read as parquet"),
        ("none.parquet", b"", "cannot be read as parquet"),
    ],
)
def test_a_file_that_is_none_is_told_in_one_line(
    tmp_path: Path, name: str, content: bytes, fault: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert fault in refused(path)


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path: Path) -> None:
    path = write(FRAME, tmp_path / "all.csv")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(ReplayBackend(path)) == len(FRAME)


odd_cells = st.one_of(
    st.none(),
    st.text(st.characters(blacklist_categories=["Cs"]), max_size=12),
    st.integers(),
    st.floats(),
    st.sampled_from(["f", "no", "2.5", "65538", "05/03/2024", "\x00", '"', "1e3", "٣", "NaN"]),
)


@settings(deadline=None, max_examples=60)
@given(
    column=st.sampled_from([*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS]),
    cells=st.lists(odd_cells, min_size=2, max_size=2),
    suffix=st.sampled_from(["csv", "parquet"]),
)
@example(column="match_id", cells=["\n", None], suffix="csv")
@example(column="home_shots", cells=[None, "\r0"], suffix="csv")
@example(column="tournament_id", cells=[0, 1844674407370955.0], suffix="csv")
@example(column="tournament_id", cells=[-(2**63), 0], suffix="parquet")
def test_whatever_a_file_holds_is_replayed_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, column: str, cells: list[Any], suffix: str
) -> None:
    frame = pd.DataFrame([result(1), result(2)])
    frame[column] = pd.Series(cells, dtype=object)
    path = tmp_path_factory.mktemp("odd") / f"odd.{suffix}"
    try:
        write(frame, path)
    except (pa.ArrowException, UnicodeError, OverflowError):
        assume(False)
    try:
        backend = ReplayBackend(path)
    except ResultsFileError:
        # Pandas does not quote what has a carriage return in it: that is no CSV.
        assert column in REQUIRED_COLUMNS or any("\r" in str(cell) for cell in cells)
        refused(path)
        return
    first, last = backend.days
    for day in (first, last):
        rows = orjson.loads(orjson.dumps(backend.payload(day, LATER)))["tournaments"]
        for header in rows:
            for row in header["matches"]:
                assert {row["homeScore"], row["awayScore"]} <= {None, *range(100)}


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
