"""When days of the feed are asked for without anybody asking, as a named condition.

A training's condition is in ``training``. What only has to follow what it is made from is in ``updates``.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import dagster as dg

from soccer_assets.params import IngestionParams

AC: Any = dg.AutomationCondition  # its overloads do not type-check when conditions are combined


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
