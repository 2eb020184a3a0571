"""Real seasons through the site's files, the source and the parser of the feed."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from soccer_assets.ingestion.odds import implied_probabilities, match_odds
from soccer_assets.sources.football_data.leagues import LEAGUES
from soccer_assets.sources.football_data.meetings import number_meetings
from soccer_assets.sources.football_data.parsing import LONDON, CsvRow, parse_extra, parse_season
from soccer_assets.sources.football_data.source import FootballDataSource
from soccer_assets.sources.football_data.teams import TeamDirectory, match_id
from soccer_assets_tests.sources.football_data.real import BY_CODE, publish, real_rows
from soccer_assets_tests.sources.football_data.site import Site, at, matches

pytestmark = [pytest.mark.real_data, pytest.mark.system]

#: Without a Time column; with one, and played into August.
SEASONS = (1999, 2019)
#: 2-2 at St Truiden on 2007-04-07 is listed twice, against Waregem and against Zulte Waregem.
LISTED_TWICE = 1


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """The main leagues' rows of ``SEASONS``, and the extra leagues' rows of all seasons."""
    rows = real_rows()
    return rows[rows["season"].isin(SEASONS) | rows["Div"].map(lambda div: BY_CODE[div].extra)]


@pytest.fixture(scope="module")
def source(
    frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FootballDataSource]:
    folder = tmp_path_factory.mktemp("site")
    publish(frame, folder)
    with (
        Site(folder).running() as site,
        FootballDataSource(site.url, clock=at(2026, 11, 24)) as source,
    ):
        yield source


@pytest.fixture(scope="module")
def days(source: FootballDataSource) -> dict[date, list[dict[str, Any]]]:
    """All days of ``SEASONS``, as they reach the tables."""
    return {
        day: matches(source, day)
        for season in SEASONS
        for day in (date(season, 7, 1) + timedelta(days=n) for n in range(410))
    }


def expected_rows(frame: pd.DataFrame, days: dict[date, Any]) -> Counter[tuple[Any, ...]]:
    """League, kick-off, teams and score of the file's rows that are on the days."""
    teams = TeamDirectory()
    rows: Counter[tuple[Any, ...]] = Counter()
    columns = ["Div", "Date", "Time", "HomeTeam", "AwayTeam", "FTHG", "FTAG"]
    for div, day, clock, home, away, *score in frame[columns].itertuples(index=False):
        league = BY_CODE[div]
        clock = clock.strip() if isinstance(clock, str) else "15:00"
        local = datetime.fromisoformat(f"{day:%Y-%m-%d} {clock}").replace(tzinfo=LONDON)
        kickoff = local.astimezone(UTC)
        if kickoff.date() in days:
            names = [teams.team(league.country, name).name for name in (home, away)]
            rows[league.tournament_id, kickoff, *names, *map(int, score)] += 1
    return rows


def test_every_match_of_two_seasons_comes_out_as_it_is_in_the_file(
    frame: pd.DataFrame, days: dict[date, list[dict[str, Any]]]
) -> None:
    fields = ("home_team_name", "away_team_name", "home_score", "away_score")
    seen = Counter(
        (match["tournament_id"], match["kickoff"], *(match[f] for f in fields))
        for found in days.values()
        for match in found
    )
    expected = expected_rows(frame, days)
    assert seen == expected
    assert seen.total() > 15_000


def test_whole_seasons_are_complete(
    frame: pd.DataFrame, days: dict[date, list[dict[str, Any]]]
) -> None:
    counts = Counter(match["season_id"] for found in days.values() for match in found)
    for season in SEASONS:
        of_season = frame[frame["season"] == season]
        for div, count in of_season["Div"].value_counts().items():
            if not BY_CODE[div].extra:
                assert counts[BY_CODE[div].season_id(season)] == count


