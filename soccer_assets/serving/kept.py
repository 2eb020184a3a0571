"""The last good snapshot in a file, from which a worker starts while PostgreSQL is away.

One line of text (format, SHA-256 of all that follows), one line of JSON (whose it is, the model, the
sizes of the pieces), then the pieces as they are in memory. A file of another format, of another
database or with another hash is none.
"""

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import IO

import orjson
import sqlalchemy as sa

from soccer_assets.files import aside, remove_abandoned, sync_folder
from soccer_assets.serving.snapshot import Origin, Piece, Snapshot
from soccer_assets.warehouse.served_model import ServedModel

FILE = "snapshot"
#: What the JSON of a match has in it belongs to the format: another number when that changes.
FORMAT = b"soccer-snapshot-1"
_MODEL_FIELDS = ("name", "version", "run_id", "data_revision")
log = logging.getLogger(__name__)


class Unusable(ValueError):
    """The file holds no snapshot that may be served; says why."""


class KeptSnapshot:
    """The file of one worker, or of several of one home, who read the same database."""

    def __init__(self, folder: Path, database: str) -> None:
        """``database``: what tells it from others, see ``database_name``."""
        self.path = folder / FILE
        self._database = database
        self._writing = threading.Lock()

    def keep(self, snapshot: Snapshot, is_newest: Callable[[], bool] = lambda: True) -> None:
        """Write it in the place of what was kept; a disk that is full is said and no more.

        A snapshot that waited for another's turn and is not the newest by then is left out.
        """
        with self._writing:
            if not is_newest():
                return
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                remove_abandoned(self.path.parent)
                with aside(self.path, 0o600) as file:
                    _write(file, snapshot, self._database)
                    file.flush()
                    os.fsync(file.fileno())
                sync_folder(self.path.parent)
            except OSError as error:
                log.warning("snapshot not kept in %s: %s", self.path, error.strerror)

    def recall(self) -> Snapshot | None:
        """What was kept; None, with one line in the log if there was something, if it is unusable."""
        try:
            with self.path.open("rb") as file:
                return _read(file, self._database)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("kept snapshot %s is ignored: %s", self.path, error.strerror)
        except Unusable as error:
            log.warning("kept snapshot %s is ignored: %s", self.path, error)
        return None


def database_name(url: str | sa.URL) -> str:
    """One of each database, which tells neither user nor password."""
    parsed = sa.make_url(url)
    place = [parsed.host, parsed.query.get("host"), parsed.port or parsed.query.get("port")]
    return hashlib.sha256(orjson.dumps([*place, parsed.database])).hexdigest()


def _write(file: IO[bytes], snapshot: Snapshot, database: str) -> None:
    model = snapshot.model
    head = orjson.dumps(
        {
            "database": database,
            "model": {
                **{field: getattr(model, field) for field in _MODEL_FIELDS},
                "promoted_at": model.promoted_at,
                "metrics": dict(model.metrics),
            },
            "refreshed_at": snapshot.refreshed_at,
            "loaded_at": snapshot.loaded_at,
            "pieces": [[len(part) for part in piece] for piece in snapshot.pieces],
        }
    )
    parts = [head, b"\n", *(part for piece in snapshot.pieces for part in piece)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    file.write(b"%b %b\n" % (FORMAT, digest.hexdigest().encode()))
    file.writelines(parts)


def _read(file: IO[bytes], database: str) -> Snapshot:
    first = file.readline(200)
    if not first.startswith(FORMAT + b" "):
        raise Unusable("it is not in the format that this version writes")
    digest = hashlib.sha256()

    def checked(data: bytes, size: int | None = None) -> bytes:
        if size is not None and len(data) != size:
            raise Unusable("it is cut off")
        digest.update(data)
        return data

    head = checked(file.readline())
    try:
        told = orjson.loads(head)
        sizes = [(int(records), int(bodies)) for records, bodies in told["pieces"]]
        pieces = [Piece(*(checked(file.read(n), n) for n in pair)) for pair in sizes]
    except (KeyError, TypeError, orjson.JSONDecodeError):
        raise Unusable("its head cannot be read") from None
    if file.read(1) or first != b"%b %b\n" % (FORMAT, digest.hexdigest().encode()):
        raise Unusable("its content is not what was written")
    if told["database"] != database:
        raise Unusable("it is of another database")
    model = told["model"]
    return Snapshot.build(
        ServedModel(
            **{field: model[field] for field in _MODEL_FIELDS},
            promoted_at=datetime.fromisoformat(model["promoted_at"]),
            metrics=MappingProxyType(model["metrics"]),
        ),
        pieces,
        refreshed_at=datetime.fromisoformat(told["refreshed_at"]),
        loaded_at=datetime.fromisoformat(told["loaded_at"]),
        origin=Origin.DISK,
    )
