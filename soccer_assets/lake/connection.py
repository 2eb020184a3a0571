"""The configured lake."""

from functools import lru_cache
from typing import Any

from soccer_assets.lake.store import ObjectStore, open_store
from soccer_assets.settings import Settings, get_settings


def s3_client(settings: Settings) -> Any:
    """A boto3 client; credentials come from the usual ``AWS_*`` variables."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.aws_region,
        config=Config(retries={"max_attempts": 8, "mode": "standard"}),
    )


@lru_cache(maxsize=1)
def open_lake() -> ObjectStore:
    """The store at ``LAKE_URI``."""
    settings = get_settings()
    on_s3 = settings.lake.startswith("s3://")
    return open_store(settings.lake, s3_client(settings) if on_s3 else None)
