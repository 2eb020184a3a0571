"""What the service answers from: one model's predictions, read at once and never changed.

A snapshot of 100,000 matches is a few arrays and some hundred blocks of finished JSON, not a million
Python objects: what replaces it is built in a few hundred milliseconds, hardly holds the
interpreter's lock, and is written to disk as it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from soccer_assets.serving.paging import (
    DAY_US,
    Position,
    after_all_at,
    before_all_at,
    encode_cursor,
    epoch_us,
)
from soccer_assets.warehouse.served_model import ServedModel

#: What a match is found by, and the size of its JSON in bytes; as PostgreSQL sends numbers.
RECORD = np.dtype(
    [
        ("match_id", ">i8"),
        ("kickoff_us", ">i8"),
        ("tournament_id", ">i8"),
        ("home_team_id", ">i8"),
        ("away_team_id", ">i8"),
        ("scheduled", "?"),
        ("size", ">i4"),
    ]
)
_LARGEST_ID = 2**63 - 1


class Origin(StrEnum):
    """Where a worker has its predictions from."""

    DATABASE = "database"
    DISK = "disk"


class Piece(NamedTuple):
    """Some matches: their ``RECORD``s, and their JSON in the same order, end to end."""

    records: bytes
    bodies: bytes


class Entry(NamedTuple):
    """One prediction, ready to send."""

    position: Position
    body: bytes

    @property
    def match_id(self) -> int:
        return self.position.match_id


class Page(NamedTuple):
    entries: tuple[Entry, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Rows are numbered by kick-off, then match id; every array has one value a row.

    ``refreshed_at`` is when the pipeline wrote what is served, ``loaded_at`` when it was read from
    the database, be that by an earlier worker.
    """

    model: ServedModel
    refreshed_at: datetime
    loaded_at: datetime
    origin: Origin
    pieces: tuple[Piece, ...]
    _kickoff_us: NDArray[np.int64]
    _match_id: NDArray[np.int64]
    _tournament_id: NDArray[np.int64]
    _home_team_id: NDArray[np.int64]
    _away_team_id: NDArray[np.int64]
    _piece: NDArray[np.int32]
    _start: NDArray[np.int32]
    _stop: NDArray[np.int32]
    _scheduled_rows: NDArray[np.int64]
    _ids: NDArray[np.int64]
    """Match ids in ascending order, and the row of each."""
    _row_of_id: NDArray[np.int64]

    @classmethod
    def build(
        cls,
        model: ServedModel,
        pieces: Iterable[Piece],
        *,
        refreshed_at: datetime,
        loaded_at: datetime,
        origin: Origin = Origin.DATABASE,
    ) -> "Snapshot":
        """Sort and index the matches of all pieces; they may come in any order.

        Raises:
            ValueError: records and bodies of a piece do not belong together.
        """
        kept = tuple(pieces)
        tables = [np.frombuffer(piece.records, RECORD) for piece in kept]
        table = np.concatenate([np.empty(0, RECORD), *tables])
        ends = [np.cumsum(records["size"], dtype=np.int64) for records in tables]
        for piece, end in zip(kept, ends, strict=True):
            if len(piece.bodies) != (end[-1] if len(end) else 0):
                raise ValueError("the bodies of a piece are not as long as its records say")
        number = np.repeat(np.arange(len(kept)), [len(records) for records in tables])
        stop = np.concatenate([np.empty(0, np.int64), *ends])
        kickoff, match_id = (table[key].astype(np.int64) for key in ("kickoff_us", "match_id"))
        order = np.lexsort((match_id, kickoff))
        ordered_ids = match_id[order]
        by_id = np.argsort(ordered_ids)

        def ordered(column: str) -> NDArray[np.int64]:
            return table[column][order].astype(np.int64)

        return cls(
            model=model,
            refreshed_at=refreshed_at,
            loaded_at=loaded_at,
            origin=origin,
            pieces=kept,
            _kickoff_us=kickoff[order],
            _match_id=ordered_ids,
            _tournament_id=ordered("tournament_id"),
            _home_team_id=ordered("home_team_id"),
            _away_team_id=ordered("away_team_id"),
            _piece=number[order].astype(np.int32),
            _start=(stop - table["size"])[order].astype(np.int32),
            _stop=stop[order].astype(np.int32),
            _scheduled_rows=np.flatnonzero(table["scheduled"][order]),
            _ids=ordered_ids[by_id],
            _row_of_id=by_id,
        )

    @property
    def size(self) -> int:
        """How many matches can be answered for."""
        return len(self._match_id)

    @property
    def as_of(self) -> datetime:
        """When the pipeline wrote what is served here: before it was loaded, whatever its clock
        said."""
        return min(self.refreshed_at, self.loaded_at)

    def age(self, now: datetime) -> timedelta:
        return max(now - self.as_of, timedelta())

    def ahead(self, now: datetime) -> timedelta:
        """How far in the future the pipeline says that it wrote this."""
        return max(self.refreshed_at - now, timedelta())

    def body(self, match_id: int) -> bytes | None:
        """The JSON of a match, if there is a prediction."""
        if not -_LARGEST_ID <= match_id <= _LARGEST_ID:
            return None
        at = self._ids.searchsorted(match_id)
        if at == len(self._ids) or self._ids[at] != match_id:
            return None
        return self._body(self._row_of_id[at])

    def entry(self, row: int) -> Entry:
        position = Position(int(self._kickoff_us[row]), int(self._match_id[row]))
        return Entry(position, self._body(row))

    def _body(self, row: int | np.integer) -> bytes:
        return self.pieces[self._piece[row]].bodies[self._start[row] : self._stop[row]]

    def coming(
        self,
        now: datetime,
        *,
        limit: int,
        after: Position | None = None,
        first_day: date | None = None,
        last_day: date | None = None,
        tournament_id: int | None = None,
        team_id: int | None = None,
    ) -> Page:
        """The next ``limit`` scheduled matches that kick off after ``now``; days are in UTC."""
        lower = after_all_at(epoch_us(now))
        if after is not None:
            lower = max(lower, after)
        if first_day is not None:
            lower = max(lower, after_all_at(_midnight_us(first_day) - 1))
        first, last = self._rows_up_to(lower), self.size
        if last_day is not None:
            last = self._rows_up_to(before_all_at(_midnight_us(last_day) + DAY_US))
        rows = self._scheduled_rows[slice(*self._scheduled_rows.searchsorted((first, last)))]
        if tournament_id is not None:
            rows = rows[self._tournament_id[rows] == _storable(tournament_id)]
        if team_id is not None:
            team = _storable(team_id)
            rows = rows[(self._home_team_id[rows] == team) | (self._away_team_id[rows] == team)]
        chosen = tuple(self.entry(row) for row in rows[:limit].tolist())
        more = len(rows) > limit
        return Page(chosen, encode_cursor(chosen[-1].position) if more else None)

    def _rows_up_to(self, position: Position) -> int:
        """How many rows are at the position or before it."""
        first, last = (
            int(self._kickoff_us.searchsorted(position.kickoff_us, side))
            for side in ("left", "right")
        )
        tied: Sequence[int] = self._match_id[first:last]  # type: ignore[assignment]
        return first + int(np.searchsorted(tied, position.match_id, "right"))


def _storable(number: int) -> int:
    """Of a number that no column can hold: one that none does hold."""
    return number if -_LARGEST_ID <= number <= _LARGEST_ID else -_LARGEST_ID - 1


def _midnight_us(day: date) -> int:
    return epoch_us(datetime(day.year, day.month, day.day, tzinfo=UTC))
