"""What a training is made by, beside its data and its parameters."""

import platform
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.metadata import version

import orjson

from soccer_assets.dvc.code_version import code_version
from soccer_assets.params.training import TrainingParams

#: Libraries that a model's numbers come from.
LIBRARIES = ("lightgbm", "numpy", "optuna", "pandas", "scikit-learn", "scipy")


@cache
def training_code() -> str:
    """Version of the code that trains: changes with it, and with nothing else. Of a process, it is
    that of the code which it began with."""
    return code_version("soccer_assets.modelling.train")


def libraries() -> dict[str, str]:
    """Name -> version of Python and of the libraries that numbers come from."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def training_key(data_revision: str, features: Sequence[str], params: TrainingParams) -> str:
    """Of all trainings that come out the same: a digest (16 hex digits) of what determines them."""
    determines = [
        data_revision,
        list(features),
        params.model_dump(mode="json"),
        training_code(),
        libraries(),
    ]
    return sha256(orjson.dumps(determines, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