def test_all_are_finished_and_have_ids_of_their_own(
    days: dict[date, list[dict[str, Any]]],
) -> None:
    found = [match for of_day in days.values() for match in of_day]
    assert {match["status"] for match in found} == {"finished"}
    assert len({match["match_id"] for match in found}) == len(found)


def test_all_odds_of_the_file_come_out_of_the_rows(
    frame: pd.DataFrame, days: dict[date, list[dict[str, Any]]]
) -> None:
    codes = [c[:-1] for c in frame if {c[:-1] + "H", c[:-1] + "D", c[:-1] + "A"} <= {*frame}]
    codes = sorted({code for code in codes if code})
    rows = frame[(frame["season"] == 2019) & ~frame["Div"].map(lambda div: BY_CODE[div].extra)]
    expected = sum(int((rows[[code + o for o in "HDA"]].ge(1).all(axis=1)).sum()) for code in codes)
    by_match = {
        (match["csv"]["Div"], match["csv"]["Date"], match["csv"]["HomeTeam"]): match["csv"]
        for of_day in days.values()
        for match in of_day
        if match["csv"]["file"].startswith("mmz4281/1920")
    }
    assert len(by_match) == len(rows)
    seen = 0
    for row in rows.to_dict("records"):
        odds = match_odds(by_match[row["Div"], f"{row['Date']:%d/%m/%Y}", row["HomeTeam"]])
        seen += len(odds)
        for each in odds:
            code = each.bookmaker + ("C" if each.when == "closing" else "")
            prices = (each.odds_home, each.odds_draw, each.odds_away)
            assert prices == pytest.approx([row[code + o] for o in "HDA"], abs=1e-4)
    assert seen == expected
    assert seen > 50_000


def test_implied_probabilities_tell_the_results_better_than_the_frequencies(
    frame: pd.DataFrame,
) -> None:
    rows = frame.dropna(subset=["AvgCH", "AvgCD", "AvgCA"])
    outcome = rows["FTR"].astype(str).map({"H": 0, "D": 1, "A": 2}).to_numpy()
    losses = {}
    for method in ("power", "proportional"):
        chances = implied_probabilities(rows[["AvgCH", "AvgCD", "AvgCA"]].to_numpy(), method)
        assert chances.sum(axis=1) == pytest.approx(1)
        losses[method] = -np.log(chances[np.arange(len(rows)), outcome]).mean()
    shares = np.bincount(outcome) / len(outcome)
    assert losses["power"] <= losses["proportional"] < -(shares * np.log(shares)).sum() - 0.04


@pytest.mark.slow
def test_teams_and_matches_of_all_seasons_stay_apart_under_the_aliases(tmp_path: Path) -> None:
    ours = ["country", "league", "season", "source"]
    frame = real_rows([*ours, "Div", "Date", "Time", "HomeTeam", "AwayTeam", "FTHG", "FTAG"])
    publish(frame, tmp_path)
    teams = TeamDirectory()
    ids: set[int] = set()
    per_day: Counter[tuple[date, int]] = Counter()

    def pair(row: CsvRow) -> tuple[int, int]:
        country = row.league.country
        return teams.team(country, row.home).id, teams.team(country, row.away).id

    for league in LEAGUES:
        rows: list[CsvRow] = []
        for season in [0] if league.extra else range(league.first_season, 2025):
            path = league.file(season)
            body = (tmp_path / path).read_bytes()
            file = (
                parse_extra(body, path, league)
                if league.extra
                else parse_season(body, path, league, season)
            )
            assert file.faults == []
            rows += file.rows
        assert len(rows) == (frame["Div"] == league.code).sum()
        for start in {row.season for row in rows}:
            assert start is not None
            for row, meeting in number_meetings([r for r in rows if r.season == start], pair):
                home, away = pair(row)
                assert home != away
                ids.add(match_id(league.code, start, home, away, meeting))
                per_day.update([(row.date, home), (row.date, away)])
    assert len(ids) == len(frame) - LISTED_TWICE
    assert max(per_day.values()) == 1
