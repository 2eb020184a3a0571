"""Shots and corners of a row."""

import pytest

from soccer_assets.ingestion.statistics import match_statistics

ROW = {"HS": "12", "AS": "7", "HST": "5", "AST": "3", "HC": "6", "AC": "0"}


def test_the_columns_of_a_row_are_those_of_the_table() -> None:
    assert match_statistics({"Div": "E0", "HY": "2", **ROW}) == {
        "home_shots": 12,
        "away_shots": 7,
        "home_shots_on_target": 5,
        "away_shots_on_target": 3,
        "home_corners": 6,
        "away_corners": 0,
    }


@pytest.mark.parametrize("text", ["12", " 12 ", "12.0", "12."])
def test_a_count_may_be_written_as_spreadsheets_do(text: str) -> None:
    assert match_statistics({"HS": text}) == {"home_shots": 12}


def test_what_a_row_does_not_have_is_unknown_and_no_fault() -> None:
    told: list[str] = []
    assert match_statistics({"HC": "3", "AC": " "}, told.append) == {"home_corners": 3}
    assert told == []


@pytest.mark.parametrize("text", ["-1", "100", "12.5", "many", "1e1", "nan", "\u0663", "9" * 5000])
def test_a_cell_that_is_no_count_costs_itself_and_is_told(text: str) -> None:
    told: list[str] = []
    found = match_statistics(ROW | {"HS": text}, told.append)
    assert "home_shots" not in found
    assert len(found) == 5
    [line] = told
    assert line.startswith("HS ")
    assert line.endswith("is not a count (0 to 99)")
    assert len(line) < 100


def test_more_on_target_than_shots_costs_both_of_the_team() -> None:
    told: list[str] = []
    found = match_statistics(ROW | {"HST": "13"}, told.append)
    assert found.keys() == {"away_shots", "away_shots_on_target", "home_corners", "away_corners"}
    assert told == ["HST 13 is more than HS 12"]
