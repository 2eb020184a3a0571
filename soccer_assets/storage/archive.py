"""The archive of day payloads, verbatim and compressed, written before anything parses them."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from hashlib import sha256

from soccer_assets.storage.store import ObjectNotFound, ObjectStore

ROOT = "livescores/"
FILES = "source_files/"
SOURCE = "livescores_source.json"
_TIME = "%Y%m%dT%H%M%S.%fZ"
_SUFFIX = ".json.gz"
_REJECTED = ".rejected"
#: Part of the name of what came with an error instead of a payload.
_ERROR = ".error"


@dataclass(frozen=True)
class ArchivedPayload:
    """One stored payload. ``fetched_at`` is when the source first sent these bytes."""

    key: str
    day: date
    fetched_at: datetime
    digest: str
    rejected: bool = False

    @property
    def of_error(self) -> bool:
        """It came with an error: not a payload of the day, whatever it looks like."""
        return self.digest.endswith(_ERROR)


class PayloadArchive:
    """Payloads by day: ``livescores/YYYY/MM/DD/<fetched at>-<sha256, 12 digits>.json.gz``."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.uri = store.uri

    @property
    def source(self) -> str | None:
        """Whose payloads these are; None when that was never said."""
        try:
            name: str = json.loads(self._store.get(SOURCE))["name"]
        except ObjectNotFound:
            return None
        return name

    @source.setter
    def source(self, name: str) -> None:
        self._store.put(SOURCE, json.dumps({"name": name}).encode())

    @property
    def is_empty(self) -> bool:
        return not self._store.list(ROOT) and not self._store.list(FILES)

    def put(
        self,
        day: date,
        body: bytes,
        fetched_at: datetime,
        *,
        of_error: bool = False,
        known: Sequence[ArchivedPayload] | None = None,
    ) -> ArchivedPayload:
        """Store a payload; one equal to the day's newest of its kind is not stored again.

        Args:
            of_error: the source sent it with an error.
            known: the day's payloads, where the caller has just listed them.
        """
        digest = sha256(body).hexdigest()[:12] + (_ERROR if of_error else "")
        earlier = self.of_day(day) if known is None else known
        newest = [payload for payload in earlier if payload.of_error == of_error][-1:]
        if newest and newest[0].digest == digest:
            return newest[0]
        key = f"{_folder(day)}{fetched_at.astimezone(UTC):{_TIME}}-{digest}{_SUFFIX}"
        self._store.put(key, gzip.compress(body, compresslevel=1, mtime=0))
        return _describe(key)

    def latest(self, day: date) -> ArchivedPayload | None:
        """The day's newest payload that was not rejected."""
        good = [payload for payload in self.of_day(day) if not payload.rejected]
        return good[-1] if good else None

    def payloads(self) -> list[ArchivedPayload]:
        """Every payload of every day, in the order of the fetches."""
        found = _described(self._store.list(ROOT))
        return sorted(found, key=lambda payload: (payload.fetched_at, payload.day))

    def of_day(self, day: date) -> list[ArchivedPayload]:
        """All payloads of the day, oldest first (keys start with the time)."""
        return _described(self._store.list(_folder(day)))

    def put_file(self, path: str, body: bytes, fetched_at: datetime) -> str:
        """Keep a file that days are made from, verbatim; returns its key. One whose bytes are kept
        already is not stored again."""
        digest = sha256(body).hexdigest()[:12]
        folder = f"{FILES}{path.strip('/')}/"
        for key in self._store.list(folder):
            if digest in key:
                return key
        key = f"{folder}{fetched_at.astimezone(UTC):{_TIME}}-{digest}.gz"
        self._store.put(key, gzip.compress(body, compresslevel=6, mtime=0))
        return key

    def read(self, payload: ArchivedPayload) -> bytes:
        return gzip.decompress(self._store.get(payload.key))

    def copy_as_of(
        self, payload: ArchivedPayload, moment: datetime, *, known: Sequence[ArchivedPayload]
    ) -> ArchivedPayload:
        """File the bytes of a payload under another moment, beside ``known``; with its mark."""
        copy = self.put(
            payload.day, self.read(payload), moment, of_error=payload.of_error, known=known
        )
        if payload.rejected and not copy.rejected:
            self._store.put(copy.key + _REJECTED, self._store.get(payload.key + _REJECTED))
            return replace(copy, rejected=True)
        return copy

    def discard(self, payload: ArchivedPayload) -> None:
        """Forget a payload that is filed elsewhere."""
        self._store.delete(payload.key)
        if payload.rejected:
            self._store.delete(payload.key + _REJECTED)

    def reject(self, payload: ArchivedPayload, fault: str) -> None:
        """Keep the payload but mark it, with the reason, as one no reader should use."""
        self._store.put(payload.key + _REJECTED, fault.encode())

    def accept(self, payload: ArchivedPayload) -> None:
        """Take the mark off a payload that turned out to be usable."""
        self._store.delete(payload.key + _REJECTED)


def _folder(day: date) -> str:
    return f"{ROOT}{day:%Y/%m/%d}/"


def _described(keys: list[str]) -> list[ArchivedPayload]:
    marks = {key.removesuffix(_REJECTED) for key in keys if key.endswith(_REJECTED)}
    return [_describe(key, key in marks) for key in keys if key.endswith(_SUFFIX)]


def _describe(key: str, rejected: bool = False) -> ArchivedPayload:
    folder, name = key.removeprefix(ROOT).rsplit("/", 1)
    stamp, _, digest = name.removesuffix(_SUFFIX).partition("-")
    fetched_at = datetime.strptime(stamp, _TIME).replace(tzinfo=UTC)
    return ArchivedPayload(
        key, date.fromisoformat(folder.replace("/", "-")), fetched_at, digest, rejected
    )
