"""How MLflow is spoken to: no wait without an end, and errors that name it and no secret."""

import os
import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from soccer_assets.modelling.mlflow_sqlite import prepare_sqlite, sqlite_path
from soccer_assets.text import one_line
from soccer_assets.urls import bare, shown

#: Settings of MLflow's client where the environment has none of its own.
_MANNERS = {
    # By default each request has two minutes, seven times.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    # A server under repair may ask for a pause of hours.
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
#: For a database that is spoken to directly.
CONNECT_SECONDS = 10
_REFUSALS = ("PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED")
_GONE = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENDPOINT_NOT_FOUND")


class MlflowUnavailable(Exception):
    """MLflow, or what it keeps, cannot be reached now; says where and why, and no secret."""


class Unusable(Exception):
    """A training or a version that is not all there, or was not made here; names it and what it
    lacks."""


def connect(tracking_uri: str, experiment: str) -> None:
    """Have MLflow in this process, and in its children, use ``tracking_uri``.

    An SQLite store is made if it is not there, with the experiment. A user and a password in it are handed to MLflow beside it, for it shows the URI in messages,
    logs and links.

    Raises:
        MlflowUnavailable: a database that does not answer.
    """
    for name, value in _MANNERS.items():
        os.environ.setdefault(name, value)
    import mlflow

    parts = urlsplit(tracking_uri)
    if parts.scheme in ("http", "https") and parts.username is not None:
        os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username)
        os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")
        tracking_uri = bare(tracking_uri)
    elif database := sqlite_path(tracking_uri):
        prepare_sqlite(database, experiment)
    elif parts.scheme.partition("+")[0] in ("postgresql", "mysql"):
        _knock(tracking_uri)
    mlflow.set_tracking_uri(tracking_uri)


@contextmanager
def explained(tracking_uri: str) -> Iterator[None]:
    """Whatever MLflow's surroundings do in this block is told as MlflowUnavailable."""
    try:
        yield
    except MlflowUnavailable:
        raise
    except Exception as error:
        if trouble := _trouble(error) or _indiscretion(error, tracking_uri):
            # Not with its cause: the messages down the chain may hold the URI.
            raise MlflowUnavailable(f"MLflow at {place(tracking_uri)} {trouble}") from None
        raise


def is_gone(error: BaseException) -> bool:
    """Whether an error says that a file or an entry is not there (any more)."""
    return any(
        isinstance(one, FileNotFoundError | NotADirectoryError)
        or getattr(one, "error_code", None) in _GONE
        or "No such artifact" in str(one)
        or _http_status(one) == 404
        for one in _chain(error)
    )


def place(tracking_uri: str) -> str:
    """Where MLflow is, for people: no user, no password, no query."""
    if path := sqlite_path(tracking_uri):
        return str(path)
    return shown(tracking_uri)


def _knock(tracking_uri: str) -> None:
    """MLflow would try ten times to reach a database, each for as long as the system waits."""
    import sqlalchemy as sa

    with explained(tracking_uri):
        engine = sa.create_engine(
            tracking_uri, poolclass=sa.NullPool, connect_args={"connect_timeout": CONNECT_SECONDS}
        )
        engine.connect().close()


def _trouble(error: BaseException) -> str | None:
    """What the surroundings did, in words; None for an error of another kind."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import DBAPIError, OperationalError

    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, RequestException) and _http_status(one) != 404:
            status = _http_status(one)
            return f"answers {status}" if status else f"does not answer ({type(one).__name__})"
        if isinstance(one, OperationalError) or (
            isinstance(one, DBAPIError) and one.connection_invalidated
        ):
            return f"cannot be used: {one_line(str(one.orig))}"
        if isinstance(one, sqlite3.Error):
            return f"cannot be used: {one}"
        if type(one).__module__.startswith("botocore.") and not is_gone(one):
            return f"cannot reach its files ({type(one).__name__})"
        if isinstance(one, OSError) and not is_gone(one):
            return f"cannot use its files: {one.strerror or one}"
    for one in chain:
        if getattr(one, "error_code", None) in _REFUSALS:
            return f"refuses these credentials ({one.error_code})"  # type: ignore[attr-defined]
        if type(one) is MlflowException and str(one).startswith("API request to"):
            return "does not answer as MLflow does"
    return None


def _indiscretion(error: BaseException, tracking_uri: str) -> str | None:
    """Of an error of any other kind, if it shows the password; None if it does not."""
    parts = urlsplit(tracking_uri)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    # Where a process was started by one that had used MLflow, they are beside the URI already.
    user = user or os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    password = password or os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    # A server may repeat what it was given, in the words of the request too.
    login = b64encode(f"{user}:{password}".encode()).decode() if password else None
    secrets = (parts.password, password, login, os.environ.get("MLFLOW_TRACKING_TOKEN"))
    if any(secret in str(one) for one in _chain(error) for secret in secrets if secret):
        return f"cannot be used ({type(error).__name__})"
    return None


def _http_status(error: BaseException) -> int | None:
    """Of an answer that ``requests`` or ``botocore`` made an error of."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return getattr(response, "status_code", None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
