"""Quirks of the files, and faults by file and line."""

from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.sources.football_data.faults import FileFault
from soccer_assets.sources.football_data.leagues import LEAGUES
from soccer_assets.sources.football_data.parsing import (
    CsvFile,
    CsvRow,
    parse_extra,
    parse_fixtures,
    parse_season,
)

BY_CODE = {league.code: league for league in LEAGUES}
E0, D1, ARG = BY_CODE["E0"], BY_CODE["D1"], BY_CODE["ARG"]


def season(text: str | bytes, year: int = 2023) -> CsvFile:
    body = text if isinstance(text, bytes) else text.encode()
    return parse_season(body, "E0.csv", E0, year)


def only(file: CsvFile) -> CsvRow:
    assert file.faults == []
    (row,) = file.rows
    return row


def row_of(**cells: str) -> CsvRow:
    """A good row with other cells."""
    return only(season(line_of(**cells)))


def line_of(**cells: str) -> str:
    known = {"Div": "E0", "Date": "12/08/2023", "HomeTeam": "Arsenal", "AwayTeam": "Spurs"}
    known |= {"FTHG": "2", "FTAG": "1"} | cells
    return ",".join(known) + "\n" + ",".join(known.values()) + "\n"


def test_a_row() -> None:
    row = row_of(Time="12:30", B365H="1.18")
    assert (row.file, row.line, row.league, row.season) == ("E0.csv", 2, E0, 2023)
    assert row.season_name == "2023/2024"
    assert (row.date, row.kickoff) == (date(2023, 8, 12), datetime(2023, 8, 12, 11, 30, tzinfo=UTC))
    assert (row.home, row.away, row.home_goals, row.away_goals) == ("Arsenal", "Spurs", 2, 1)
    assert row.finished
    assert row.cells() == {
        "Div": "E0",
        "Date": "12/08/2023",
        "HomeTeam": "Arsenal",
        "AwayTeam": "Spurs",
        "FTHG": "2",
        "FTAG": "1",
        "Time": "12:30",
        "B365H": "1.18",
    }


@given(
    st.dates(date(1993, 7, 1), date(2089, 12, 31)),
    st.sampled_from(["{0.day}/{0.month}/{0.year}", "{0:%d/%m/%Y}", "{0:%d/%m/%y}"]),
    st.sampled_from(["{}", " {} ", "{}\t"]),
)
def test_dates_of_two_and_four_digits_are_the_same_day(day: date, form: str, space: str) -> None:
    text = space.format(form.format(day))
    year = day.year if day.month >= 7 else day.year - 1
    assert only(season(line_of(Date=text), year)).date == day


@given(st.times())
def test_times_are_british(clock: time) -> None:
    text = f"{clock:%H:%M}"
    summer = row_of(Date="12/08/2023", Time=text)
    winter = row_of(Date="12/01/2024", Time=text)
    minutes = clock.hour * 60 + clock.minute
    assert (summer.kickoff - datetime(2023, 8, 12, tzinfo=UTC)).total_seconds() == (
        (minutes - 60) * 60
    )
    assert (winter.kickoff - datetime(2024, 1, 12, tzinfo=UTC)).total_seconds() == minutes * 60


@pytest.mark.parametrize(
    ("text", "hour", "minute"),
    [("", 15, 0), ("  ", 15, 0), ("9:05", 9, 5), ("19.45", 19, 45), ("20:00:00", 20, 0)],
)
def test_time_may_be_missing_or_written_otherwise(text: str, hour: int, minute: int) -> None:
    row = row_of(Date="12/01/2024", Time=text)
    assert row.kickoff == datetime(2024, 1, 12, hour, minute, tzinfo=UTC)


def test_a_file_without_a_time_column_kicks_off_at_three() -> None:
    assert row_of(Date="12/01/2024").kickoff == datetime(2024, 1, 12, 15, tzinfo=UTC)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_encodings_and_line_endings(encoding: str, ending: str) -> None:
    text = line_of(HomeTeam="Preußen Münster", AwayTeam="Nott’m “Forest”").replace("\n", ending)
    row = only(season(text.encode(encoding)))
    assert (row.home, row.away) == ("Preußen Münster", "Nott’m “Forest”")


@given(
    st.binary(max_size=400).filter(lambda body: b"\x00" not in body),
)
def test_any_bytes_are_parsed_or_refused_by_name(body: bytes) -> None:
    for text in (body, line_of().encode() + body):
        try:
            faults = [bad.fault for bad in season(text).faults]
        except FileFault as fault:
            faults = [fault]
        assert all(str(fault).startswith("E0.csv") for fault in faults)


