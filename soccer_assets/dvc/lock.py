"""What DVC records of the outs that its stages made."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from soccer_assets.dvc.cache import Out
from soccer_assets.dvc.command import DvcError

LOCK_FILE = "dvc.lock"


def read_lock(text: str, name: str) -> dict[str, Out]:
    """Path -> out, for all stages that have run.

    Args:
        name: what the error calls it.

    Raises:
        DvcError: it is not what DVC writes.
    """
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        outs = outs_of(COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(text)))
    except (Invalid, yaml.YAMLError, KeyError, TypeError) as error:
        raise DvcError(f"{name} is unreadable: {' '.join(str(error).split())}") from None
    if not all(re.fullmatch(r"[0-9a-f]{32}(\.dir)?", out.md5) for out in outs.values()):
        raise DvcError(f"{name} is unreadable: not every hash is one")
    return outs


def outs_of(lock: Mapping[str, Any]) -> dict[str, Out]:
    """Path -> out, of a lock that is known to be sound."""
    return {
        out["path"]: Out(out["path"], out["md5"], out["size"], out.get("nfiles", 1))
        for stage in lock["stages"].values()
        for out in stage["outs"]
    }
