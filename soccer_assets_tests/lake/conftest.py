"""Both kinds of lake."""

import pytest

from soccer_assets.lake.store import ObjectStore


@pytest.fixture(params=["store", "s3_store"])
def any_store(request: pytest.FixtureRequest) -> ObjectStore:
    """An empty lake on disk, then one in S3."""
    return request.getfixturevalue(request.param)
