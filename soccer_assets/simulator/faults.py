"""Faults the embedded feed server can be told to answer with, per day."""

import threading
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from soccer_assets.feed.fields import MATCH_FIELDS


class FaultKind(StrEnum):
    """What can go wrong with an answer."""

    HTTP_500 = "http_500"
    HTTP_429 = "http_429"
    TIMEOUT = "timeout"
    TRUNCATED_JSON = "truncated_json"
    HTML_PAGE = "html_page"
    MISSING_FIELD = "missing_field"
    UNKNOWN_STATUS = "unknown_status"
    WRONG_TYPE = "wrong_type"
    DUPLICATE_ID = "duplicate_id"


@dataclass(frozen=True)
class Fault:
    """A fault to inject; made by the methods below."""

    kind: FaultKind
    field: str = ""
    status: int = 0
    seconds: float = 0.0

    @classmethod
    def http_500(cls) -> "Fault":
        return cls(FaultKind.HTTP_500)

    @classmethod
    def http_429(cls, retry_after: float = 1) -> "Fault":
        """Too many requests, with a ``Retry-After`` of so many seconds."""
        return cls(FaultKind.HTTP_429, seconds=retry_after)

    @classmethod
    def timeout(cls, seconds: float = 60.0) -> "Fault":
        """Answer only after ``seconds``."""
        return cls(FaultKind.TIMEOUT, seconds=seconds)

    @classmethod
    def truncated_json(cls) -> "Fault":
        return cls(FaultKind.TRUNCATED_JSON)

    @classmethod
    def html_page(cls) -> "Fault":
        """Status 200 with an HTML page, as a wall against robots sends."""
        return cls(FaultKind.HTML_PAGE)

    @classmethod
    def missing_field(cls, name: str) -> "Fault":
        """No match has the field; nor has the header, where the field is the header's only."""
        return cls(FaultKind.MISSING_FIELD, field=name)

    @classmethod
    def unknown_status(cls, code: int = 99) -> "Fault":
        """Every match has this status."""
        return cls(FaultKind.UNKNOWN_STATUS, status=code)

    @classmethod
    def wrong_type(cls, name: str = "homeTeamId") -> "Fault":
        """The field is an object in every match."""
        return cls(FaultKind.WRONG_TYPE, field=name)

    @classmethod
    def duplicate_id(cls) -> "Fault":
        """The first match comes twice, the second time with the teams the other way round."""
        return cls(FaultKind.DUPLICATE_ID)

    def spoil(self, payload: dict[str, Any]) -> None:
        """Apply the fault to the payload, where it is one of content."""
        if self.kind is FaultKind.DUPLICATE_ID:
            _repeat_first_match(payload)
            return
        header_only = self.kind is FaultKind.MISSING_FIELD and self.field not in MATCH_FIELDS
        for tournament in payload["tournaments"]:
            for match in tournament["matches"]:
                if self.kind is FaultKind.MISSING_FIELD:
                    match.pop(self.field, None)
                elif self.kind is FaultKind.UNKNOWN_STATUS:
                    match["status"] = self.status
                elif self.kind is FaultKind.WRONG_TYPE:
                    match[self.field] = {"unexpected": "object"}
            if header_only:
                tournament.pop(self.field, None)


def _repeat_first_match(payload: dict[str, Any]) -> None:
    for tournament in payload["tournaments"]:
        for match in tournament["matches"]:
            sides = ("home", "away")
            names = ("TeamId", "TeamName", "TeamCountryCode", "TeamCountryName")
            swap = {a + n: match.get(b + n) for a, b in (sides, sides[::-1]) for n in names}
            tournament["matches"].append({**match, **swap})
            return


class FaultPlan:
    """Which days are answered with a fault, and how often. Safe to use from many threads."""

    def __init__(self) -> None:
        self._faults: dict[date | None, tuple[Fault, int | None]] = {}
        self._lock = threading.Lock()

    def add(self, day: date | None, fault: Fault, times: int | None) -> None:
        """``day`` None stands for every day without a fault of its own."""
        with self._lock:
            self._faults[day] = (fault, times)

    def remove(self, day: date | None) -> None:
        """Forget the fault of ``day``; all faults when None."""
        with self._lock:
            if day is None:
                self._faults.clear()
            else:
                self._faults.pop(day, None)

    def take(self, day: date) -> Fault | None:
        """The fault to answer ``day`` with now; counts as one of its times."""
        with self._lock:
            key = day if day in self._faults else None
            fault, times = self._faults.get(key, (None, None))
            if fault is not None and times is not None:
                if times > 1:
                    self._faults[key] = (fault, times - 1)
                else:
                    del self._faults[key]
            return fault
