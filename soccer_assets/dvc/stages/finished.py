"""Finished matches with a 90-minute score, month by month.

Columns as in ``match``; ``is_neutral`` is float32: 1, 0, or NaN where the source does not say. Beside
them those of ``details``.
"""

import pyarrow as pa
import pyarrow.compute as pc

from soccer_assets.dvc.outs import FINISHED
from soccer_assets.dvc.stages.details import ODDS_COLUMNS, STATISTICS_COLUMNS, with_details
from soccer_assets.dvc.stages.matches import MATCH, LakeMonths, flags_as_numbers, refresh
from soccer_assets.dvc.stages.months import MonthFolder, as_table, code_of

STATISTICS, ODDS = "match_statistics", "match_odds"
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
    lake = LakeMonths({MATCH: COLUMNS, STATISTICS: STATISTICS_COLUMNS, ODDS: ODDS_COLUMNS})

    def of_month(month: str) -> pa.Table:
        return as_table(
            with_details(
                scored(lake.matches(month)).to_pandas(),
                lake.beside(STATISTICS, month),
                lake.beside(ODDS, month),
            )
        )

    refresh(MonthFolder(FINISHED), lake, code_of("finished"), of_month)


def scored(matches: pa.Table) -> pa.Table:
    """A match known only by its score after extra time has no 90-minute result to learn from."""
    is_scored = pc.and_(pc.is_valid(matches["home_score"]), pc.is_valid(matches["away_score"]))
    finished = matches.filter(pc.and_(pc.equal(matches["status"], "finished"), is_scored))
    return flags_as_numbers(finished.drop_columns(["status", "feed_day"]))


if __name__ == "__main__":
    main()
