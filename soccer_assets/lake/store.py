"""One small interface over a folder on disk and a prefix of an S3 bucket."""

import os
import tempfile
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit


class ObjectNotFound(KeyError):
    """No object has this key."""


class ObjectStore(Protocol):
    """Keys are ``/``-separated; a put is atomic: readers see the old bytes or the new ones."""

    uri: str

    def put(self, key: str, body: bytes) -> None: ...

    def get(self, key: str) -> bytes:
        """The object's bytes. Raises ObjectNotFound."""
        ...

    def list(self, prefix: str) -> list[str]:
        """All keys that start with ``prefix`` (a folder, ending in ``/``), sorted."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""
        ...


class LocalStore:
    """A folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.uri = str(root)

    def put(self, key: str, body: bytes) -> None:
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def get(self, key: str) -> bytes:
        try:
            return (self._root / key).read_bytes()
        except FileNotFoundError:
            raise ObjectNotFound(key) from None

    def list(self, prefix: str) -> list[str]:
        folder = self._root / prefix
        files = (Path(top) / name for top, _, names in os.walk(folder) for name in names)
        return sorted(f.relative_to(self._root).as_posix() for f in files if f.suffix != ".tmp")

    def delete(self, key: str) -> None:
        (self._root / key).unlink(missing_ok=True)


class S3Store:
    """A prefix of a bucket, through a boto3 client (which retries and splits large uploads)."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.uri = f"s3://{bucket}/{self._prefix}".rstrip("/")

    def put(self, key: str, body: bytes) -> None:
        from io import BytesIO

        self._client.upload_fileobj(BytesIO(body), self._bucket, self._prefix + key)

    def get(self, key: str) -> bytes:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
        except self._client.exceptions.NoSuchKey:
            raise ObjectNotFound(key) from None
        return answer["Body"].read()

    def list(self, prefix: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        return [
            entry["Key"].removeprefix(self._prefix)
            for page in pages
            for entry in page.get("Contents", ())
        ]

    def delete(self, key: str) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def ensure_bucket(self) -> None:
        """Create the bucket if this account can and it is not there."""
        from botocore.exceptions import ClientError

        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
                raise
            self._client.create_bucket(Bucket=self._bucket)


def open_store(uri: str, s3_client: Any = None) -> ObjectStore:
    """The store at ``uri``: a path, ``file://path`` or ``s3://bucket/prefix``."""
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        if s3_client is None:
            raise ValueError("an s3:// lake needs an S3 client")
        store = S3Store(s3_client, parts.netloc, parts.path)
        store.ensure_bucket()
        return store
    return LocalStore(Path(parts.path if parts.scheme == "file" else uri))
