"""Outs as whoever follows reads them: by their hashes, wherever they were made."""

from collections.abc import Callable, Sequence
from hashlib import file_digest
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import orjson
import pandas as pd

from soccer_assets.dvc.cache import Out, object_file
from soccer_assets.dvc.command import DvcError
from soccer_assets.dvc.revisions import Revision
from soccer_assets.storage.store import ObjectNotFound, ObjectStore


class RevisionReader:
    """Reads the outs of one revision, whatever lies in the workspace meanwhile.

    Args:
        cache: of a workspace on this machine, which may not be there.
        remote: opens the store that outs are pushed to, which is asked for what the cache lacks.
    """

    def __init__(self, revision: Revision, cache: Path, remote: Callable[[], ObjectStore]) -> None:
        self.revision = revision
        self._cache = cache
        self._open_remote = remote

    def frame(self, path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """An out that is a table: all of its columns, or some."""
        with self.open(path) as file:
            return pd.read_parquet(file, columns=list(columns) if columns else None)

    def document(self, path: Path) -> Any:
        """An out that is JSON."""
        with self.open(path) as file:
            return orjson.loads(file.read())

    def open(self, path: Path) -> IO[bytes]:
        """The bytes of an out, which are those that its hash names.

        Raises:
            DvcError: the revision has no such out, or it is neither in the cache nor whole in the
                remote.
        """
        try:
            out = self.revision.outs[str(path)]
        except KeyError:
            raise DvcError(f"revision {self.revision.name} has no {path}") from None
        return self._cached(out) or self._fetched(out)

    def _cached(self, out: Out) -> IO[bytes] | None:
        """None where it is not there, or torn."""
        try:
            file = object_file(self._cache, out).open("rb")
        except FileNotFoundError:
            return None
        if file_digest(file, "md5").hexdigest() != out.md5:
            file.close()
            return None
        file.seek(0)
        return file

    def _fetched(self, out: Out) -> IO[bytes]:
        remote = self._open_remote()
        try:
            body = remote.get(str(object_file(Path(), out)))
        except ObjectNotFound:
            raise DvcError(f"{self._name(out)} is not in {remote.uri}") from None
        file = BytesIO(body)
        if file_digest(file, "md5").hexdigest() != out.md5:
            raise DvcError(f"{self._name(out)} is torn in {remote.uri}")
        file.seek(0)
        return file

    def _name(self, out: Out) -> str:
        return f"{out.path} (MD5 {out.md5}) of revision {self.revision.name}"
