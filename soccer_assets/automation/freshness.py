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
# Behind a gate, which may stay shut for some trainings, and opens to what is not surely worse where the
# champion is older than ``gates.max_champion_days``: a training after that it is time to see why.
_GATED = _within(timedelta(days=85), timedelta(days=120))

#: By asset; the cadence of what makes it fresh, with room for one or two missed ticks.
FRESHNESS: dict[str, dg.FreshnessPolicy] = {
    "livescores": _HOURLY,
    "match_raw": _HOURLY,
    "match": _HOURLY,
    "match_raw_parquet": _SCORING,
    "match_parquet": _SCORING,
    "finished": _SCORING,
    "fixtures": _SCORING,
    "features": _SCORING,
    "feature_states": _SCORING,
    "features_meta": _SCORING,
    "dataset": _SCORING,
    "trained_model": _TRAINING,
    "registered_model": _TRAINING,
    "candidate_model": _GATED,
    "champion_model": _GATED,
    "serving_features": _SCORING,
    "predictions": _SCORING,
    "serving_workers": _SCORING,
    "feature_drift": _DAILY,
    "prediction_scorecard": _DAILY,
    "prediction_decay": _DAILY,
    "prediction_shift": _DAILY,
    "data_volume": _DAILY,
    "data_freshness": _DAILY,
    "ledger": _DAILY,
}
#: What is made once a day although nothing changed.
YOUNG = dg.AssetSelection.groups("lake", "features", "serving", "monitoring")


def with_freshness(assets: Iterable[Any]) -> list[Any]:
    """Give every asset its policy.

    Raises:
        KeyError: the table has none for an asset.
    """
    return list(
        dg.map_asset_specs(
            lambda spec: spec.replace_attributes(
                freshness_policy=FRESHNESS[spec.key.to_user_string()]
            ),
            assets,
        )
    )
