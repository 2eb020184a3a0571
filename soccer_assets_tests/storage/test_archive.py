"""The archive of payloads: verbatim, without repetitions, newest first to be read."""

import gzip
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import ObjectStore

DAY = date(2024, 3, 9)
START = datetime(2024, 3, 9, 20, tzinfo=UTC)


@pytest.fixture
def archive(any_store: ObjectStore) -> PayloadArchive:
    return PayloadArchive(any_store)


def put_all(archive: PayloadArchive, *bodies: bytes, day: date = DAY) -> list[str]:
    """Put payloads an hour apart; their keys."""
    return [
        archive.put(day, body, START + timedelta(hours=hour)).key
        for hour, body in enumerate(bodies)
    ]


def newest(archive: PayloadArchive, day: date = DAY) -> bytes | None:
    payload = archive.latest(day)
    return archive.read(payload) if payload else None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(body=st.binary())
def test_any_bytes_come_back_verbatim(archive: PayloadArchive, body: bytes) -> None:
    assert archive.read(archive.put(DAY, body, datetime.now(UTC))) == body


def test_a_payload_is_named_by_its_day_and_moment_and_compressed(
    archive: PayloadArchive, any_store: ObjectStore
) -> None:
    at = datetime(2024, 3, 10, 1, 2, 3, 45, tzinfo=timezone(timedelta(hours=2)))
    payload = archive.put(DAY, b"{}" * 500, at)
    assert payload.key.startswith("livescores/2024/03/09/20240309T230203.000045Z-")
    assert any_store.list("livescores/") == [payload.key]
    assert (payload.day, payload.fetched_at, payload.rejected) == (DAY, at, False)
    stored = any_store.get(payload.key)
    assert gzip.decompress(stored) == b"{}" * 500
    assert len(stored) < 100
    assert archive.latest(DAY) == payload


def test_an_empty_archive(archive: PayloadArchive) -> None:
    assert archive.latest(DAY) is None


def test_an_equal_payload_is_not_stored_again(
    archive: PayloadArchive, any_store: ObjectStore
) -> None:
    first, again = put_all(archive, b"A", b"A")
    assert again == first
    assert any_store.list("livescores/") == [first]
    payload = archive.latest(DAY)
    assert payload is not None
    assert payload.fetched_at == START


def test_equal_payloads_of_two_days_are_both_stored(archive: PayloadArchive) -> None:
    put_all(archive, b"A")
    put_all(archive, b"A", day=DAY + timedelta(days=1))
    assert newest(archive, DAY) == newest(archive, DAY + timedelta(days=1)) == b"A"


def test_the_newest_payload_is_read(archive: PayloadArchive) -> None:
    put_all(archive, b"A", b"B")
    put_all(archive, b"other", day=DAY + timedelta(days=1))
    assert newest(archive) == b"B"


def test_content_that_returns_is_stored_again(
    archive: PayloadArchive, any_store: ObjectStore
) -> None:
    keys = put_all(archive, b"A", b"B", b"A")
    assert len(set(keys)) == 3
    assert any_store.list("livescores/") == keys
    payload = archive.latest(DAY)
    assert payload is not None
    assert payload.key == keys[2]
    assert payload.fetched_at == START + timedelta(hours=2)


def test_a_rejected_payload_is_kept_but_not_read(
    archive: PayloadArchive, any_store: ObjectStore
) -> None:
    put_all(archive, b"good")
    bad = archive.put(DAY, b"bad", START + timedelta(days=1))
    archive.reject(bad, "unknown status 99")
    assert newest(archive) == b"good"
    assert archive.read(bad) == b"bad"
    assert any_store.get(f"{bad.key}.rejected") == b"unknown status 99"


def test_a_day_with_rejected_payloads_only(archive: PayloadArchive) -> None:
    archive.reject(archive.put(DAY, b"bad", START), "why")
    assert archive.latest(DAY) is None


def test_a_rejected_payload_that_comes_again_is_the_rejected_one(
    archive: PayloadArchive, any_store: ObjectStore
) -> None:
    bad = archive.put(DAY, b"bad", START)
    archive.reject(bad, "why")
    again = archive.put(DAY, b"bad", START + timedelta(hours=1))
    assert again.key == bad.key
    assert again.rejected
    assert len(any_store.list("livescores/")) == 2


def test_good_content_is_stored_again_after_a_rejected_payload(archive: PayloadArchive) -> None:
    good, bad, good_again = put_all(archive, b"good", b"bad", b"good")
    assert good_again not in (good, bad)
    assert newest(archive) == b"good"


def test_an_accepted_payload_is_read_again(archive: PayloadArchive, any_store: ObjectStore) -> None:
    payload = archive.put(DAY, b"good after all", START)
    archive.reject(payload, "why")
    archive.accept(payload)
    archive.accept(payload)
    assert archive.latest(DAY) == payload
    assert any_store.list("livescores/") == [payload.key]
