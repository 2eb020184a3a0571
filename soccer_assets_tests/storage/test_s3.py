"""S3 as it is: it fails now and then, takes large objects in parts, and can be closed to us."""

import os
import socket
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from soccer_assets.lake.export import export_months
from soccer_assets.lake.manifest import Manifest, read_manifest
from soccer_assets.lake.parity import Parity, compare_with_database
from soccer_assets.resources.lake import LakeResource
from soccer_assets.storage.opening import S3_RETRIES, open_lake, s3_client
from soccer_assets.storage.store import (
    PART_BYTES,
    READ_ATTEMPTS,
    ObjectNotFound,
    S3Store,
    StoreUnavailable,
    open_store,
)
from soccer_assets.warehouse.load import load_days
from soccer_assets_tests.conftest import S3Service
from soccer_assets_tests.feed_days import a_match, parsed
from soccer_assets_tests.lake.months import MONTHS, assert_lake_equals_database
from soccer_assets_tests.storage.faulty_s3 import FAULTS, FaultyS3, faulty_s3

REGION = "us-east-1"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def faulty(s3_service: S3Service) -> Iterator[FaultyS3]:
    with faulty_s3() as faults:
        yield faults


@pytest.fixture
def bucket(s3_service: S3Service) -> str:
    name = f"lake-{uuid4().hex[:12]}"
    s3_service.client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def faulty_store(faulty: FaultyS3, bucket: str) -> S3Store:
    return S3Store(s3_client(faulty.url, REGION), bucket, "soccer/lake")


# Faults that pass


@pytest.mark.parametrize("fault", FAULTS)
def test_what_fails_once_is_tried_again(
    faulty: FaultyS3, faulty_store: S3Store, fault: str
) -> None:
    if fault != "truncated":  # an answer without a body cannot be
        faulty.plan("PUT", fault)
    faulty_store.put("a/key", b"content" * 1000)
    faulty.plan("GET", fault, fault)
    assert faulty_store.get("a/key") == b"content" * 1000
    faulty.plan("GET", fault)
    assert faulty_store.digest("a/key") == sha256(b"content" * 1000).hexdigest()
    faulty.plan("GET", fault)
    assert faulty_store.list("a/") == ["a/key"]
    if fault != "truncated":
        faulty.plan("GET", fault)
        faulty.plan("DELETE", fault)
    with pytest.raises(ObjectNotFound):
        faulty_store.get("a/absent")
    faulty_store.delete("a/key")
    assert faulty_store.list("a/") == []
    assert not any(faulty.planned.values())


def test_an_export_through_faults_is_whole(
    engine: sa.Engine, faulty: FaultyS3, faulty_store: S3Store
) -> None:
    load_days(engine, [parsed(a_match(k, day), day=day) for k, day in enumerate(MONTHS)])
    faulty.plan("PUT", "SlowDown", "reset", "InternalError", "SlowDown", "InternalError")
    faulty.plan("GET", "reset", "SlowDown")
    manifest = export_months(engine, faulty_store).manifest
    assert not any(faulty.planned.values())
    faulty.plan("GET", "truncated", "SlowDown", "truncated", "reset")
    assert read_manifest(faulty_store) == manifest
    assert_lake_equals_database(engine, faulty_store)
    assert compare_with_database(engine, faulty_store, manifest) == Parity()


# Faults that stay


def impatient_client(url: str) -> Any:
    """One that tries twice."""
    boto3 = pytest.importorskip("boto3")
    from botocore.config import Config

    twice = Config(retries={"total_max_attempts": 2, "mode": "standard"})
    return boto3.client("s3", endpoint_url=url, region_name=REGION, config=twice)


@pytest.mark.parametrize(
    ("fault", "attempts"), [("SlowDown", 2), ("reset", 2), ("truncated", READ_ATTEMPTS)]
)
def test_what_keeps_failing_is_given_up_and_names_the_bucket(
    faulty: FaultyS3, bucket: str, fault: str, attempts: int
) -> None:
    store = S3Store(impatient_client(faulty.url), bucket, "")
    store.put("key", b"content")
    faulty.always = fault
    with pytest.raises(StoreUnavailable, match=f"S3 bucket '{bucket}'"):
        store.get("key")
    assert faulty.seen.count(("GET", fault)) == attempts


def test_access_denied_names_the_bucket_and_is_not_tried_again(
    faulty: FaultyS3, faulty_store: S3Store, bucket: str
) -> None:
    faulty.always = "AccessDenied"
    told = f"S3 bucket '{bucket}': access denied"
    for attempt in (
        lambda: faulty_store.put("key", b""),
        lambda: faulty_store.get("key"),
        lambda: faulty_store.digest("key"),
        lambda: faulty_store.list(""),
        lambda: faulty_store.delete("key"),
        lambda: open_store(f"s3://{bucket}/lake", s3_client(faulty.url, REGION)),
    ):
        faulty.seen.clear()
        with pytest.raises(StoreUnavailable, match=told):
            attempt()
        assert len(faulty.seen) == 1
    faulty_store.discard_unfinished("")  # may be denied, it is only tidiness


