"""DVC's store of outs by their MD5, on disk: ``files/md5/ab/cdef...``."""

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path


@dataclass(frozen=True)
class Out:
    """One out of a stage, as ``dvc.lock`` records it."""

    path: str
    md5: str
    size: int


def keep_only(cache: Path, outs: Collection[Out]) -> Iterator[str]:
    """Remove from a cache whatever is not one of the outs, byte for byte; yields which of them were
    there and spoiled.

    DVC trusts the names in its cache: a torn file under a right name would be handed out as the
    out, and pushed as it. What belongs to no out is of earlier runs, which have pushed it, or of one
    that was killed.
    """
    by_file = {object_file(cache, out): out for out in outs}
    for file in _files(cache / "runs"):
        file.unlink()
    for file in _files(cache / "files"):
        if file not in by_file:
            file.unlink()
    present = [file for file in by_file if file.exists()]
    with ThreadPoolExecutor(2) as pool:  # hashing holds no lock of Python's
        for file, found in zip(present, pool.map(_md5, present), strict=True):
            if found != by_file[file].md5:
                file.unlink()
                yield f"{by_file[file].path} was torn in the cache"


def discard_torn(remote: Path, outs: Collection[Out]) -> None:
    """Remove from a remote on disk what killed writers left: files under other names, and outs of
    another size, which DVC would take for pushed."""
    for file in remote.glob("files/md5/??/*.tmp"):
        file.unlink(missing_ok=True)
    for out in outs:
        file = object_file(remote, out)
        if file.exists() and file.stat().st_size != out.size:
            file.unlink()


def object_file(store: Path, out: Out) -> Path:
    return store / "files" / "md5" / out.md5[:2] / out.md5[2:]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if not path.is_dir())


def _md5(file: Path) -> str:
    with file.open("rb") as body:
        return file_digest(body, "md5").hexdigest()
