"""What leads to brokers, databases and MLflow, and lets in there.

Every function returns what it was given, as its library wants it, or raises ValueError, which says
what is expected and repeats nothing: there may be a password in it.
"""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from soccer_assets.text import one_line
from soccer_assets.urls import ESCAPED, is_whole, service_url

if TYPE_CHECKING:
    import sqlalchemy as sa

#: Schemes of brokers, and of what keeps results, that are known to work: RabbitMQ's and Redis'.
BROKERS = ("amqp", "amqps", "pyamqp", "redis", "rediss")
BACKENDS = ("redis", "rediss", "rpc")
#: Databases that MLflow may be in, beside SQLite.
_OF_MLFLOW = ("postgresql", "mysql")
_SQLITE = "sqlite:///"
_HEADER = re.compile("[ -~]+")


def header_token(token: str) -> str:
    """One that is sent in a header: who sends another shows it in the error."""
    if not _HEADER.fullmatch(token):
        raise ValueError("has characters that no HTTP header can have: letters, digits, signs do")
    return token


def broker_address(url: str) -> str:
    """Of a broker, or of several with ``;`` between them, the next for when one is away."""
    return _of_celery(url, BROKERS)


def backend_address(url: str) -> str:
    """Of what keeps the answers of steps."""
    return _of_celery(url, BACKENDS)


def _of_celery(url: str, schemes: Collection[str]) -> str:
    for one in url.split(";"):
        scheme, separator, _ = one.partition("://")
        if not separator or scheme not in schemes:
            raise ValueError(f"must start with one of {', '.join(f'{s}://' for s in schemes)}")
        if not is_whole(one) or urlsplit(one).netloc.count("@") > 1 or urlsplit(one).fragment:
            raise ValueError(f"not an address like {scheme}://user:password@host:port/; {ESCAPED}")
    return url


def warehouse_address(url: str) -> str:
    """With the driver: a bare ``postgresql://`` means psycopg 3 to newer SQLAlchemy."""
    scheme, separator, rest = url.partition("://")
    if scheme not in ("postgres", "postgresql", "postgresql+psycopg2") or not separator:
        raise ValueError("must start with postgresql://")
    return _database_address(f"postgresql+psycopg2://{rest}")


def tracking_address(uri: str) -> str:
    """Of MLflow's server, or of the database that MLflow opens by itself."""
    scheme = uri.partition("://")[0]
    if scheme in ("http", "https"):
        return service_url(uri)
    if uri.startswith(_SQLITE) and uri.removeprefix(_SQLITE).partition("?")[0].strip("/"):
        return uri
    if "://" not in uri or scheme.partition("+")[0] not in _OF_MLFLOW:
        raise ValueError("must start with http://, https://, sqlite:/// or postgresql://")
    # Of this one it is told where it is, and that is read as of any address.
    if not is_whole(uri):
        raise ValueError(f"not an address like {scheme}://user:password@host/db; {ESCAPED}")
    return _database_address(uri)


def _database_address(url: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    scheme = url.partition("+")[0].partition("://")[0]
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    # What follows the first @ of a password would be told as a host or a database.
    if parsed is None or "@" in f"{parsed.host}{parsed.database}" or not url.isprintable():
        raise ValueError(f"not an address like {scheme}://user:password@host/db; {ESCAPED}")
    try:
        parsed.get_dialect().import_dbapi()
    except NoSuchModuleError:
        raise ValueError(f"no driver of SQLAlchemy's is called {parsed.drivername}") from None
    except ImportError as error:
        raise ValueError(
            f"{parsed.drivername}:// needs the package {error.name}, which is not installed"
        ) from None
    if parsed.get_driver_name() == "psycopg2":
        _look_at_options(parsed)
    return url


def _look_at_options(url: "sa.URL") -> None:
    """Behind the ``?``: the driver would refuse them at the first connection only."""
    from psycopg2 import ProgrammingError
    from psycopg2.extensions import make_dsn

    # Plugins are SQLAlchemy's, which takes them out before the driver sees the rest.
    plain = url.difference_update_query(["plugin"])
    _, options = plain.get_dialect()().create_connect_args(plain)
    try:
        make_dsn(**options)
    except ProgrammingError as error:
        raise ValueError(one_line(str(error)).removeprefix("invalid dsn: ")) from None
