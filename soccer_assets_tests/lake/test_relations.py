"""Odds and statistics in the lake: each of the month of its match, wherever that moves."""

from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from soccer_assets.lake.export import export_months
from soccer_assets.lake.tables import read_table
from soccer_assets.storage.store import LocalStore
from soccer_assets.warehouse.schema import match_odds, match_statistics
from soccer_assets_tests.feed_days import finished
from soccer_assets_tests.lake.months import (
    JANUARY,
    LEAP_DAY,
    MARCH,
    assert_lake_equals_database,
    differences,
    keys,
    months_written,
    rewrite_day,
)

#: In the order in which the day names them, which is not that of their keys.
ROW = {"b1H": "2", "b1D": "3", "b1A": "4", "AvgCH": "2.5", "AvgCD": "3", "AvgCA": "3.5"}
ROW |= {"HS": "12", "HST": "5", "AC": "3"}


def detailed(match_id: int, day: date, **cells: str) -> dict[str, Any]:
    return finished(match_id, match_id % 10, 1, day) | {"footballData": ROW | cells}


@pytest.fixture
def details(three_months: sa.Engine, store: LocalStore) -> sa.Engine:
    """One match of January and two of February have odds and statistics; all is in the lake."""
    rewrite_day(three_months, JANUARY, detailed(0, JANUARY))
    rewrite_day(three_months, LEAP_DAY, detailed(10, LEAP_DAY), detailed(11, LEAP_DAY))
    export_months(three_months, store)
    return three_months


def test_they_come_as_months_that_have_any(details: sa.Engine, store: LocalStore) -> None:
    manifest = export_months(details, store).manifest
    for table, each in (("match_statistics", 1), ("match_odds", 2)):
        rows = {month: entry.rows for month, entry in manifest.tables[table].items()}
        assert rows == {"2024-01": each, "2024-02": 2 * each}
        february = manifest.tables[table]["2024-02"]
        assert february.first_day == february.last_day == "2024-02-29"
    assert_lake_equals_database(details, store)
    assert differences(details, store) == {}
    odds = read_table(store, manifest, "match_odds", ["match_id", "bookmaker"]).to_pylist()
    # Capital letters first, as on every server.
    assert [row["bookmaker"] for row in odds] == ["Avg", "b1"] * 3
    statistics = read_table(store, manifest, "match_statistics").to_pylist()
    assert [row["home_shots"] for row in statistics] == [12] * 3
    assert [row["away_shots"] for row in statistics] == [None] * 3


def test_what_is_unchanged_is_not_written_again(details: sa.Engine, store: LocalStore) -> None:
    assert export_months(details, store).written == []
    asked = export_months(details, store, ["2024-02"])
    assert {name.split("/")[1] for name in months_written(asked)} == {"2024-02"}
    assert len(asked.written) == 4


@pytest.mark.parametrize(
    ("cells", "table"), [({"HS": "13"}, "match_statistics"), ({"b1H": "2.1"}, "match_odds")]
)
def test_a_change_of_theirs_alone_rewrites_their_month(
    details: sa.Engine, store: LocalStore, cells: dict[str, str], table: str
) -> None:
    rewrite_day(details, LEAP_DAY, detailed(10, LEAP_DAY, **cells), detailed(11, LEAP_DAY))
    written = months_written(export_months(details, store))
    assert written == sorted([f"{table}/2024-02", "match_raw/2024-02"])
    assert_lake_equals_database(details, store)
    assert differences(details, store) == {}


def test_they_move_with_their_match_to_another_month(details: sa.Engine, store: LocalStore) -> None:
    rewrite_day(details, MARCH, detailed(0, MARCH))
    result = export_months(details, store)
    for table in ("match_statistics", "match_odds"):
        assert set(result.manifest.tables[table]) == {"2024-02", "2024-03"}
        assert f"{table}/2024-03" in months_written(result)
    assert_lake_equals_database(details, store)
    assert differences(details, store) == {}


def test_a_month_whose_last_statistics_are_corrected_away_is_dropped(
    details: sa.Engine, store: LocalStore
) -> None:
    rewrite_day(details, JANUARY)
    found = keys(export_months(details, store).manifest)
    assert "match_statistics/2024-01" not in found
    assert "match_odds/2024-01" in found
    assert differences(details, store) == {}


@pytest.mark.parametrize(
    ("table", "change"), [(match_statistics, {"home_shots": 99}), (match_odds, {"odds_home": 9.0})]
)
def test_a_value_that_was_changed_by_hand_is_a_difference(
    details: sa.Engine, store: LocalStore, table: sa.Table, change: dict[str, Any]
) -> None:
    with details.begin() as connection:
        connection.execute(table.update().where(table.c.match_id == 11).values(change))
    assert list(differences(details, store)) == [f"{table.name}/2024-02"]
