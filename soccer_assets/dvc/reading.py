"""Outs as whoever follows reads them: by their hashes, wherever they were made."""

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from hashlib import file_digest
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from soccer_assets.dvc.cache import LISTING, Out, object_file, read_listing
from soccer_assets.dvc.command import DvcError
from soccer_assets.dvc.revisions import Revision
from soccer_assets.storage.store import ObjectNotFound, ObjectStore

#: Files of a directory that are read at once; no more than a client of S3 has connections.
READERS = 8


class RevisionReader:
    """Reads the outs of one revision, whatever lies in the workspace meanwhile.

    Every method raises DvcError where the revision has no such out, or it is neither in the cache
    nor whole in the remote.

    Args:
        cache: of a workspace on this machine, which may not be there.
        remote: opens the store that outs are pushed to, which is asked for what the cache lacks.
    """

    def __init__(self, revision: Revision, cache: Path, remote: Callable[[], ObjectStore]) -> None:
        self.revision = revision
        self._cache = cache
        self._open_remote = remote

    def frame(
        self,
        path: Path,
        columns: Sequence[str] | None = None,
        files: Collection[str] | None = None,
    ) -> pd.DataFrame:
        """An out that is a table, or a directory of such, which follow each other in the order of
        their names; what a name begins with an underscore is beside the table.

        Args:
            columns: those to read; all by default.
            files: names of those of a directory's files to read; all by default.
        """
        return self._table(self._parts(path, files), columns).to_pandas()

    def tail(self, path: Path, rows: int) -> pd.DataFrame:
        """The last rows of an out, of which no more files are read than have them."""
        tables: list[pa.Table] = []
        for part in reversed(self._parts(path, None)):
            tables.insert(0, self._table([part]))
            if sum(map(len, tables)) >= rows:
                break
        return pa.concat_tables(tables).to_pandas().tail(rows)

    def tables(self, path: Path) -> list[str]:
        """The names of a directory's tables, in order; none where there is no row."""
        return list(self.hashes(path))

    def hashes(self, path: Path) -> dict[str, str]:
        """The same with the MD5 of each: what has the same in another revision is the same."""
        listing = self._listing(self._out(path))
        return {name: listing[name] for name in _tables(listing)}

    def document(self, path: Path) -> Any:
        """An out that is JSON."""
        with self.open(path) as file:
            return orjson.loads(file.read())

    def open(self, path: Path) -> BufferedReader | BytesIO:
        """The bytes of an out, or of a directory's file, which are those that its hash names."""
        out = self.revision.outs.get(str(path))
        if out is None and str(path.parent) in self.revision.outs:
            return self._bytes(*self._parts(path.parent, [path.name])[0])
        return self._bytes(self._out(path).md5, str(path))

    def _table(
        self, parts: Sequence[tuple[str, str]], columns: Sequence[str] | None = None
    ) -> pa.Table:
        def read(part: tuple[str, str]) -> pa.Table:
            with self._bytes(*part) as file:
                table = pq.ParquetFile(file).read(columns, use_threads=len(parts) == 1)
                return table.select(columns) if columns else table

        with ThreadPoolExecutor(min(READERS, len(parts))) as pool:
            return pa.concat_tables(pool.map(read, parts))

    def _out(self, path: Path) -> Out:
        try:
            return self.revision.outs[str(path)]
        except KeyError:
            raise DvcError(f"revision {self.revision.name} has no {path}") from None

    def _parts(self, path: Path, files: Collection[str] | None) -> list[tuple[str, str]]:
        """MD5 and name of what a table consists of."""
        out = self._out(path)
        if not out.is_directory:
            return [(out.md5, out.path)]
        listing = self._listing(out)
        wanted = _tables(listing) if files is None else sorted(files)
        for name in wanted:
            if name not in listing:
                raise DvcError(f"revision {self.revision.name} has no {path}/{name}")
        if not wanted:
            raise DvcError(f"{path} of revision {self.revision.name}: no files to read")
        return [(listing[name], f"{path}/{name}") for name in wanted]

    def _listing(self, out: Out) -> dict[str, str]:
        if not out.is_directory:
            raise DvcError(f"{out.path} of revision {self.revision.name} is not a directory")
        with self._bytes(out.md5, out.path) as file:
            return read_listing(file.read())

    def _bytes(self, md5: str, name: str) -> BufferedReader | BytesIO:
        return self._cached(md5) or self._fetched(md5, name)

    def _cached(self, md5: str) -> BufferedReader | None:
        """None where it is not there, or torn."""
        try:
            file = object_file(self._cache, md5).open("rb")
        except FileNotFoundError:
            return None
        if _is_whole(file, md5):
            return file
        file.close()
        return None

    def _fetched(self, md5: str, name: str) -> BytesIO:
        told = f"{name} (MD5 {md5}) of revision {self.revision.name}"
        try:
            file = BytesIO(self._remote.get(str(object_file(Path(), md5))))
        except ObjectNotFound:
            raise DvcError(f"{told} is not in {self._remote.uri}") from None
        if not _is_whole(file, md5):
            raise DvcError(f"{told} is torn in {self._remote.uri}")
        return file

    @cached_property
    def _remote(self) -> ObjectStore:
        return self._open_remote()


def _tables(listing: Iterable[str]) -> list[str]:
    return [name for name in listing if not name.startswith("_")]


def _is_whole(file: BufferedReader | BytesIO, md5: str) -> bool:
    """Whether an object is what its name says; leaves the file at its beginning."""
    found = file_digest(file, "md5").hexdigest()
    file.seek(0)
    return found == md5.removesuffix(LISTING)
