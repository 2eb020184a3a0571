"""Warehouse: the two tables that days of the feed are loaded into, and what is checked of them.

They are made by the step that archives the days, in ``ingestion``, and all of them at once by the
job ``rebuild``.
"""

from collections.abc import Iterable
from datetime import date, timedelta

import dagster as dg
import sqlalchemy as sa

from soccer_assets.assets.common import OWNERS, column_schema
from soccer_assets.clock import utc_now
from soccer_assets.ingestion.expectations import unusual_days
from soccer_assets.params import IngestionParams
from soccer_assets.warehouse.ingested_days import matches_by_day, overdue_days, vanished_by_day
from soccer_assets.warehouse.schema import match, match_raw

MATCH_RAW, MATCH = dg.AssetKey("match_raw"), dg.AssetKey("match")
TABLES = {MATCH_RAW: match_raw, MATCH: match}
USUAL_VOLUME, NO_DAY_OVERDUE = "usual_volume", "no_day_overdue"
#: Asked for again as soon as it is overdue, a day has this long before it is told.
OVERDUE_IS_TOLD_AFTER = timedelta(hours=6)

TABLE_SPECS = [
    dg.AssetSpec(
        MATCH_RAW,
        owners=OWNERS,
        deps=["livescores"],
        group_name="warehouse",
        kinds={"postgres", "table"},
        description="Every field of the feed, verbatim; one row a match. Unchanged rows stay "
        "untouched.",
        metadata=column_schema(match_raw),
    ),
    dg.AssetSpec(
        MATCH,
        owners=OWNERS,
        deps=["livescores"],
        group_name="warehouse",
        kinds={"postgres", "table"},
        description="Canonical matches: typed, UTC, one row a match, whichever day shows it. "
        "What changes is kept in `match_change`. Odds are in `match_odds`, shots and corners in "
        "`match_statistics`: a day whose matches have others is another day.",
        metadata=column_schema(match),
    ),
]
TABLE_CHECKS = [
    dg.AssetCheckSpec(
        USUAL_VOLUME,
        asset=MATCH,
        description="Days that are over hold as many matches as before, and, once a season is "
        "known, about as many as such days do, by weekday and season.",
    ),
    dg.AssetCheckSpec(
        NO_DAY_OVERDUE,
        asset=MATCH,
        description="Every past day was asked for once its late results had time to come in.",
    ),
]


def warehouse_checks(
    engine: sa.Engine, days: Iterable[date], params: IngestionParams
) -> list[dg.AssetCheckResult]:
    """What ``TABLE_CHECKS`` promise, after these days were made."""
    return [_usual_volume(engine, days, params), _no_day_overdue(engine, params)]


def _usual_volume(
    engine: sa.Engine, days: Iterable[date], params: IngestionParams
) -> dg.AssetCheckResult:
    over = [day for day in days if day < utc_now().date()]
    unusual = unusual_days(
        matches_by_day(engine),
        over,
        gone=vanished_by_day(engine, over),
        min_share=params.volume_min_share,
        min_expected=params.volume_min_expected,
    )
    return dg.AssetCheckResult(
        passed=not unusual,
        asset_key=MATCH,
        check_name=USUAL_VOLUME,
        metadata={"unusual_days": [str(day) for day in unusual[:50]]},
    )


def _no_day_overdue(engine: sa.Engine, params: IngestionParams) -> dg.AssetCheckResult:
    overdue = overdue_days(engine, utc_now(), params.first_day, patience=OVERDUE_IS_TOLD_AFTER)
    return dg.AssetCheckResult(
        passed=not overdue,
        asset_key=MATCH,
        check_name=NO_DAY_OVERDUE,
        metadata={"days": len(overdue), "overdue": [str(day) for day in overdue[:50]]},
    )