@given(st.integers(0, 5), st.integers(0, 5), st.booleans())
def test_empty_rows_and_columns_at_the_end_change_nothing(
    rows: int, columns: int, named: bool
) -> None:
    header, line = line_of().split()
    empty = "," * (5 + columns)
    unnamed = ",".join([""] * (columns + 1))
    text = "\r\n".join([header + unnamed * named, line + unnamed, *[empty] * rows, *[""] * rows])
    assert only(season(text)).cells() == row_of().cells()


def test_lines_are_counted_as_in_the_file() -> None:
    header, line = line_of().split()
    file = season("\r\n".join(["", header, "", ",,,,,", line, line.replace("12/08", "99/08")]))
    assert [row.line for row in file.rows] == [5]
    assert str(file.faults[0].fault) == "E0.csv line 6: Date '99/08/2023' is not a date"


def test_unnamed_columns_are_left_out_and_short_rows_are_filled() -> None:
    row = only(season("Div,Date,HomeTeam,AwayTeam,,FTHG,FTAG,Referee\nE0,12/08/23,A,B,note,1,0\n"))
    assert row.home_goals == 1
    assert "note" not in row.cells().values()
    assert "Referee" not in row.cells()


def test_cells_are_kept_verbatim_and_read_without_spaces() -> None:
    row = row_of(HomeTeam=" Arsenal ", FTHG=" 2", Referee='"Dean, M "')
    assert row.home == "Arsenal"
    assert row.home_goals == 2
    assert row.cells()["HomeTeam"] == " Arsenal "
    assert row.cells()["Referee"] == "Dean, M "


def test_of_two_columns_of_one_name_the_first_counts() -> None:
    header, line = line_of().split()
    row = only(season(f"{header},FTHG\n{line},9\n"))
    assert row.home_goals == 2


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("Div,Date,HT,AT,HG,AG", "E0,12/08/2023,Arsenal,Spurs,2,1"),
        (" Div , Date,Home,Away,FTHG ,FTAG", "E0,12/08/2023,Arsenal,Spurs,2,1.0"),
    ],
)
def test_other_names_of_columns(header: str, line: str) -> None:
    row = only(season(f"{header}\n{line}\n"))
    assert (row.home, row.away, row.home_goals, row.away_goals) == ("Arsenal", "Spurs", 2, 1)


def test_a_row_without_goals_is_to_come() -> None:
    row = row_of(FTHG="", FTAG=" ")
    assert not row.finished
    assert (row.home_goals, row.away_goals) == (None, None)
    text = "Div,Date,HomeTeam,AwayTeam\nE0,12/08/2023,A,B\n"
    assert not only(season(text)).finished


