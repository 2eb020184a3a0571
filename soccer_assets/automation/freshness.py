"""How old each asset may get, in one table, and when what gets old asks to be made again.

Ages count from when an asset was made last, be it that nothing in it changed. What follows changes
is therefore made once a day at least (see ``updates``), which also proves that its way is open.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import dagster as dg


def _within(warn: timedelta, fail: timedelta) -> dg.FreshnessPolicy:
    return dg.FreshnessPolicy.time_window(fail_window=fail, warn_window=warn)


_HOURLY = _within(timedelta(hours=2), timedelta(hours=6))
# Workers do not call themselves ready any more on predictions that are older.
_SCORING = _within(timedelta(hours=30), timedelta(hours=36))
_DAILY = _within(timedelta(hours=30), timedelta(hours=54))
_MODEL_WARNS = timedelta(days=21)
#: Age of the last training from which on it asks for another: before anybody is warned of it.
RETRAINED_AFTER = _MODEL_WARNS - timedelta(days=1)
_TRAINING = _within(_MODEL_WARNS, timedelta(days=45))
# Behind a gate, which may stay shut for a training or two.
_GATED = _within(timedelta(days=45), timedelta(days=90))

#: By group; the cadence of what makes its assets fresh, with room for one or two missed ticks.
FRESHNESS: dict[str, dg.FreshnessPolicy] = {
    "ingestion": _HOURLY,
    "warehouse": _HOURLY,
    "lake": _SCORING,
    "features": _SCORING,
    "model": _TRAINING,
    "registry": _TRAINING,
    "serving": _SCORING,
    "monitoring": _DAILY,
}
#: Of single assets, other than their group's.
FRESHNESS_OF_ASSETS = {"candidate_model": _GATED, "champion_model": _GATED}
#: What is made once a day although nothing changed.
YOUNG = dg.AssetSelection.groups("lake", "features", "serving", "monitoring")


def with_freshness(assets: Iterable[Any]) -> list[Any]:
    """Give every asset its policy, or else that of its group."""
    return list(
        dg.map_asset_specs(
            lambda spec: spec.replace_attributes(freshness_policy=freshness_of(spec)), assets
        )
    )


def freshness_of(spec: dg.AssetSpec) -> dg.FreshnessPolicy:
    return FRESHNESS_OF_ASSETS.get(spec.key.to_user_string(), FRESHNESS[spec.group_name or ""])
