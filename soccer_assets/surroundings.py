"""Whether a failure is owed to the surroundings (the feed, a database, the object store, MLflow, a
worker), which may be well again in a while, or to content or a bug, which will not."""

import re
from collections.abc import Iterator

#: Types by their names, so that nothing has to be imported for an error that did not happen. Their
#: subclasses count as well.
UNREACHABLE = frozenset(
    {
        "builtins.ConnectionError",
        "builtins.TimeoutError",
        "socket.gaierror",
        "urllib3.exceptions.HTTPError",
        "requests.exceptions.ConnectionError",
        "requests.exceptions.Timeout",
        "httpx.TransportError",
        "botocore.exceptions.ConnectionError",
        "botocore.exceptions.HTTPClientError",
        "botocore.exceptions.IncompleteReadError",
        "psycopg2.OperationalError",
        "psycopg2.InterfaceError",
        "sqlalchemy.exc.OperationalError",
        "sqlalchemy.exc.InterfaceError",
        "sqlalchemy.exc.TimeoutError",
        # Ours. Of the feed: what was worth another attempt until there was none left.
        "soccer_assets.dvc.command.Occupied",
        "soccer_assets.sources.request_policy.Retry",
        "soccer_assets.sources.bounded_http.TooSlow",
        "soccer_assets.modelling.mlflow_service.MlflowUnavailable",
        "soccer_assets.serving.client.WorkerUnreachable",
    }
)
#: A fault of the feed says itself whether it may pass.
_FEED_FAULT = "soccer_assets.feed.faults.FeedFault"
#: All that is known of a command that failed is what it printed.
_COMMAND = "soccer_assets.dvc.command.DvcError"
_PRINTED = re.compile(
    r"could not connect to the endpoint|connection (refused|reset|aborted|was closed)"
    r"|timed out|could not connect to server|StoreUnavailable|EndpointConnectionError"
    r"|exited (with )?-9\b",  # killed, most likely for want of memory
    re.IGNORECASE,
)
TOO_MANY_REQUESTS = 429


def is_of_surroundings(error: BaseException) -> bool:
    """Whether the error, or one that it was raised for, is of the surroundings."""
    return any(_is_outside(one) for one in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _is_outside(error: BaseException) -> bool:
    types = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    if types & UNREACHABLE or getattr(error, "connection_invalidated", False):
        return True
    if _FEED_FAULT in types and getattr(error, "passing", False):
        return True
    if _COMMAND in types and _PRINTED.search(str(error)):
        return True
    status = _http_status(error, types)
    return status is not None and (status >= 500 or status == TOO_MANY_REQUESTS)


def _http_status(error: BaseException, types: set[str]) -> int | None:
    """The status that a service answered with, where the error holds one."""
    if "botocore.exceptions.ClientError" in types:
        response = getattr(error, "response", {})
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if "httpx.HTTPStatusError" in types:
        return getattr(error, "response").status_code  # noqa: B009
    # Others of MLflow's errors say 500 of anything.
    if "mlflow.exceptions.RestException" in types:
        return getattr(error, "get_http_status_code")()  # noqa: B009
    return None
