"""How much is known before a match: of its competition, of its teams, of their season."""

import numpy as np
import pandas as pd

from soccer_assets.arrays import IntArray

#: A team that has not played for so long begins a new season.
SEASON_BREAK = pd.Timedelta(days=45)


def with_context(matches: pd.DataFrame) -> pd.DataFrame:
    """Matches in order of kick-off, with what their place in the history tells.

    Adds ``league_history`` (earlier matches of the ``tournament_id``) and, where ``home_team_id`` and
    ``away_team_id`` are there, ``team_history`` (earlier matches of the team that has fewer) and
    ``season_matches`` (earlier matches of the season of the team that has fewer).
    """
    found: dict[str, IntArray] = {
        "league_history": np.asarray(matches.groupby("tournament_id").cumcount(), dtype=np.int64)
    }
    if {"home_team_id", "away_team_id"} <= set(matches.columns):
        teams = matches[["home_team_id", "away_team_id"]].to_numpy()
        sides = pd.DataFrame(
            {"team": teams.ravel(), "kickoff": matches["kickoff"].repeat(2).to_numpy()}
        )
        of_team = sides.groupby("team")
        begins = (of_team["kickoff"].diff() > SEASON_BREAK).astype(np.int32)
        sides["season"] = begins.groupby(sides["team"]).cumsum()
        season = sides.groupby(["team", "season"]).cumcount().to_numpy(dtype=np.int64)
        found["team_history"] = (
            of_team.cumcount().to_numpy(dtype=np.int64).reshape(-1, 2).min(axis=1)
        )
        found["season_matches"] = season.reshape(-1, 2).min(axis=1)
    return matches.assign(**found)
