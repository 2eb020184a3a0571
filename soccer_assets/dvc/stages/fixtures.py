"""Scheduled matches that the feed still shows, those that should have begun already among them.

Columns as in ``finished``, without scores and details.
"""

import pyarrow as pa
import pyarrow.compute as pc

from soccer_assets.dvc.outs import FIXTURES
from soccer_assets.dvc.stages.matches import MATCH, LakeMonths, flags_as_numbers, refresh
from soccer_assets.dvc.stages.months import MonthFolder, code_of

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
    lake = LakeMonths({MATCH: COLUMNS})
    refresh(
        MonthFolder(FIXTURES),
        lake,
        code_of("fixtures"),
        lambda month: coming(lake.matches(month)),
    )


def coming(matches: pa.Table) -> pa.Table:
    """Those that are still to be played."""
    is_shown = pc.is_null(matches["vanished_at"])
    fixtures = matches.filter(pc.and_(pc.equal(matches["status"], "scheduled"), is_shown))
    return flags_as_numbers(fixtures.drop_columns(["status", "vanished_at", "feed_day"]))


if __name__ == "__main__":
    main()
