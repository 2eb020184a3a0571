"""When each asset is made without anybody asking, as named conditions."""

from datetime import timedelta
from typing import Any

import dagster as dg

from soccer_assets.params import load_params

AC: Any = dg.AutomationCondition  # its overloads do not type-check when conditions are combined
_ingestion = load_params().ingestion

_IDLE = ~AC.in_progress() & ~AC.any_deps_in_progress()
#: A blocking check stops what follows it in its own run; this stops the runs that would come after.
_SOUND = ~AC.any_deps_match(AC.any_checks_match(AC.check_failed(), blocking_only=True)).with_label(
    "a blocking check upstream fails"
)

#: A day of the rolling window or of the fixtures ahead that no schedule has brought in.
FILL_RECENT_GAPS = (
    AC.in_latest_time_window(timedelta(days=_ingestion.days_back + _ingestion.days_ahead + 1))
    & AC.missing().newly_true().since_last_handled()
    & ~AC.in_progress()
).with_label("a recent day is missing")

#: Any partition whose days changed, old months that a backfill touched among them.
FOLLOW_PARTITIONS = (AC.any_deps_updated().since_last_handled() & _IDLE).with_label(
    "its days changed"
)

#: As soon as something upstream changed, once everything upstream exists and is at rest.
FOLLOW_UPSTREAM = (
    AC.any_deps_updated().since_last_handled() & ~AC.any_deps_missing() & _SOUND & _IDLE
).with_label("upstream changed")

#: The same for assets over the partitioned lake, of which most early months never exist.
FOLLOW_LAKE = (AC.any_deps_updated().since_last_handled() & _SOUND & _IDLE).with_label(
    "the lake changed"
)


def _failing(report: str, check: str) -> dg.AutomationCondition[Any]:
    """The report was renewed since the last retraining and its check fails on it.

    Not ``check_failed().newly_true()``: that fires once, and a second drift would go unheard.
    """
    return (
        AC.asset_matches(report, AC.newly_updated()).since_last_handled()
        & AC.asset_matches(report, AC.any_checks_match(AC.check_failed()))
    ).with_label(f"{check}: {report}")


#: Checks whose failure asks for a training -> the report they judge.
TRIGGERS = {"drift": "feature_drift", "volume": "data_volume", "quality": "prediction_scorecard"}
_DRIFT, _VOLUME, _QUALITY = (_failing(report, check) for check, report in TRIGGERS.items())
_FRESHNESS = AC.freshness_failed().newly_true().since_last_handled().with_label("freshness: model")
_FIRST_TIME = (AC.missing() & AC.any_deps_updated().since_last_handled()).with_label("no model yet")
#: At most one training between two of these ticks.
_COOL_DOWN = AC.newly_updated().since(AC.cron_tick_passed("0 3 * * *")).with_label("cool-down")

RETRAIN = (
    (_FIRST_TIME | _DRIFT | _VOLUME | _QUALITY | _FRESHNESS)
    & ~_COOL_DOWN
    & ~AC.any_deps_missing()
    & _SOUND
    & _IDLE
).with_label("retrain")
