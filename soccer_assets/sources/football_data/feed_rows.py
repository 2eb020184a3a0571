"""Rows of the site's files in the feed's words."""

from soccer_assets.feed.fields import ROW_FIELD, FeedStatus, Sex
from soccer_assets.feed.payload import Row, header_row, match_row, winner
from soccer_assets.sources.football_data.leagues import League
from soccer_assets.sources.football_data.parsing import LONDON, CsvRow
from soccer_assets.sources.football_data.teams import Team, match_id

_CARDS = {
    "homeYellowCards": "HY",
    "awayYellowCards": "AY",
    "homeRedCards": "HR",
    "awayRedCards": "AR",
}


def known_season(row: CsvRow) -> tuple[int, str]:
    """First year and name of the season, of a row that has one."""
    assert row.season is not None
    assert row.season_name is not None
    return row.season, row.season_name


def league_header(league: League, row: CsvRow) -> Row:
    """What the feed says of the league once, above its matches."""
    season, name = known_season(row)
    season_id = league.season_id(season)
    return header_row(
        {
            "regionId": league.region_id,
            "regionName": league.country,
            "tournamentId": league.tournament_id,
            "tournamentName": league.name,
            "seasonId": season_id,
            "seasonName": name,
            "stageId": season_id,
            "stageName": league.name,
            "sex": int(Sex.MEN),
        }
    )


def league_match(row: CsvRow, meeting: int, home: Team, away: Team) -> Row:
    """A match, with its row verbatim; ``meeting`` tells those of one pair in a season apart."""
    league = row.league
    season, _ = known_season(row)
    cells = row.cells()
    known = {
        "stageId": league.season_id(season),
        "id": match_id(league.code, season, home.id, away.id, meeting),
        "status": int(FeedStatus.SCHEDULED),
        "period": 0,
        "startTime": f"{row.kickoff.astimezone(LONDON):%Y-%m-%dT%H:%M:%S}",
        "startTimeUtc": f"{row.kickoff:%Y-%m-%dT%H:%M:%SZ}",
        "homeTeamId": home.id,
        "homeTeamName": home.name,
        "homeTeamCountryName": league.country,
        "awayTeamId": away.id,
        "awayTeamName": away.name,
        "awayTeamCountryName": league.country,
    }
    result = _result(row, cells) if row.finished else {}
    return match_row(known, result) | {ROW_FIELD: cells | {"file": row.file}}


def _result(row: CsvRow, cells: dict[str, str]) -> Row:
    assert row.home_goals is not None
    assert row.away_goals is not None
    cards = {field: cells.get(column, "").strip() for field, column in _CARDS.items()}
    return {
        "status": int(FeedStatus.FINISHED),
        "period": 7,
        "elapsed": "FT",
        "homeScore": row.home_goals,
        "awayScore": row.away_goals,
        "winnerField": winner(row.home_goals, row.away_goals),
    } | {field: int(text) for field, text in cards.items() if text.isascii() and text.isdecimal()}
