"""Addresses of services: what may stand in one, and what of it may be shown."""

import ipaddress
import re
from urllib.parse import unquote, urlsplit, urlunsplit

Credentials = tuple[str, str]
#: What to do about a password that ends an address early.
ESCAPED = (
    "in user and password, characters other than letters and digits are written as in %40 for @,"
    " %2F for /"
)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def is_whole(url: str) -> bool:
    """Whether the parts of an address are what they seem. A password with a ``/``, ``?`` or ``#`` in
    it ends the address early: the password's beginning would be taken, and told, for a port, its end
    for a path."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # of a port that is none
        return False
    return port != 0 and url.isprintable() and "@" not in parts.path + parts.query + parts.fragment


def service_url(url: str) -> str:
    """An address over HTTP, perhaps with a user and a password. Raises ValueError, which does not
    repeat it."""
    parts = urlsplit(url) if is_whole(url) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        hint = f"; {ESCAPED}" if "@" in url else ""
        raise ValueError(f"not an address like https://host:port/path{hint}")
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
    """Scheme, host and port, for people: no login, and no path or query that may hold one. Of what
    is no address as it should be, no more than the scheme."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        return "no address"
    host = urlsplit(url).netloc.rpartition("@")[2] if is_whole(url) else "…"
    return f"{scheme[1]}://{host}"


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
