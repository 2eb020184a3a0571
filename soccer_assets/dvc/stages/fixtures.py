"""Scheduled matches, those that should have begun already among them."""

from soccer_assets.dvc.stages.io import FIXTURES, read_matches, write_parquet

COLUMNS = [
    "match_id",
    "kickoff",
    "region_id",
    "tournament_id",
    "season_id",
    "sex",
    "home_team_id",
    "away_team_id",
    "status",
]


def main() -> None:
    matches = read_matches(COLUMNS)
    write_parquet(matches[matches["status"] == "scheduled"].drop(columns="status"), FIXTURES)


if __name__ == "__main__":
    main()
