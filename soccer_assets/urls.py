"""Addresses of services: what may stand in one, and what of it may be shown."""

import ipaddress
from urllib.parse import unquote, urlsplit, urlunsplit

Credentials = tuple[str, str]


def service_url(url: str) -> str:
    """An address over HTTP, perhaps with a user and a password. Raises ValueError, which does not
    repeat it."""
    parts = urlsplit(url)
    try:
        complete = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of a port that is none
        complete = False
    if not complete:
        raise ValueError("not an address like https://host:port/path")
    if parts.query or parts.fragment:
        raise ValueError("an address must not have a query or a fragment")
    return url.rstrip("/")


def open_url(url: str) -> str:
    """An address that may be shown to all. Raises ValueError, which does not repeat it."""
    if credentials(service_url(url)):
        raise ValueError("an address that is shown must not have a user or a password")
    return url.rstrip("/")


def bare(url: str) -> str:
    """Without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def shown(url: str) -> str:
    """Scheme, host and port, for people: no login, and no path or query that may hold one."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def credentials(url: str) -> Credentials | None:
    """User and password; None where there are none."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return None
    return unquote(parts.username or ""), unquote(parts.password or "")


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