@pytest.mark.parametrize(
    ("cells", "fault", "known_day"),
    [
        ({"Date": ""}, "Date '' is not a date", False),
        ({"Date": "2023-08-12"}, "Date '2023-08-12' is not a date", False),
        ({"Date": "30/02/2024"}, "Date '30/02/2024' is not a date", False),
        ({"Date": "12/08/2025"}, "Date 12/08/2025 is not in the season of 2023", False),
        ({"Date": "12/01/2023"}, "Date 12/01/2023 is not in the season of 2023", False),
        ({"Time": "25:00"}, "Time '25:00' is not a time", True),
        ({"Time": "noon"}, "Time 'noon' is not a time", True),
        ({"HomeTeam": " "}, "a team has no name", True),
        ({"AwayTeam": "Arsenal"}, "Arsenal plays itself", True),
        ({"FTHG": "two"}, "FTHG 'two' is not a number of goals", True),
        ({"FTAG": "-1"}, "FTAG '-1' is not a number of goals", True),
        ({"FTHG": "100"}, "FTHG '100' is not a number of goals", True),
        ({"FTHG": "1.5"}, "FTHG '1.5' is not a number of goals", True),
        ({"FTAG": ""}, "the goals of one team only", True),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_kept(
    cells: dict[str, str], fault: str, known_day: bool
) -> None:
    header, good = line_of(Time="15:00").split()
    bad = line_of(**{"Time": "15:00"} | cells).splitlines()[1]
    file = season(f"{header}\n{bad}\n{good}\n")
    assert [row.line for row in file.rows] == [3]
    (found,) = file.faults
    assert str(found.fault) == f"E0.csv line 2: {fault}"
    assert (found.fault.file, found.fault.line, found.season) == ("E0.csv", 2, 2023)
    assert found.date == (date(2023, 8, 12) if known_day else None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "E0.csv: is empty"),
        ("\n ,, \n", "E0.csv: is empty"),
        ("a,b,c\n1,2,3\n", "E0.csv line 1: no column Date"),
        ("Date,HomeTeam\n", "E0.csv line 1: no column AwayTeam or Away or AT"),
        ("<html>", "E0.csv line 1: no column Date"),
        ("Date\x00", "E0.csv: a NUL byte: not a CSV file"),
        (line_of() + 'E0,12/08/2023,"Arsenal,Spurs,1,1\n' * 2, "E0.csv line 3: a quotation mark"),
        (line_of(Div="E1"), "E0.csv: holds E1 instead of E0"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(text: str, fault: str) -> None:
    with pytest.raises(FileFault) as caught:
        season(text)
    assert str(caught.value).startswith(fault)


def test_a_file_of_a_season_that_has_not_begun_is_empty() -> None:
    assert season("Div,Date,HomeTeam,AwayTeam,FTHG,FTAG\n") == CsvFile([], [])


# Files of extra leagues and of coming matches

ARGENTINA = (
    "Country,League,Season,Date,Time,Home,Away,HG,AG,Res,PSCH\n"
    "Argentina,Liga Profesional,2012/2013,03/08/2012,23:00,Arsenal Sarandi,Union,1,0,H,1.9\n"
    "Argentina ,Liga Profesional,2024,26/01/2024,00:15, River Plate,Tigre,,,,\n"
)


def test_a_file_of_all_seasons() -> None:
    file = parse_extra(ARGENTINA.encode(), "new/ARG.csv", ARG)
    first, second = file.rows
    assert (first.season, first.season_name, first.home_goals) == (2012, "2012/2013", 1)
    assert (second.season, second.season_name, second.finished) == (2024, "2024", False)
    assert second.home == "River Plate"
    assert first.kickoff == datetime(2012, 8, 3, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("season_cell", "day", "fault", "known"),
    [
        ("soon", "26/01/2024", "Season 'soon' is not a season", (None, date(2024, 1, 26))),
        ("", "26/01/2024", "Season '' is not a season", (None, date(2024, 1, 26))),
        ("2024", "26/01/24x", "Date '26/01/24x' is not a date", (2024, None)),
        ("2020", "26/01/2024", "Date 26/01/2024 is not in the season of 2020", (2020, None)),
    ],
)
def test_a_bad_line_of_all_seasons_says_what_is_known_of_it(
    season_cell: str, day: str, fault: str, known: tuple[int | None, date | None]
) -> None:
    bad = ARGENTINA.replace(",2024,26/01/2024,", f",{season_cell},{day},")
    file = parse_extra(bad.encode(), "new/ARG.csv", ARG)
    assert str(file.faults[0].fault) == f"new/ARG.csv line 3: {fault}"
    assert (file.faults[0].season, file.faults[0].date) == known


def test_coming_matches_are_of_the_league_named_and_of_no_season() -> None:
    file = parse_fixtures(
        b"Div,Date,Time,HomeTeam,AwayTeam,Referee,B365H\n"
        b"D1,17/08/2024,14:30,Mainz,Dortmund,,2.1\n"
        b"X9,nonsense,,,,,\n"
        b"E0,17/08/2024,15:00,Everton,Fulham,,\n",
        "fixtures.csv",
    )
    assert file.faults == []
    assert [(row.league, row.season, row.finished) for row in file.rows] == [
        (D1, None, False),
        (E0, None, False),
    ]


def test_coming_matches_of_extra_leagues_are_found_by_country() -> None:
    file = parse_fixtures(
        b"Country,League,Date,Time,Home,Away,PH,PD,PA\n"
        b"Argentina,Any name at all,03/09/2022,19:30,Aldosivi,Tigre,2.6,3.1,2.9\n"
        b"Austria ,Admiral Bundesliga,03/09/2022,16:00,Salzburg,Tirol,1.1,8.5,16\n"
        b"Narnia,League,03/09/2022,16:00,A,B,1,1,1\n"
        b",,,,,,,,\n",
        "new_league_fixtures.csv",
    )
    assert [row.league.code for row in file.rows] == ["ARG", "AUT"]
