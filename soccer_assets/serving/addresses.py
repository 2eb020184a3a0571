"""How a home's workers are found: each leaves its address in the home, for as long as it runs.

A file alone proves nothing, for a killed worker leaves it behind, and another process may have its
number or its port by then. So a worker has an identifier of its own, which it tells over HTTP: who
does not tell it is not the worker of the file, and is never shown a token.
"""

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
from pydantic import BaseModel, ValidationError

from soccer_assets.files import remove_abandoned, write_atomically

FOLDER = "workers"
#: Seconds in which a worker says who it is.
PATIENCE = 5.0


class Address(BaseModel):
    url: str
    instance: str
    """What the worker answers to GET /healthz, beside that it is up."""
    host: str
    pid: int
    started: float
    """Of the process, seconds since 1970: a number is given again, a number and a start is not."""

    @property
    def is_running(self) -> bool | None:
        """None: it is of another machine (or container), and cannot be told from here."""
        if self.host != socket.gethostname():
            return None
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < 1
        except psutil.Error:
            return False


def new_instance() -> str:
    return secrets.token_hex(16)


@contextmanager
def announced(folder: Path, url: str, instance: str) -> Iterator[None]:
    """While this is open, the home's other processes find this one. Takes away what dead workers of
    this machine left."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, address in _read(folder):
        if address is None or address.is_running is False:
            path.unlink(missing_ok=True)
    own = folder / f"{instance}.json"
    address = Address(
        url=url,
        instance=instance,
        host=socket.gethostname(),
        pid=os.getpid(),
        started=psutil.Process().create_time(),
    )
    write_atomically(own, address.model_dump_json(), mode=0o600)
    try:
        yield
    finally:
        own.unlink(missing_ok=True)


def find_workers(
    folder: Path, tell: Callable[[str], None], patience: float = PATIENCE
) -> list[str]:
    """URLs of the workers that run, the oldest first.

    Args:
        folder: of the home.
        tell: is told of each file that leads to none.
        patience: seconds in which each is to say who it is; all are asked at once.
    """
    known = _read(folder)
    with ThreadPoolExecutor() as pool:
        answers = {
            path: pool.submit(_instance_at, address.url, patience)
            for path, address in known
            if address and address.is_running is not False
        }
    found = []
    for path, address in known:
        if address is None:
            tell(f"{path} is passed over: it is not a worker's address")
        elif path not in answers:
            tell(f"{path} is passed over: the worker of {address.url} has ended")
        elif (answer := answers[path].result()) == address.instance:
            found.append(address)
        elif answer is None and address.is_running:
            found.append(address)  # it is there, and silent: who reloads it will say so
        else:
            tell(f"{path} is passed over: {address.url} is answered by somebody else, or nobody")
    return [address.url for address in sorted(found, key=lambda address: address.started)]


def killed_workers(folder: Path) -> list[str]:
    """URLs of those of this machine that have ended and left their address: each that ends by itself,
    or is asked to, takes it away."""
    return [address.url for _, address in _read(folder) if address and address.is_running is False]


def _read(folder: Path) -> list[tuple[Path, Address | None]]:
    if not folder.is_dir():
        return []
    remove_abandoned(folder)
    found: list[tuple[Path, Address | None]] = []
    for path in sorted(folder.glob("*.json")):
        with suppress(FileNotFoundError):  # it has just ended
            try:
                found.append((path, Address.model_validate_json(path.read_bytes())))
            except ValidationError:
                found.append((path, None))
    return found


def _instance_at(url: str, patience: float) -> str | None:
    """What worker answers; the empty text if it is none, and None if there is no answer."""
    try:
        answer = httpx.get(f"{url}/healthz", timeout=patience, trust_env=False)
        return str(answer.json().get("instance") or "")
    except httpx.HTTPError:
        return None
    except (ValueError, AttributeError):
        return ""
