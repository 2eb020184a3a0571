"""How a lake is opened."""

from typing import Any

from soccer_assets.storage.store import ObjectStore, open_store

#: How often a request to S3 that times out, breaks off, is throttled or meets a server's error is
#: tried again; the pauses double from about a second, with jitter (botocore's "standard" mode).
S3_RETRIES = 8


def client_options(endpoint_url: str | None, region: str | None) -> dict[str, Any]:
    """How every client of the lake is made, in the words of Dagster's S3 resource.

    Credentials come from the usual ``AWS_*`` variables.
    """
    return {"endpoint_url": endpoint_url, "region_name": region, "max_attempts": S3_RETRIES}


def s3_client(endpoint_url: str | None, region: str | None, **patience: Any) -> Any:
    """A boto3 client for code that knows no Dagster.

    Args:
        patience: in botocore's words, for who can do without an answer.
    """
    from boto3.session import Session
    from botocore.config import Config

    options = client_options(endpoint_url, region)
    retries = {"max_attempts": options.pop("max_attempts"), "mode": "standard"}
    return Session().client("s3", config=Config(**{"retries": retries, **patience}), **options)


def open_lake(
    uri: str, endpoint_url: str | None = None, region: str | None = None, **patience: Any
) -> ObjectStore:
    """The store at ``uri``, a path or ``s3://bucket/prefix``.

    Args:
        patience: as of ``s3_client``.
    """
    if not uri.startswith("s3://"):
        return open_store(uri)
    return open_store(uri, s3_client(endpoint_url, region, **patience))
