"""Small files that are whole or not there, whoever is killed while they are written."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


def write_atomically(path: Path, data: bytes | str, mode: int | None = None) -> None:
    """Put ``data`` (text as UTF-8) in the place of what ``path`` held.

    Readers see the old content or the new one, after a kill or a power cut as well. The file has
    the rights ``mode``, or those that the umask leaves.
    """
    remove_abandoned(path.parent)
    with aside(path, mode or 0o666) as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


@contextmanager
def aside(path: Path, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """A file to write beside ``path``, whose place it takes when the block is left; one that is
    not finished is removed."""
    temporary, handle = _create_locked(path, mode)
    try:
        with naming(path), os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            temporary.replace(
                path
            )  # before its lock ends, by which it would be taken for abandoned
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_abandoned(folder: Path) -> None:
    """Remove unfinished files of writers that were killed: the living hold a lock on theirs."""
    import fcntl

    for path in [Path(entry) for entry in os.scandir(folder) if is_unfinished(entry.name)]:
        with suppress(OSError):  # it is locked, or gone, or somebody else's
            handle = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(handle)


def is_unfinished(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")


def _create_locked(path: Path, mode: int) -> tuple[Path, int]:
    import fcntl

    while True:
        temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        with suppress(OSError):  # some network file systems lock nothing, and nothing is removed
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return temporary, handle
        os.close(handle)  # taken for abandoned before it was locked


def create_once(path: Path, data: str, mode: int | None = None) -> str:
    """The text of ``path``, which holds ``data`` from now on if it was absent or empty.

    Of several processes that do this at once, all get the text of one.
    """
    with alone_in(path.parent):
        with suppress(FileNotFoundError):
            if present := path.read_text():
                return present
        write_atomically(path, data, mode)
        return data


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have a read or write that fails tell the file: the system does so for what it opens only."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def nearest(path: Path) -> Path:
    """The path, or what is there of those above it."""
    return next(one for one in (path, *path.parents) if one.exists())


def sync_folder(folder: Path) -> None:
    """Have a rename in a folder survive a power cut."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """The folder's lock, which ends with the process that holds it."""
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems lock no folder
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
