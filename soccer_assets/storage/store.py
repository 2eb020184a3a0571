"""One small interface over a folder on disk and a prefix of an S3 bucket."""

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest, sha256
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar
from urllib.parse import unquote

from soccer_assets.files import aside, is_unfinished, naming, remove_abandoned, sync_folder

#: Larger objects go to S3 in parts of this size, a few at a time.
PART_BYTES = 8 << 20
#: Files that are synced at once: one commit of the file system's journal settles all that wait for
#: it, and one after the other each would wait for a commit of its own.
SYNCS = 16
#: Attempts to read an object whose body breaks off on its way.
READ_ATTEMPTS = 5

T = TypeVar("T")


class ObjectNotFound(KeyError):
    """No object has this key."""


class StoreUnavailable(Exception):
    """The bucket cannot be used as configured; says which and why."""


class _BrokenOff(StoreUnavailable):
    """An object whose body did not come whole."""


@dataclass(frozen=True)
class Stored:
    """What a store says of an object without reading it."""

    size: int
    """In bytes."""
    at: datetime
    """When it was written last, by the store's clock; UTC."""


class ObjectStore(Protocol):
    """Keys are ``/``-separated; a put is atomic: readers see the old bytes or the new ones."""

    uri: str

    def put(self, key: str, body: bytes | IO[bytes], *, sync: bool = True) -> None:
        """Store bytes, or the rest of a file, which is read in pieces and may be closed.

        With ``sync`` False, a power cut may undo or spoil it until ``sync`` was called.
        """
        ...

    def sync(self, keys: Iterable[str]) -> None:
        """Have objects survive a power cut: for many of them together it costs less than a put of
        each that sees to it."""
        ...

    def get(self, key: str) -> bytes:
        """The object's bytes. Raises ObjectNotFound."""
        ...

    def digest(self, key: str) -> str:
        """SHA-256 of the object's bytes, which are read in pieces. Raises ObjectNotFound."""
        ...

    def list(self, prefix: str) -> list[str]:
        """All keys that start with ``prefix`` (a folder, ending in ``/``), sorted."""
        ...

    def stored(self, prefix: str) -> dict[str, Stored]:
        """The same keys -> what the store says of each."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""
        ...

    def discard_unfinished(self, prefix: str) -> None:
        """Remove what writers that died have left below ``prefix`` (a folder, ending in ``/``),
        where nobody may be writing meanwhile."""
        ...


def _sync_file(path: Path) -> None:
    with naming(path), path.open("r+b") as file:
        os.fsync(file.fileno())


class LocalStore:
    """A folder; files have the rights that the umask leaves."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.uri = str(root)

    def put(self, key: str, body: bytes | IO[bytes], *, sync: bool = True) -> None:
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        if sync:  # who puts many together discards what is unfinished first
            remove_abandoned(path.parent)
        with aside(path) as file:
            shutil.copyfileobj(BytesIO(body) if isinstance(body, bytes) else body, file)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        if sync:
            sync_folder(path.parent)

    def sync(self, keys: Iterable[str]) -> None:
        paths = [self._root / key for key in keys]
        # The folder may be new itself.
        folders = {folder for path in paths for folder in (path.parent, path.parent.parent)}
        with ThreadPoolExecutor(SYNCS, "store-sync") as at_once:
            # Folders when all files are: a name is worth nothing before what it names.
            deque(at_once.map(_sync_file, paths), maxlen=0)
            deque(at_once.map(sync_folder, folders), maxlen=0)

    def get(self, key: str) -> bytes:
        try:
            return (self._root / key).read_bytes()
        except FileNotFoundError:
            raise ObjectNotFound(key) from None

    def digest(self, key: str) -> str:
        try:
            with (self._root / key).open("rb") as file:
                return file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise ObjectNotFound(key) from None

    def list(self, prefix: str) -> list[str]:
        files = (path for path in self._files(prefix) if not is_unfinished(path.name))
        return sorted(path.relative_to(self._root).as_posix() for path in files)

    def stored(self, prefix: str) -> dict[str, Stored]:
        found = {}
        for key in self.list(prefix):
            with suppress(FileNotFoundError):  # it went meanwhile
                status = (self._root / key).stat()
                found[key] = Stored(status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
        return found

    def delete(self, key: str) -> None:
        (self._root / key).unlink(missing_ok=True)

    def discard_unfinished(self, prefix: str) -> None:
        for path in self._files(prefix):
            if is_unfinished(path.name):
                path.unlink(missing_ok=True)

    def _files(self, prefix: str) -> Iterator[Path]:
        for folder, _, names in os.walk(self._root / prefix):
            yield from (Path(folder) / name for name in names)


class S3Store:
    """A prefix of a bucket, through a boto3 client, which retries requests: see ``opening``.

    Every method raises StoreUnavailable, naming the bucket, when there are no credentials, they do
    not suffice, the bucket is not there or the service keeps failing. Content is compared by its
    SHA-256, never by ETag, which is no hash of an object that came in parts.
    """

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.uri = f"s3://{bucket}/{self._prefix}".rstrip("/")

    def put(self, key: str, body: bytes | IO[bytes], *, sync: bool = True) -> None:
        from boto3.s3.transfer import TransferConfig

        file = BytesIO(body) if isinstance(body, bytes) else body
        parts = TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4
        )
        with self._explained():
            self._client.upload_fileobj(file, self._bucket, self._prefix + key, Config=parts)

    def sync(self, keys: Iterable[str]) -> None:
        """Nothing to do: what S3 has accepted is settled."""

    def get(self, key: str) -> bytes:
        return self._read(key, b"".join)

    def digest(self, key: str) -> str:
        def hashed(chunks: Iterable[bytes]) -> str:
            digest = sha256()
            for chunk in chunks:
                digest.update(chunk)
            return digest.hexdigest()

        return self._read(key, hashed)

    def list(self, prefix: str) -> list[str]:
        return list(self.stored(prefix))

    def stored(self, prefix: str) -> dict[str, Stored]:
        with self._explained():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            return {
                entry["Key"].removeprefix(self._prefix): Stored(
                    entry["Size"], entry["LastModified"]
                )
                for page in pages
                for entry in page.get("Contents", ())
            }

    def delete(self, key: str) -> None:
        with self._explained():
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def discard_unfinished(self, prefix: str) -> None:
        """Uploads in parts that were never completed, which are invisible but paid for.

        Left to the bucket's own rules where the service does not list them or this account may not.
        """
        from botocore.exceptions import ClientError

        try:
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            for upload in (upload for page in pages for upload in page.get("Uploads", ())):
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
        except ClientError as error:
            if _code(error) not in ("AccessDenied", "NotImplemented", "NoSuchUpload"):
                raise self._unavailable(error) from error

    def ensure_bucket(self) -> None:
        """Create the bucket if this account can and it is not there."""
        from botocore.exceptions import ClientError

        with self._explained():
            try:
                self._client.head_bucket(Bucket=self._bucket)
            except ClientError as error:
                if _code(error) != "404":
                    raise
                self._create_bucket()

    def _create_bucket(self) -> None:
        region = self._client.meta.region_name
        # The one region that must not be named.
        place = {} if region == "us-east-1" else {"LocationConstraint": region}
        with suppress(self._client.exceptions.BucketAlreadyOwnedByYou):
            self._client.create_bucket(
                Bucket=self._bucket, **({"CreateBucketConfiguration": place} if place else {})
            )

    def _read(self, key: str, consume: Callable[[Iterable[bytes]], T]) -> T:
        """boto3 retries requests, but not a body that breaks off: it is read from the start."""
        import tenacity
        from botocore.exceptions import BotoCoreError, ClientError

        @tenacity.retry(
            retry=tenacity.retry_if_exception_type(_BrokenOff),
            stop=tenacity.stop_after_attempt(READ_ATTEMPTS),
            wait=tenacity.wait_random_exponential(0.2, max=5),
            reraise=True,
        )
        def read() -> T:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            try:
                return consume(answer["Body"].iter_chunks(1 << 20))
            except BotoCoreError as error:
                raise _BrokenOff(f"S3 bucket {self._bucket!r}: {key}: {error}") from error

        with self._explained():
            try:
                return read()
            except ClientError as error:
                if _code(error) == "NoSuchKey":
                    raise ObjectNotFound(key) from None
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        from botocore.exceptions import (
            ClientError,
            CredentialRetrievalError,
            NoCredentialsError,
            PartialCredentialsError,
        )

        reason = str(error)
        if isinstance(
            error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError
        ):
            reason = f"no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY ({error})"
        elif isinstance(error, ClientError):
            code = _code(error)
            if code == "NoSuchBucket":
                reason = "there is no such bucket"
            elif code in _DENIED:
                reason = f"access denied to these credentials ({error})"
        return StoreUnavailable(f"S3 bucket {self._bucket!r}: {reason}")


_DENIED = ("403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken")


def _code(error: Any) -> str:
    return str(error.response["Error"]["Code"])


def open_store(uri: str, s3_client: Any = None) -> ObjectStore:
    """The store at ``uri``: a path, ``file://path`` or ``s3://bucket/prefix``.

    Raises:
        StoreUnavailable: an S3 bucket that cannot be used.
    """
    scheme, separator, rest = uri.partition("://")
    if separator and scheme == "s3":
        if s3_client is None:
            raise ValueError("an s3:// lake needs an S3 client")
        bucket, _, prefix = rest.partition("/")
        store = S3Store(s3_client, bucket, prefix)
        store.ensure_bucket()
        return store
    return LocalStore(Path(unquote(rest) if separator and scheme == "file" else uri))