def test_a_bucket_that_is_not_there_is_named(s3_service: S3Service) -> None:
    store = S3Store(s3_service.client, "no-such-bucket", "lake")
    told = "S3 bucket 'no-such-bucket': there is no such bucket"
    for attempt in (
        lambda: store.put("key", b""),
        lambda: store.get("key"),
        lambda: store.list(""),
        lambda: read_manifest(store),
    ):
        with pytest.raises(StoreUnavailable, match=told):
            attempt()


def test_missing_credentials_are_named(
    s3_service: S3Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    told = "S3 bucket 'my-bucket': no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    with pytest.raises(StoreUnavailable, match=told):
        open_store("s3://my-bucket/lake", s3_client(s3_service.url, REGION))


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        store = S3Store(impatient_client(f"http://{address}"), "my-bucket", "")
        with pytest.raises(StoreUnavailable, match=f"S3 bucket 'my-bucket'.*{address}"):
            store.list("")


def test_one_that_takes_connections_and_says_nothing_is_waited_for_as_long_as_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(StoreUnavailable, match="Read timeout"):
            open_lake(
                "s3://my-bucket/lake",
                url,
                REGION,
                read_timeout=0.2,
                retries={"total_max_attempts": 1},
            )


# Large objects


def test_a_large_object_goes_in_parts_and_a_part_that_fails_is_sent_again(
    faulty: FaultyS3, faulty_store: S3Store, bucket: str, s3_service: S3Service
) -> None:
    body = os.urandom(PART_BYTES * 2 + 12345)
    faulty.plan("PUT", "InternalError", "reset")
    faulty_store.put("large", BytesIO(body))
    assert [method for method, _ in faulty.seen].count("PUT") == 3 + 2
    stored = s3_service.client.head_object(Bucket=bucket, Key="soccer/lake/large")
    assert stored["ETag"].endswith('-3"')
    assert faulty_store.get("large") == body
    assert faulty_store.digest("large") == sha256(body).hexdigest()


def test_an_upload_that_is_given_up_leaves_no_parts(
    faulty: FaultyS3, faulty_store: S3Store, bucket: str, s3_service: S3Service
) -> None:
    faulty.plan("PUT", "AccessDenied")
    with pytest.raises(StoreUnavailable, match="access denied"):
        faulty_store.put("large", os.urandom(PART_BYTES + 1))
    assert uploads(s3_service, bucket) == []
    assert faulty_store.list("") == []


def test_uploads_of_a_writer_that_died_are_discarded(
    s3_service: S3Service, s3_store: S3Store
) -> None:
    for key in ("soccer/lake/tables/a", "soccer/lake/tables/b", "soccer/lake/archive/c"):
        upload = s3_service.client.create_multipart_upload(Bucket=s3_store._bucket, Key=key)
        s3_service.client.upload_part(
            Bucket=s3_store._bucket,
            Key=key,
            UploadId=upload["UploadId"],
            PartNumber=1,
            Body=b"x",
        )
    s3_store.discard_unfinished("tables/")
    assert uploads(s3_service, s3_store._bucket) == ["soccer/lake/archive/c"]
    assert s3_store.list("") == []


def uploads(s3_service: S3Service, bucket: str) -> list[str]:
    """Keys of uploads that are not complete."""
    answer = s3_service.client.list_multipart_uploads(Bucket=bucket)
    return [upload["Key"] for upload in answer.get("Uploads", ())]


# Clients and buckets


def test_both_makers_of_clients_make_the_same(s3_service: S3Service) -> None:
    resource = LakeResource(uri="s3://any", endpoint_url=s3_service.url, region="eu-west-3")
    clients = [resource._s3_client(), s3_client(s3_service.url, "eu-west-3")]

    def described(client: Any) -> tuple[Any, ...]:
        config = client.meta.config
        return (
            client.meta.endpoint_url,
            client.meta.region_name,
            config.retries,
            config.connect_timeout,
            config.read_timeout,
            config.max_pool_connections,
        )

    assert described(clients[0]) == described(clients[1])
    assert clients[0].meta.config.retries == {
        "mode": "standard",
        "total_max_attempts": 1 + S3_RETRIES,
    }


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_a_bucket_is_made_where_the_client_is(s3_service: S3Service, region: str) -> None:
    name = f"lake-{uuid4().hex[:12]}"
    for _ in range(2):  # made, then found
        store = open_store(f"s3://{name}/lake", s3_client(s3_service.url, region))
    assert read_manifest(store) == Manifest()
    where = s3_service.client.get_bucket_location(Bucket=name)["LocationConstraint"]
    assert where == (None if region == "us-east-1" else region)
