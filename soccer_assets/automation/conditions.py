"""When days of the feed, and trainings, are asked for without anybody asking, as named conditions.

What only has to follow what it is made from is in ``updates``.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import dagster as dg

from soccer_assets.params import IngestionParams

AC: Any = dg.AutomationCondition  # its overloads do not type-check when conditions are combined

_IDLE = ~AC.in_progress() & ~AC.any_deps_in_progress()
#: A blocking check stops what follows it in its own run; this stops the runs that would come after.
_SOUND = ~AC.any_deps_match(AC.any_checks_match(AC.check_failed(), blocking_only=True)).with_label(
    "a blocking check upstream fails"
)


def with_gaps_filled(assets: Iterable[Any], ingestion: IngestionParams) -> list[Any]:
    """Have days of the feed asked for that no schedule has brought in: those of the rolling window
    and of the fixtures ahead."""
    window = timedelta(days=ingestion.days_back + ingestion.days_ahead + 1)
    is_missing = (
        AC.in_latest_time_window(window)
        & AC.missing().newly_true().since_last_handled()
        & ~AC.in_progress()
    ).with_label("a recent day is missing")

    def with_it(spec: dg.AssetSpec) -> dg.AssetSpec:
        is_of_days = spec.group_name in ("ingestion", "warehouse")
        return spec.replace_attributes(automation_condition=is_missing) if is_of_days else spec

    return list(dg.map_asset_specs(with_it, assets))


def _failing(report: str, check: str) -> dg.AutomationCondition[Any]:
    """The report was renewed since the last retraining and its check fails on it.

    Not ``check_failed().newly_true()``: that fires once, and a second drift would go unheard.
    """
    return (
        AC.asset_matches(report, AC.newly_updated()).since_last_handled()
        & AC.asset_matches(report, AC.any_checks_match(AC.check_failed()))
    ).with_label(f"{check}: {report}")


_NIGHTLY = "0 3 * * *"
#: Checks whose failure asks for a training -> the report they judge.
TRIGGERS = {"shift": "prediction_shift", "decay": "prediction_decay", "volume": "data_volume"}
_SHIFT, _DECAY, _VOLUME = (_failing(report, check) for check, report in TRIGGERS.items())
#: For as long as it is so, for a training that fails changes nothing; but once a night.
_ASKED_TODAY = AC.newly_requested().since(AC.cron_tick_passed(_NIGHTLY))
_FRESHNESS = (AC.freshness_failed() & ~_ASKED_TODAY).with_label("freshness: model")
#: Once for every version of what it is trained on.
_FIRST_TIME = (AC.missing() & ~AC.newly_requested().since(AC.any_deps_updated())).with_label(
    "no model yet"
)
#: At most one training between two of these ticks.
_COOL_DOWN = AC.newly_updated().since(AC.cron_tick_passed(_NIGHTLY)).with_label("cool-down")

RETRAIN = (
    (_FIRST_TIME | _SHIFT | _DECAY | _VOLUME | _FRESHNESS)
    & ~_COOL_DOWN
    & ~AC.any_deps_missing()
    & _SOUND
    & _IDLE
).with_label("retrain")
