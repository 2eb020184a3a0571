"""By what a model is made, beside the matches that it learns from."""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256

import dagster as dg
import orjson

from soccer_assets.dvc.definition import stage_code_version
from soccer_assets.modelling.provenance import training_code
from soccer_assets.params import Params

#: What a training reads, of the assets that it is made from -> the stage that makes it.
STAGES = {"features": "features", "dataset": "dataset"}


def recipe_of(params: Params, read: Mapping[str, str] | None = None) -> str:
    """A digest (16 hex digits) of what a training is determined by: its parameters and those of the
    features, the code that trains, the code that makes what it reads.

    Args:
        read: asset -> the version of the code that made it, where that is not the code there is now.
    """
    determines = [
        params.training.model_dump(mode="json"),
        params.features.model_dump(mode="json"),
        training_code(),
        {**_code(), **(read or {})},
    ]
    return sha256(orjson.dumps(determines, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def made_by_other_code(instance: dg.DagsterInstance) -> dict[str, str]:
    """What a training reads and other code has made than there is now -> that code's version."""
    now = _code()
    made = instance.get_latest_materialization_code_versions([dg.AssetKey(asset) for asset in now])
    return {
        key.to_user_string(): version
        for key, version in made.items()
        if version is not None and version != now[key.to_user_string()]
    }


@cache
def _code() -> Mapping[str, str]:
    """Asset -> the version of the code that makes it: of this process, that which it began with."""
    return {asset: stage_code_version(stage) for asset, stage in STAGES.items()}
