"""The lake: ``LAKE_URI`` on local disk or S3/MinIO."""

from typing import Any

import dagster as dg

from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.opening import client_options
from soccer_assets.storage.store import ObjectStore, open_store


class LakeResource(dg.ConfigurableResource):
    """The object store that holds the payload archive, the parquet tables, revisions of
    the features, and those for serving.

    ``endpoint_url`` and ``region`` matter for ``s3://`` only; credentials are the ``AWS_*``
    variables, never configuration.
    """

    uri: str
    endpoint_url: str | None = None
    region: str = "us-east-1"

    def _s3_client(self) -> Any:
        from dagster_aws.s3 import S3Resource

        return S3Resource(**client_options(self.endpoint_url, self.region)).get_client()

    @property
    def store(self) -> ObjectStore:
        return open_store(self.uri, self._s3_client() if self.uri.startswith("s3://") else None)

    @property
    def archive(self) -> PayloadArchive:
        return PayloadArchive(self.store)
