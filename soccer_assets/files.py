"""Small files that are whole or not there, whoever is killed while they are written."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_atomically(path: Path, data: bytes | str, mode: int | None = None) -> None:
    """Put ``data`` (text as UTF-8) in the place of what ``path`` held.

    Readers see the old content or the new one, after a kill or a power cut as well. The file has
    the rights ``mode``, or those that the umask leaves.
    """
    body = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        with naming(path), os.fdopen(os.open(temporary, flags, mode or 0o666), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


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
