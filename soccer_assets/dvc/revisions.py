"""Revisions: what determines the data, stored under the hash of it.

A revision is the files that DVC made the outs from, and what it recorded of them: the manifest of the
lake, the parameters that the stages read, the version of each stage's code, the pipeline, and
``dvc.lock``, which has the hash of every out. Equal data have equal revisions on every machine. Stored
beside the lake, a revision is a save point: from it and the DVC remote, any machine can read the outs,
or go on from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import yaml

from soccer_assets.dvc.cache import Out
from soccer_assets.dvc.command import DvcError
from soccer_assets.dvc.lock import LOCK_FILE, outs_of
from soccer_assets.files import write_atomically
from soccer_assets.storage.store import ObjectNotFound, ObjectStore

FOLDER = "revisions/"
#: All that determines the outs, and ``dvc.lock``.
FILES = (LOCK_FILE, "dvc.yaml", "params.yaml", "code.json", "lake.json")


class UnknownRevision(DvcError):
    """There is no such revision, or what is stored under its name is another."""


@dataclass(frozen=True)
class Revision:
    """The files of a revision, by their names."""

    files: Mapping[str, str]

    @classmethod
    def of(cls, workspace: Path) -> "Revision":
        """The one that a workspace is at."""
        files = {name: (workspace / name).read_text("utf-8") for name in FILES}
        # In the order of their names: DVC keeps stages in the order in which they first ran there.
        stages: Any = yaml.safe_load(files[LOCK_FILE])
        return cls(files | {LOCK_FILE: yaml.safe_dump(stages, sort_keys=True)})

    @classmethod
    def from_bytes(cls, body: bytes) -> "Revision":
        return cls(orjson.loads(body))

    def to_bytes(self) -> bytes:
        """Canonical JSON: equal revisions are equal bytes."""
        return orjson.dumps(dict(self.files), option=orjson.OPT_SORT_KEYS)

    @cached_property
    def name(self) -> str:
        """SHA-256 of its bytes, 64 hex digits."""
        return sha256(self.to_bytes()).hexdigest()

    @cached_property
    def outs(self) -> dict[str, Out]:
        """Path -> out, for all stages that had run."""
        return outs_of(yaml.safe_load(self.files[LOCK_FILE]))

    def restore(self, workspace: Path) -> None:
        """Write the files into a folder; DVC pulls the outs when they are needed."""
        for name, text in self.files.items():
            write_atomically(workspace / name, text)


def put_revision(store: ObjectStore, revision: Revision) -> None:
    """Store a revision under its name."""
    store.put(key_of(revision.name), revision.to_bytes())


def get_revision(store: ObjectStore, name: str) -> Revision:
    """The revision of this name.

    Raises:
        UnknownRevision: there is none, or it is damaged.
    """
    try:
        body = store.get(key_of(name))
    except ObjectNotFound:
        raise UnknownRevision(f"revision {name} is not in the lake") from None
    if sha256(body).hexdigest() != name:
        raise UnknownRevision(f"revision {name} is damaged in the lake")
    return Revision.from_bytes(body)


def key_of(name: str) -> str:
    """Where in the lake it is."""
    return f"{FOLDER}{name}.json"
