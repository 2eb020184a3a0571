"""DVC's store of outs by their MD5, on disk: ``files/md5/ab/cdef...``.

An out that is a directory is stored as its files, each under its own MD5, and their listing, a JSON
document under the MD5 of itself with ``.dir`` behind it.
"""

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import orjson

from soccer_assets.dvc.boot import boot

#: Ends the MD5 of a directory.
LISTING = ".dir"


@dataclass(frozen=True)
class Out:
    """One out of a stage, as ``dvc.lock`` records it."""

    path: str
    md5: str
    """Of its bytes; of a directory that of its listing, and ``.dir``."""
    size: int
    """Bytes; of a directory those of all its files."""
    files: int = 1

    @property
    def is_directory(self) -> bool:
        return self.md5.endswith(LISTING)


def read_listing(listing: bytes) -> dict[str, str]:
    """The files of a directory, path below it -> MD5, in order of their paths."""
    return dict(sorted((file["relpath"], file["md5"]) for file in orjson.loads(listing)))


def keep_only(cache: Path, outs: Collection[Out]) -> Iterator[str]:
    """Remove from a cache whatever is not of one of the outs, byte for byte; yields what of them
    was there and spoiled.

    DVC trusts the names in its cache: a torn file under a right name would be handed out as the
    out, and pushed as it. What belongs to no out is of earlier runs, which have pushed it, or of one
    that was killed. What was found whole is not read again until it or the machine has changed.
    """
    objects = {
        object_file(cache, md5): (md5, name) for out in outs for md5, name in _objects(cache, out)
    }
    for file in _files(cache / "runs"):
        file.unlink()
    for file in _files(cache / "files"):
        if file not in objects:
            file.unlink()
    memory = cache / "whole.json"
    marks = {file: _mark(file) for file in objects if file.exists()}
    whole = _remembered(memory)
    unknown = [file for file, mark in marks.items() if whole.get(objects[file][0]) != mark]
    with ThreadPoolExecutor(2) as pool:  # hashing holds no lock of Python's
        for file, found in zip(unknown, pool.map(_md5, unknown), strict=True):
            md5, name = objects[file]
            if found != md5.removesuffix(LISTING):
                file.unlink()
                del marks[file]
                yield f"{name} was torn in the cache"
    if cache.exists():
        memory.write_bytes(orjson.dumps({objects[file][0]: mark for file, mark in marks.items()}))


def discard_torn(remote: Path, cache: Path, outs: Collection[Out]) -> None:
    """Remove from a remote on disk what killed writers left: files under other names, and objects of
    another size than they have, which DVC would take for pushed."""
    for file in remote.glob("files/md5/??/*.tmp"):
        file.unlink(missing_ok=True)
    for out in outs:
        torn = [md5 for md5, _ in _objects(cache, out) if _is_torn(remote, cache, out, md5)]
        if torn and out.is_directory:
            # As long as this is there, DVC takes all files of the directory for pushed.
            torn.append(out.md5)
        for md5 in torn:
            object_file(remote, md5).unlink(missing_ok=True)


def object_file(store: Path, md5: str) -> Path:
    """Where a store on disk keeps what has this MD5."""
    return store / "files" / "md5" / md5[:2] / md5[2:]


def _objects(cache: Path, out: Out) -> Iterator[tuple[str, str]]:
    """MD5 and name of all that an out consists of; of a directory whose listing is not in the cache,
    or torn there, the listing alone."""
    yield out.md5, out.path
    listing = object_file(cache, out.md5)
    if out.is_directory and listing.exists() and _md5(listing) + LISTING == out.md5:
        for file, md5 in read_listing(listing.read_bytes()).items():
            yield md5, f"{out.path}/{file}"


def _is_torn(remote: Path, cache: Path, out: Out, md5: str) -> bool:
    stored, cached = object_file(remote, md5), object_file(cache, md5)
    if not stored.exists():
        return False
    if cached.exists():
        return stored.stat().st_size != cached.stat().st_size
    return not out.is_directory and stored.stat().st_size != out.size


def _mark(file: Path) -> list[int | str]:
    """Changes whenever the file is written to. A power cut may spoil it without, and has the machine
    start again."""
    status = file.stat()
    return [boot(), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _remembered(memory: Path) -> dict[str, list[int | str]]:
    """MD5 -> mark of what was found whole; nothing where that is unreadable itself."""
    try:
        return dict(orjson.loads(memory.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if not path.is_dir())


def _md5(file: Path) -> str:
    with file.open("rb") as body:
        return file_digest(body, "md5").hexdigest()
