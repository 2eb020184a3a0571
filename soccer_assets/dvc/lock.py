"""What DVC records of the outs that its stages made."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from soccer_assets.dvc.cache import Out
from soccer_assets.dvc.command import DvcError
from soccer_assets.dvc.pipeline import Stage, within

LOCK_FILE = "dvc.lock"


def read_lock(text: str, name: str, stages: Iterable[Stage] = ()) -> dict[str, Out]:
    """Path relative to the folder of ``dvc.yaml`` -> out, for all stages that have run.

    Args:
        name: what the error calls it.
        stages: of the pipeline: in what folders they run, and which of them make nothing.

    Raises:
        DvcError: it is not what DVC writes.
    """
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        outs = outs_of(COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(text)), stages)
    except (Invalid, yaml.YAMLError, KeyError, TypeError) as error:
        raise DvcError(f"{name} is unreadable: {' '.join(str(error).split())}") from None
    if not all(re.fullmatch(r"[0-9a-f]{32}(\.dir)?", out.md5) for out in outs.values()):
        raise DvcError(f"{name} is unreadable: not every hash is one")
    return outs


def outs_of(lock: Mapping[str, Any], stages: Iterable[Stage] = ()) -> dict[str, Out]:
    """Path -> out, of a lock that is known to be sound."""
    known = {stage.name: stage for stage in stages}
    found = {}
    for name, recorded in lock["stages"].items():
        stage = known.get(name)
        # A lock that ends after the deps of a stage has lost the outs.
        outs = () if stage and not stage.outs else recorded["outs"]
        for out in outs:
            path = within(stage.folder if stage else ".", out["path"])
            found[path] = Out(path, out["md5"], out["size"], out.get("nfiles", 1))
    return found
