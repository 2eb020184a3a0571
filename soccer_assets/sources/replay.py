"""Replays a file of results as the day feed, as if each day were live.

Rules of the replay:

- Kick-offs are taken as UTC. An empty ``time`` means 12:00; one that has lost its last
  digit on the way, as `` 18:3`` has, means 18:30. Any other that cannot be read is refused.
- A match that kicks off after the moment asked for is a fixture without a score, one that began
  less than ``FINAL_WHISTLE`` before is in play without a score, for the file does not know how it
  unfolded, and any other is finished. A row without a score stays a fixture.
- ``ft_flag`` E or P: the file's score includes extra time or penalties, see ``_result``.
- The seasons of a competition change where its year is quietest, in July for most:
  ``seasonId = tournament_id * 10000 + start year``.
- ``isNeutral``, which the site does not have, is as the file's ``neutral`` says.
- Odds (from the kick-off on) and statistics (of matches that are over), where the file has them,
  are given as a row of football-data.co.uk, cell by cell as they are. ``odds_type`` is bookmaker
  and phase: ``avg_close``, ``b365_pre``; what does not say that it is closing counts as earlier.
- Other columns are ignored.
"""

from collections.abc import Callable
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from soccer_assets.arrays import IntArray
from soccer_assets.clock import utc_now
from soccer_assets.feed.fields import NEUTRAL_FIELD, ROW_FIELD, STATISTICS, FeedStatus, Sex
from soccer_assets.feed.payload import (
    Row,
    day_feed,
    epoch,
    header_row,
    local_text,
    match_row,
    winner,
)
from soccer_assets.sources.results_file import (
    EPOCH_DAY,
    FLAGS,
    NO_SCORE,
    ODDS_COLUMNS,
    UNKNOWN,
    ResultsFileError,
    read_results,
)
from soccer_assets.sources.seasons import quietest_day, season_name

DAY_SECONDS = 86400
FINAL_WHISTLE = 2 * 3600  # after kick-off


class ReplayBackend:
    """A feed backend over a parquet or CSV file of results.

    Args:
        path: the file, with at least ``REQUIRED_COLUMNS``.
        now: nothing later than this moment is ever shown as played, whatever is asked for.
        date_format: how its dates are written, where they are not ISO: see ``read_results``.

    Raises:
        ResultsFileError: the file cannot be used; names row and column.
    """

    def __init__(
        self, path: Path, now: datetime | None = None, *, date_format: str | None = None
    ) -> None:
        self.path = Path(path)
        self._now = None if now is None else epoch(now)
        results = read_results(self.path, date_format)
        columns = results.columns
        columns["kickoff"] = columns.pop("day") * DAY_SECONDS + columns.pop("second")
        order = np.lexsort(
            [columns[k] for k in ("match_id", "kickoff", "women", "region_id", "competition")]
            + [columns["tournament_id"], columns["kickoff"] // DAY_SECONDS]
        )
        columns["season"], columns["change"] = seasons_of(
            columns["kickoff"] // DAY_SECONDS, columns["tournament_id"]
        )
        self._columns = {name: values[order] for name, values in columns.items()}
        self._day = self._columns["kickoff"] // DAY_SECONDS
        self._texts = results.texts

    def __len__(self) -> int:
        return len(self._day)

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day of the file."""
        if not len(self):
            raise ResultsFileError(f"{self.path} holds no matches")
        first, last = (int(day) + EPOCH_DAY for day in (self._day[0], self._day[-1]))
        return date.fromordinal(first), date.fromordinal(last)

    def payload(self, day: date, as_of: datetime) -> dict[str, Any]:
        """The feed of ``day`` as shown at ``as_of``."""
        now = epoch(as_of) if self._now is None else min(epoch(as_of), self._now)
        number = day.toordinal() - EPOCH_DAY
        start, end = np.searchsorted(self._day, [number, number + 1])
        lists = {name: values[start:end].tolist() for name, values in self._columns.items()}
        for name, texts in self._texts.items():
            lists[name] = [texts[code] for code in lists[name]]
        rows = (
            dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)
        )
        return day_feed(
            (_header(matches[0]), [_match(row, now) for row in matches])
            for _, group in groupby(rows, key=_tournament)
            if (matches := list(group))
        )


class FileSource:
    """A backend as a source of day payloads, without a server between, for bulk loads."""

    def __init__(self, backend: ReplayBackend, clock: Callable[[], datetime] = utc_now) -> None:
        self._backend = backend
        self._clock = clock

    def fetch(self, day: date) -> bytes:
        """The day's payload as of now."""
        return orjson.dumps(self._backend.payload(day, self._clock()))


def _tournament(row: Row) -> tuple[Any, ...]:
    return row["tournament_id"], row["competition"], row["region_id"], row["women"]


def seasons_of(days: IntArray, tournaments: IntArray) -> tuple[IntArray, IntArray]:
    """Of each match, the year that its season begins in, and the day of the year on which seasons of
    its competition change.

    Args:
        days: since 1970.
    """
    dates = days.astype("datetime64[D]")
    years = dates.astype("datetime64[Y]")
    of_year = (dates - years).astype(np.int64)
    changes = np.empty(len(days), np.int64)
    order = np.argsort(tournaments, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(tournaments[order])) + 1):
        if len(rows):
            changes[rows] = quietest_day(of_year[rows])
    return years.astype(np.int64) + 1970 - (of_year < changes), changes


