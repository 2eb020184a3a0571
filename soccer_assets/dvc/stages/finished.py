"""Finished matches with a 90-minute score.

Columns as in ``match``, scores int16; ``is_neutral`` is float32: 1, 0, or NaN where the source does
not say. Beside them those of ``details``.
"""

from soccer_assets.dvc.outs import FINISHED
from soccer_assets.dvc.stages.details import ODDS_COLUMNS, STATISTICS_COLUMNS, with_details
from soccer_assets.dvc.stages.io import write_parquet
from soccer_assets.dvc.stages.matches import read_beside, read_matches

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
    "home_score",
    "away_score",
    "status",
]


def main() -> None:
    matches = read_matches(COLUMNS)
    # A match known only by its score after extra time has no 90-minute result to learn from.
    scored = matches["home_score"].notna() & matches["away_score"].notna()
    finished = matches[(matches["status"] == "finished") & scored].drop(columns="status")
    detailed = with_details(
        finished.astype({"home_score": "int16", "away_score": "int16"}),
        read_beside("match_statistics", STATISTICS_COLUMNS),
        read_beside("match_odds", ODDS_COLUMNS),
    )
    write_parquet(detailed, FINISHED)


if __name__ == "__main__":
    main()
