"""Scheduled matches that the feed still shows, those that should have begun already among them.

Columns as in ``finished``, without scores and details.
"""

from soccer_assets.dvc.outs import FIXTURES
from soccer_assets.dvc.stages.io import write_parquet
from soccer_assets.dvc.stages.matches import read_matches

COLUMNS = [
    "match_id",
    "kickoff",
    "region_id",
    "tournament_id",
    "season_id",
    "sex",
    "home_team_id",
    "away_team_id",
    "is_neutral",
    "status",
    "vanished_at",
]


def main() -> None:
    matches = read_matches(COLUMNS)
    coming = (matches["status"] == "scheduled") & matches["vanished_at"].isna()
    write_parquet(matches[coming].drop(columns=["status", "vanished_at"]), FIXTURES)


if __name__ == "__main__":
    main()
