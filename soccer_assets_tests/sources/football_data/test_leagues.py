"""The table of leagues: ids that stay, and the files and seasons of a day."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.sources.football_data.leagues import LEAGUES, MAIN_BY_DIV, local_days
from soccer_assets.sources.football_data.parsing import LONDON

BY_CODE = {league.code: league for league in LEAGUES}


def test_all_leagues_of_the_site_are_there() -> None:
    assert len(LEAGUES) == 38
    assert sum(league.extra for league in LEAGUES) == 16
    assert len({league.code for league in LEAGUES}) == 38
    assert len({(league.country, league.tier) for league in LEAGUES}) == 38


def test_ids_are_of_one_country_and_one_league_each() -> None:
    regions = defaultdict(set)
    for league in LEAGUES:
        regions[league.region_id].add(league.country)
    assert all(len(countries) == 1 for countries in regions.values())
    assert len(regions) == len({league.country for league in LEAGUES})
    assert len({league.tournament_id for league in LEAGUES}) == 38
    seasons = {league.season_id(year) for league in LEAGUES for year in range(1993, 2100)}
    assert len(seasons) == 38 * (2100 - 1993)
    assert max(seasons) < 2**31


@pytest.mark.parametrize(
    ("code", "year", "tournament", "season", "file"),
    [
        ("E0", 2024, 9011, 90112024, "mmz4281/2425/E0.csv"),
        ("EC", 2005, 9015, 90152005, "mmz4281/0506/EC.csv"),
        ("T1", 1999, 9101, 91011999, "mmz4281/9900/T1.csv"),
        ("SC3", 2009, 9024, 90242009, "mmz4281/0910/SC3.csv"),
        ("ARG", 2024, 9121, 91212024, "new/ARG.csv"),
        ("USA", 2012, 9271, 92712012, "new/USA.csv"),
    ],
)
def test_ids_and_files_never_change(
    code: str, year: int, tournament: int, season: int, file: str
) -> None:
    league = BY_CODE[code]
    assert league.tournament_id == tournament
    assert league.season_id(year) == season
    assert league.file(year) == file


@pytest.mark.parametrize(
    ("code", "day", "seasons"),
    [
        ("E0", date(2024, 6, 30), (2023,)),
        ("E0", date(2024, 7, 1), (2023, 2024)),
        ("SP2", date(2020, 8, 7), (2019, 2020)),
        ("E0", date(2024, 9, 1), (2024,)),
        ("E0", date(1993, 8, 14), (1993,)),
        ("E0", date(1993, 6, 30), ()),
        ("EC", date(2005, 5, 1), ()),
        ("ARG", date(2015, 1, 29), (2013, 2014, 2015)),
        ("ARG", date(2011, 12, 31), ()),
    ],
)
def test_the_seasons_of_a_day(code: str, day: date, seasons: tuple[int, ...]) -> None:
    assert BY_CODE[code].seasons_of(day) == seasons


@given(st.dates(date(1993, 7, 1), date(2100, 1, 1)), st.sampled_from(sorted(MAIN_BY_DIV)))
def test_every_day_is_in_a_season_and_seasons_do_not_run_back(day: date, code: str) -> None:
    league = BY_CODE[code]
    today, tomorrow = league.seasons_of(day), league.seasons_of(day + timedelta(days=1))
    assert today or day.year <= league.first_season
    assert max(today, default=0) <= max(tomorrow, default=0)


@given(st.datetimes(datetime(1993, 1, 1), datetime(2200, 1, 1), timezones=st.just(LONDON)))
def test_a_kickoff_is_looked_for_on_its_utc_day(kickoff: datetime) -> None:
    assert kickoff.date() in local_days(kickoff.astimezone(UTC).date())