def _season(row: Row) -> int:
    return int(row["tournament_id"] * 10000 + row["season"])


def _header(row: Row) -> Row:
    return header_row(
        {
            "regionId": row["region_id"],
            "regionName": row["country"],
            "tournamentId": row["tournament_id"],
            "tournamentName": row["competition"],
            "seasonId": _season(row),
            "seasonName": season_name(row["season"], row["change"]),
            "stageId": _season(row),
            "stageName": row["competition"],
            "sex": int(Sex.WOMEN if row["women"] else Sex.MEN),
        }
    )


def _match(row: Row, now: float) -> Row:
    start = local_text(row["kickoff"])
    country = None if row["is_international"] else row["country"]
    fixture = {
        "stageId": _season(row),
        "id": row["match_id"],
        "startTime": start,
        "startTimeUtc": start + "Z",
        "homeTeamId": row["home_team_id"],
        "homeTeamName": row["home_team"],
        "homeTeamCountryName": country,
        "awayTeamId": row["away_team_id"],
        "awayTeamName": row["away_team"],
        "awayTeamCountryName": country,
    }
    shown = _shown(row, now)
    own: Row = {} if row["neutral"] == UNKNOWN else {NEUTRAL_FIELD: bool(row["neutral"])}
    cells = _odds(row) if row["kickoff"] <= now else {}
    if shown["status"] == FeedStatus.FINISHED:
        cells |= {c: row[name] for name, c in STATISTICS.items() if row.get(name)}
    if cells:
        own[ROW_FIELD] = cells
    return match_row(fixture, shown) | own


#: How ``odds_type`` ends -> what a column of closing odds has after the bookmaker.
_PHASES = {"pre": "", "close": "C", "closing": "C"}
#: Bookmakers as the site abbreviates them; others keep their name.
_BOOKMAKERS = {"avg": "Avg", "max": "Max", "b365": "B365", "pinnacle": "PS"}
_LONGEST_BOOKMAKER = 15


def _odds(row: Row) -> dict[str, str]:
    """Column of the site -> price, where the file has odds of the match."""
    *prices, kind = [str(row.get(name) or "") for name in ODDS_COLUMNS]
    if not (kind and all(prices)):
        return {}
    bookmaker, _, phase = kind.lower().rpartition("_")
    if phase not in _PHASES:
        bookmaker, phase = kind.lower(), "pre"
    code = _BOOKMAKERS.get(bookmaker, bookmaker)[:_LONGEST_BOOKMAKER] or "unnamed"
    return {f"{code}{_PHASES[phase]}{o}": p for o, p in zip("HDA", prices, strict=True)}


def _shown(row: Row, now: float) -> Row:
    """What is known of the match at ``now``."""
    if row["kickoff"] > now or NO_SCORE in (row["home_score"], row["away_score"]):
        return _FIXTURE
    if row["kickoff"] + FINAL_WHISTLE > now:
        return _IN_PLAY
    return _result(row)


_FIXTURE: Row = {"status": int(FeedStatus.SCHEDULED), "period": 0}
_IN_PLAY: Row = {"status": int(FeedStatus.IN_PLAY)}


def _result(row: Row) -> Row:
    home, away, flag = row["home_score"], row["away_score"], FLAGS[row["flag"]]
    result = {
        "status": int(FeedStatus.FINISHED),
        "period": 7,
        "winnerField": winner(home, away),
    }
    if flag == "F":
        return result | {"homeScore": home, "awayScore": away, "elapsed": "FT"}
    # The feed's homeScore/awayScore are the score of 90 minutes, which the file does not know
    # here. They stay null, so that no 1X2 outcome can be made of the match; the score goes where
    # the feed has the one after extra time, and elapsed says how the match ended.
    elapsed = "AET" if flag == "E" else "PEN"
    return result | {"homeExtratimeScore": home, "awayExtratimeScore": away, "elapsed": elapsed}
