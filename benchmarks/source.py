"""Where the matches come from: real ones where their file is, else simulated seasons."""

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from soccer_assets.feed.fields import ROW_FIELD
from soccer_assets.feed.payload import FeedBackend
from soccer_assets.ingestion.ingest import days_between
from soccer_assets.settings import project_folder
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.sources.replay import ReplayBackend

REAL_FILE = "world_matches.parquet"
LAST_SEASON = 2024
#: Matches of a simulated season, roughly.
SEASON_ROWS = 9_000


class PlainReplay(ReplayBackend):
    """Without odds and statistics, which the ways to load a day that are compared do not load."""

    def payload(self, day: date, as_of: datetime) -> dict[str, Any]:
        document = super().payload(day, as_of)
        for tournament in document["tournaments"]:
            for match in tournament["matches"]:
                match.pop(ROW_FIELD, None)
        return document


@dataclass(frozen=True)
class Source:
    """The newest ``rows`` matches, as far as there are so many, whole days. ``file`` None: the
    simulator, with as many seasons as they take."""

    file: Path | None
    rows: int

    def backend(self) -> FeedBackend:
        if self.file:
            return PlainReplay(self.file)
        return LeagueSimulator(first_season=self._first_season)

    @cached_property
    def days(self) -> list[date]:
        """Every day from the first to the last, the empty ones too."""
        if self.file is None:
            return list(days_between(date(self._first_season, 7, 1), date(LAST_SEASON + 1, 6, 30)))
        counts = pq.read_table(self.file, columns=["date"])["date"].cast("date32").value_counts()
        left = self.rows
        newest = sorted(((c["values"], c["counts"]) for c in counts.to_pylist()), reverse=True)
        first = last = newest[0][0]
        for day, matches in newest:
            first = day
            left -= matches
            if left <= 0:
                break
        return list(days_between(first, last))

    @property
    def as_of(self) -> datetime:
        """A moment after the last day: every match is over."""
        moment = datetime.combine(self.days[-1], datetime.min.time(), UTC)
        return moment + timedelta(days=7)

    @property
    def _first_season(self) -> int:
        return LAST_SEASON + 1 - max(1, round(self.rows / SEASON_ROWS))

    def __str__(self) -> str:
        kind = "real matches, replayed" if self.file else "simulated matches"
        return f"{kind}, {self.days[0]} to {self.days[-1]}"


def find_source(rows: int) -> Source:
    """Real matches below ``SOCCER_REAL_DATA``, else simulated ones."""
    folder = Path(os.environ.get("SOCCER_REAL_DATA") or project_folder() / "../shared/data")
    file = folder.resolve() / REAL_FILE
    return Source(file if file.is_file() else None, rows)
