"""Replays a file of results as the day feed, as if each day were live.

Rules of the replay:

- Kick-offs are taken as UTC. A missing or unreadable ``time`` means 12:00.
- A match that kicks off after the moment asked for is a fixture without a score, one that began
  less than ``FINAL_WHISTLE`` before is in play without a score, for the file does not know how it
  unfolded, and any other is finished. A row without a score stays a fixture.
- ``ft_flag`` E or P: the file's score includes extra time or penalties, see ``_result``.
- Seasons are cut in July: ``seasonId = tournament_id * 10000 + start year``.
- Columns the feed has no place for (odds, neutral ground, source, ...) are ignored.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow.parquet as pq

from soccer_assets.clock import utc_now
from soccer_assets.livescores.backends import (
    Row,
    day_feed,
    epoch,
    header_row,
    local_text,
    match_row,
    winner,
)
from soccer_assets.livescores.feed import FeedStatus, Sex

REQUIRED_COLUMNS = (
    "match_id",
    "date",
    "time",
    "region_id",
    "country",
    "tournament_id",
    "competition",
    "is_international",
    "women",
    "neutral",
    "home_team_id",
    "away_team_id",
    "home_team",
    "away_team",
    "home_score",
    "away_score",
    "ft_flag",
)
TEXT_COLUMNS = ("country", "competition", "home_team", "away_team")
INT_COLUMNS = ("match_id", "region_id", "tournament_id", "home_team_id", "away_team_id")
FLAG_COLUMNS = ("is_international", "women")
NEEDED_COLUMNS = tuple(c for c in REQUIRED_COLUMNS if c != "neutral")  # the feed does not say

EPOCH_DAY = date(1970, 1, 1).toordinal()
DAY_SECONDS = 86400
DEFAULT_KICKOFF = 12 * 3600
FINAL_WHISTLE = 2 * 3600  # after kick-off
NO_SCORE = -1
FLAGS = ("F", "E", "P")

_CLOCK = re.compile(r"\s*([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?\s*")


class ReplayBackend:
    """A feed backend over a parquet or CSV file of results.

    Args:
        path: the file, with at least ``REQUIRED_COLUMNS``.
        now: nothing later than this moment is ever shown as played, whatever is asked for.

    Raises:
        ValueError: a required column is missing or a value is unusable; names the file.
    """

    def __init__(self, path: Path, now: datetime | None = None) -> None:
        self.path = Path(path)
        self._now = None if now is None else epoch(now)
        frame = _read(self.path)
        columns = _columns(frame, self.path)
        order = np.lexsort(
            [columns[k] for k in ("match_id", "kickoff", "women", "region_id", "competition")]
            + [columns["tournament_id"], columns["kickoff"] // DAY_SECONDS]
        )
        self._columns = {name: values[order] for name, values in columns.items()}
        self._day = self._columns["kickoff"] // DAY_SECONDS
        self._texts = {c: frame[c].cat.categories.tolist() for c in TEXT_COLUMNS}

    def __len__(self) -> int:
        return len(self._day)

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day of the file."""
        if not len(self):
            raise ValueError(f"{self.path} holds no matches")
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
        year = day.year if day.month >= 7 else day.year - 1
        return day_feed(
            (_header(matches[0], year), [_match(row, year, now) for row in matches])
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


def _read(path: Path) -> pd.DataFrame:
    """The needed columns, texts as categories."""
    if not path.is_file():
        raise FileNotFoundError(f"no results file at {path}")
    parquet = path.suffix == ".parquet"
    present = pq.read_schema(path).names if parquet else pd.read_csv(path, nrows=0).columns
    missing = [column for column in REQUIRED_COLUMNS if column not in set(present)]
    if missing:
        raise ValueError(f"{path} lacks the required columns {', '.join(missing)}")
    columns = list(NEEDED_COLUMNS)
    if parquet:
        frame = pq.read_table(path, columns=columns).to_pandas()
    else:
        texts = dict.fromkeys((*TEXT_COLUMNS, "time", "ft_flag"), "category")
        frame = pd.read_csv(
            path, usecols=columns, dtype=texts, keep_default_na=False, na_values=[""]
        )
    for column in (*TEXT_COLUMNS, "time", "ft_flag"):
        frame[column] = frame[column].astype("category")
    return frame


def _columns(frame: pd.DataFrame, path: Path) -> dict[str, np.ndarray]:
    """Plain arrays: numbers as they are, texts as codes of their categories."""
    missing = [c for c in (*INT_COLUMNS, *TEXT_COLUMNS, *FLAG_COLUMNS, "date") if frame[c].hasnans]
    if missing:
        raise ValueError(f"{path} has empty values in {', '.join(missing)}")
    if frame["match_id"].duplicated().any():
        raise ValueError(f"{path} has a match_id twice")
    try:
        columns = {c: frame[c].to_numpy(np.int64) for c in INT_COLUMNS}
        columns |= {c: frame[c].astype(bool).to_numpy() for c in FLAG_COLUMNS}
        columns |= {c: _scores(frame[c]) for c in ("home_score", "away_score")}
        days = pd.to_datetime(frame["date"]).to_numpy("datetime64[D]").astype(np.int64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} has an unusable value: {error}") from error
    columns |= {c: frame[c].cat.codes.to_numpy(np.int32) for c in TEXT_COLUMNS}
    columns["flag"] = _coded(frame["ft_flag"], _flags(frame["ft_flag"], path))
    clock = np.array([_seconds(text) for text in frame["time"].cat.categories], np.int64)
    columns["kickoff"] = days * DAY_SECONDS + _coded(frame["time"], clock, DEFAULT_KICKOFF)
    return columns


def _coded(column: pd.Series, values: np.ndarray, missing: int = 0) -> np.ndarray:
    """``values`` by the column's category codes, ``missing`` where it is null (code -1)."""
    return np.append(values, missing)[column.cat.codes.to_numpy()]


def _scores(column: pd.Series) -> np.ndarray:
    return column.fillna(NO_SCORE).to_numpy(np.int16)


def _flags(column: pd.Series, path: Path) -> np.ndarray:
    unknown = set(column.cat.categories) - set(FLAGS)
    if unknown:
        raise ValueError(f"{path} has unknown values of ft_flag: {sorted(unknown)}")
    return np.array([FLAGS.index(flag) for flag in column.cat.categories], np.int8)


def _seconds(text: object) -> int:
    clock = _CLOCK.fullmatch(str(text))
    return int(clock[1]) * 3600 + int(clock[2]) * 60 if clock else DEFAULT_KICKOFF


def _tournament(row: Row) -> tuple[Any, ...]:
    return row["tournament_id"], row["competition"], row["region_id"], row["women"]


def _season(row: Row, year: int) -> int:
    return row["tournament_id"] * 10000 + year


def _header(row: Row, year: int) -> Row:
    return header_row(
        {
            "regionId": row["region_id"],
            "regionName": row["country"],
            "tournamentId": row["tournament_id"],
            "tournamentName": row["competition"],
            "seasonId": _season(row, year),
            "seasonName": f"{year}/{year + 1}",
            "stageId": _season(row, year),
            "stageName": row["competition"],
            "sex": int(Sex.WOMEN if row["women"] else Sex.MEN),
        }
    )


def _match(row: Row, year: int, now: float) -> Row:
    start = local_text(row["kickoff"])
    country = None if row["is_international"] else row["country"]
    fixture = {
        "stageId": _season(row, year),
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
    if row["kickoff"] > now or NO_SCORE in (row["home_score"], row["away_score"]):
        return match_row(fixture, _FIXTURE)
    if row["kickoff"] + FINAL_WHISTLE > now:
        return match_row(fixture, _IN_PLAY)
    return match_row(fixture, _result(row))


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
