"""Real matches as the features see them: results of the world, statistics and odds beside them."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from soccer_assets.features.odds import ODDS_COLUMNS
from soccer_assets.sources.replay import seasons_of

MATCHES, STATISTICS = "world_matches.parquet", "football_data_couk.parquet"
_COUNTS = {
    "home_shots": "HS",
    "away_shots": "AS",
    "home_shots_on_target": "HST",
    "away_shots_on_target": "AST",
    "home_corners": "HC",
    "away_corners": "AC",
}
_NAMES = ["date", "home_team", "away_team"]


class NoRealMatches(Exception):
    """The files are not there."""


def finished_matches(folder: Path, until: datetime) -> pd.DataFrame:
    """Matches with a score of 90 minutes that kick off before ``until``, in order of kick-off.

    Columns as the stage ``finished`` makes them of a replay. Statistics join on the day and both teams' names.
    """
    if not (folder / MATCHES).is_file():
        raise NoRealMatches(f"there is no {MATCHES} in {folder}: set SOCCER_REAL_DATA")
    world = pd.read_parquet(folder / MATCHES)
    world = world[world["ft_flag"] == "F"]
    day = pd.to_datetime(world["date"].astype(str).str[:10])
    time = world["time"].fillna("12:00").astype(str).str[:5]
    kickoff = pd.to_datetime(day.dt.strftime("%Y-%m-%d ") + time, errors="coerce")
    kickoff = kickoff.fillna(day + pd.Timedelta(hours=12)).dt.tz_localize(UTC)
    days = kickoff.to_numpy("datetime64[D]").astype(np.int64)
    seasons, _ = seasons_of(days, world["tournament_id"].to_numpy(np.int64))
    matches = pd.DataFrame(
        {
            "match_id": world["match_id"],
            "kickoff": kickoff,
            "tournament_id": world["tournament_id"],
            "season_id": seasons,
            "region": world["country"],
            "sex": world["women"].astype(np.int64),
            "home_team_id": world["home_team_id"],
            "away_team_id": world["away_team_id"],
            "is_neutral": world["neutral"].astype(np.float32),
            "home_score": world["home_score"],
            "away_score": world["away_score"],
            "date": day,
            "home_team": world["home_team"],
            "away_team": world["away_team"],
            **{
                name: world[f"odds_{short}"].astype(np.float32)
                for name, short in zip(ODDS_COLUMNS, "hda", strict=True)
            },
        }
    )
    matches = matches.join(_statistics(folder), on=_NAMES).drop(columns=_NAMES)
    known = matches[matches["kickoff"] < pd.Timestamp(until)]
    return known.sort_values(["kickoff", "match_id"], ignore_index=True)


def _statistics(folder: Path) -> pd.DataFrame:
    if not (folder / STATISTICS).is_file():
        raise NoRealMatches(f"there is no {STATISTICS} in {folder}")
    rows = pd.read_parquet(folder / STATISTICS)
    counts = {name: pd.to_numeric(rows[code], errors="coerce") for name, code in _COUNTS.items()}
    keys = {"date": rows["Date"], "home_team": rows["HomeTeam"], "away_team": rows["AwayTeam"]}
    table = pd.DataFrame({**keys, **counts}).drop_duplicates(_NAMES).set_index(_NAMES)
    return table.astype(np.float32)
