"""What the service answers from: one model's predictions, read at once and never changed."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from soccer_assets.serving.paging import (
    DAY_US,
    Position,
    after_all_at,
    before_all_at,
    encode_cursor,
    epoch_us,
)
from soccer_assets.warehouse.served_model import ServedModel

#: Rows are fetched in pieces so that a reload never holds the interpreter for long.
FETCH_ROWS = 500
STATEMENT_TIMEOUT_MS = 30_000

_SERVED_MODEL = sa.text(
    """
    SELECT model_name, version, run_id, data_revision, promoted_at, metrics, refreshed_at
    FROM soccer.served_model
    """
)
# The kick-off is the match's, not the one predicted for: a fixture may have moved since.
_PREDICTIONS = sa.text(
    """
    SELECT m.match_id, m.kickoff, m.status, m.tournament_id, m.tournament_name, m.region_name,
           m.season_name, m.home_team_id, m.home_team_name, m.away_team_id, m.away_team_name,
           p.p_home, p.p_draw, p.p_away, p.features_as_of, p.predicted_at,
           p.predicted_at < least(p.kickoff, m.kickoff) AS made_before_kickoff
    FROM soccer.prediction AS p
    JOIN soccer.match AS m ON m.match_id = p.match_id
    WHERE p.model_version = :version AND m.kickoff >= :since
    """
)


class NoChampion(LookupError):
    """No model is served yet."""


class Entry(NamedTuple):
    """One prediction, ready to send: the keys it is found by and its JSON."""

    position: Position
    scheduled: bool
    tournament_id: int
    team_ids: frozenset[int]
    body: bytes

    @property
    def match_id(self) -> int:
        return self.position.match_id


class Page(NamedTuple):
    entries: tuple[Entry, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``entries`` and every index are sorted by kick-off, then match id."""

    model: ServedModel
    refreshed_at: datetime
    loaded_at: datetime
    entries: tuple[Entry, ...]
    by_match: Mapping[int, Entry]
    scheduled: tuple[Entry, ...]
    scheduled_by_tournament: Mapping[int, tuple[Entry, ...]]
    scheduled_by_team: Mapping[int, tuple[Entry, ...]]

    @classmethod
    def build(
        cls,
        model: ServedModel,
        entries: Iterable[Entry],
        *,
        refreshed_at: datetime,
        loaded_at: datetime,
    ) -> "Snapshot":
        ordered = tuple(sorted(entries, key=lambda entry: entry.position))
        scheduled = tuple(entry for entry in ordered if entry.scheduled)
        by_tournament: dict[int, list[Entry]] = defaultdict(list)
        by_team: dict[int, list[Entry]] = defaultdict(list)
        for entry in scheduled:
            by_tournament[entry.tournament_id].append(entry)
            for team_id in entry.team_ids:
                by_team[team_id].append(entry)
        return cls(
            model=model,
            refreshed_at=refreshed_at,
            loaded_at=loaded_at,
            entries=ordered,
            by_match=MappingProxyType({entry.match_id: entry for entry in ordered}),
            scheduled=scheduled,
            scheduled_by_tournament=_frozen(by_tournament),
            scheduled_by_team=_frozen(by_team),
        )

    def age(self, now: datetime) -> timedelta:
        """How long ago the pipeline wrote what is served here: before it was loaded, whatever its
        clock said."""
        return max(now - min(self.refreshed_at, self.loaded_at), timedelta())

    def ahead(self, now: datetime) -> timedelta:
        """How far in the future it says that was."""
        return max(self.refreshed_at - now, timedelta())

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
        candidates = self._candidates(tournament_id, team_id)
        lower = after_all_at(epoch_us(now))
        if after is not None:
            lower = max(lower, after)
        if first_day is not None:
            lower = max(lower, after_all_at(_midnight_us(first_day) - 1))
        start = bisect_right(candidates, lower, key=_position)
        stop = len(candidates)
        if last_day is not None:
            stop = bisect_left(
                candidates, before_all_at(_midnight_us(last_day) + DAY_US), key=_position
            )
        chosen = tuple(candidates[start : min(start + limit, stop)])
        more = start + limit < stop
        return Page(chosen, encode_cursor(chosen[-1].position) if more else None)

    def _candidates(self, tournament_id: int | None, team_id: int | None) -> Sequence[Entry]:
        if team_id is not None:
            of_team = self.scheduled_by_team.get(team_id, ())
            if tournament_id is None:
                return of_team
            return [entry for entry in of_team if entry.tournament_id == tournament_id]
        if tournament_id is not None:
            return self.scheduled_by_tournament.get(tournament_id, ())
        return self.scheduled


def load_snapshot(engine: sa.Engine, now: datetime, *, recent_days: int) -> Snapshot:
    """Read the champion and its predictions as of one moment of the database.

    Raises:
        NoChampion: no model is served yet.
    """
    with engine.connect() as opened:
        connection = opened.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        connection.execute(sa.text(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}"))
        row = connection.execute(_SERVED_MODEL).one_or_none()
        if row is None:
            raise NoChampion("no champion is served yet")
        model = ServedModel(
            name=row.model_name,
            version=row.version,
            run_id=row.run_id,
            data_revision=row.data_revision,
            promoted_at=row.promoted_at.astimezone(UTC),
            metrics=MappingProxyType(dict(row.metrics)),
        )
        rows = connection.execution_options(yield_per=FETCH_ROWS).execute(
            _PREDICTIONS,
            {"version": model.version, "since": now - timedelta(days=recent_days)},
        )
        return Snapshot.build(
            model,
            (_entry(row, model.version) for row in rows),
            refreshed_at=row.refreshed_at.astimezone(UTC),
            loaded_at=now,
        )


def _entry(row: sa.Row[Any], model_version: int) -> Entry:
    fields = dict(row._mapping)
    for moment in ("kickoff", "features_as_of", "predicted_at"):
        fields[moment] = fields[moment].astimezone(UTC)
    body = orjson.dumps({**fields, "model_version": model_version}, option=orjson.OPT_UTC_Z)
    return Entry(
        position=Position(epoch_us(row.kickoff), row.match_id),
        scheduled=row.status == "scheduled",
        tournament_id=row.tournament_id,
        team_ids=frozenset((row.home_team_id, row.away_team_id)),
        # A copy: what orjson returns keeps its 8 kB buffer for as long as it lives.
        body=bytes(memoryview(body)),
    )


def _frozen(groups: Mapping[int, list[Entry]]) -> Mapping[int, tuple[Entry, ...]]:
    return MappingProxyType({key: tuple(entries) for key, entries in groups.items()})


def _midnight_us(day: date) -> int:
    return epoch_us(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _position(entry: Entry) -> Position:
    return entry.position
